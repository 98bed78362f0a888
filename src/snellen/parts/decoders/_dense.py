"""A timm network as the encoder of a decoder of segmentation-models-pytorch, staged and fed as a classifier is."""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of what the library's own start of the last layer is.
QUIET = 0.1


class Dense(nn.Module):
    """Images [n, 3, h, w] of any size → logits [n, k, h, w].

    timm-shaped where the loop looks: `get_classifier` is what is new (decoder and last layer), `feature_info` names the
    modules of the encoder that end where its resolution falls, `pretrained_cfg` holds the mean and standard deviation.
    """

    def __init__(self, net: nn.Module, trained: nn.Module, *, dropout: float, stride: int) -> None:
        super().__init__()
        self.net, self.dropout, self.stride = net, nn.Dropout2d(dropout), stride
        self.pretrained_cfg = dict(getattr(trained, "pretrained_cfg", None) or {})
        self.only_size = getattr(trained, "only_size", None)
        encoder: Any = net.encoder.model  # type: ignore[union-attr]
        _fill(encoder, trained)
        self.feature_info = _info(encoder)
        _quieten(net.segmentation_head)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Logits of every pixel."""
        height, width = images.shape[-2:]
        right, below = -width % self.stride, -height % self.stride
        padded = F.pad(images, (0, right, 0, below), mode="replicate") if right or below else images
        net: Any = self.net
        maps = net.decoder(net.encoder(padded))
        logits: Tensor = net.segmentation_head(self.dropout(maps))
        return logits[..., :height, :width] if right or below else logits

    def get_classifier(self) -> nn.Module:
        """What a head stage trains."""
        net: Any = self.net
        return nn.ModuleList([net.decoder, net.segmentation_head])

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the encoder's activations; raises AssertionError where it cannot."""
        encoder: Any = self.net.encoder.model  # type: ignore[union-attr]
        switch = getattr(encoder, "set_grad_checkpointing", None)
        if switch is None:
            raise AssertionError("its encoder has no such switch")
        switch(enable)


def dense(kind: str, encoder: nn.Module, name: str, classes: int, dropout: float, **settings: Any) -> Dense:
    """The model `kind` of segmentation-models-pytorch on the timm network `name`, with the weights of `encoder`, a classifier of
    that name. Raises ValueError where the network shows no maps that a decoder could use, or a setting does not fit."""
    make = getattr(smp, kind)
    try:
        net = make(encoder_name=f"tu-{name}", encoder_weights=None, in_channels=3, classes=classes, **settings)
    except (RuntimeError, ValueError, AttributeError, TypeError, KeyError, AssertionError) as error:
        raise ValueError(
            f"{name} cannot be the encoder of {kind} ({error}); take a network whose maps halve, such as a ResNet"
        ) from error
    return Dense(net, encoder, dropout=dropout, stride=max(32, int(net.encoder.output_stride)))


@torch.no_grad()
def _quieten(head: nn.Module) -> None:
    """Begin near guessing: as it comes, the last layer's answers are sure and wrong. Not at zero, which stops what lies before."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.mul_(QUIET)


@torch.no_grad()
def _fill(maps: nn.Module, trained: nn.Module) -> None:
    """Copy the encoder's weights by name; timm joins names with underscores where it takes a network apart for its maps."""
    given = {_plain(key): value for key, value in trained.state_dict().items()}
    for key, value in maps.state_dict().items():
        other = given.get(_plain(key))
        if other is None or other.shape != value.shape:
            raise ValueError(f"the pretrained network has no tensor {key} of shape {tuple(value.shape)}")
        value.copy_(other)


def _plain(key: str) -> str:
    return key.replace("_", ".")


def _info(maps: Any) -> list[dict[str, Any]]:
    """timm's feature information with the names that the modules have here."""
    names = {_plain(name): name for name, _ in maps.named_modules()}
    found = []
    for item in maps.feature_info.get_dicts():
        place = names.get(_plain(str(item["module"])))
        if place:
            found.append({**item, "module": f"net.encoder.model.{place}"})
    return found
