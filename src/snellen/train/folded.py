"""Folded: a frozen network whose batch-norms in eval mode are worked into the convolutions in front of them.

In eval mode a batch-norm is a factor and a shift of each channel, and a pass over the whole map for it is wasted (Jacob et al.
2018, arXiv:1712.05877, §3.2). The convolutions' weights are multiplied once instead. In the same way TensorFlow's padding, for
which every map in front of a stride would be copied, is worked into the weights.
"""

from __future__ import annotations

import copy
import itertools
from typing import TypeGuard

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

# What the folded network gives may differ from the network by this share of the largest number.
SAME = 1e-3


@torch.no_grad()
def folded(model: nn.Module, trial: Tensor) -> nn.Module:
    """A folded copy of the model in eval mode, modules named as before; the model itself where there is nothing to fold, or
    where on `trial` [n, 3, h, w] the copy does not give what the model gives: that is tried, not assumed."""
    if not any(_pairs(module) for module in model.modules()):
        return model
    model.eval()
    quick = copy.deepcopy(model)
    for parent in list(quick.modules()):
        for name, conv, after, norm in _pairs(parent):
            fused = fuse_conv_bn_eval(conv, norm)
            setattr(parent, name, _Halving(fused) if _halves(fused) else fused)
            setattr(parent, after, _rest(norm))
    quick.requires_grad_(False)
    expected, found = model.forward_features(trial), quick.forward_features(trial)  # type: ignore[operator]
    close = bool(((found - expected).abs().max() <= SAME * expected.abs().max()).item())
    return quick if close else model


class _Halving(nn.Module):
    """A convolution of stride 2 with TensorFlow's padding: along odd sides as much in front as behind, along even ones one line
    less in front. As much on both, and a line of zeros before the weights where one is too many, come to the same."""

    def __init__(self, conv: Conv2dSame) -> None:
        super().__init__()
        self.weight, self.bias, self.groups = conv.weight, conv.bias, conv.groups
        self.padding = tuple(side // 2 for side in conv.kernel_size)

    def forward(self, maps: Tensor) -> Tensor:
        rows, columns = (1 - side % 2 for side in maps.shape[-2:])
        weight = functional.pad(self.weight, (columns, 0, rows, 0))
        return functional.conv2d(maps, weight, self.bias, 2, self.padding, 1, self.groups)


def _halves(conv: nn.Module) -> TypeGuard[Conv2dSame]:
    return (
        isinstance(conv, Conv2dSame)
        and (conv.stride, conv.dilation) == ((2, 2), (1, 1))
        and all(side % 2 for side in conv.kernel_size)
    )


def _pairs(parent: nn.Module) -> list[tuple[str, nn.Conv2d, str, nn.BatchNorm2d]]:
    """Convolutions whose next sibling is a batch-norm of as many channels, with the names of both."""
    own = list(parent.named_children())
    return [
        (name, one, after, other)
        for (name, one), (after, other) in itertools.pairwise(own)
        if isinstance(one, nn.Conv2d)
        and isinstance(other, nn.BatchNorm2d)
        and other.running_mean is not None
        and len(other.running_mean) == one.out_channels
    ]


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    """What the norm does besides: timm's ones hold dropout and activation."""
    inside = [getattr(norm, name) for name in ("drop", "act") if isinstance(getattr(norm, name, None), nn.Module)]
    inside = [module for module in inside if not isinstance(module, nn.Identity)]
    return inside[0] if len(inside) == 1 else nn.Sequential(*inside)
