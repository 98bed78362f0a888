"""SegFormer's decoder: all levels brought to one width and mixed (Xie et al. 2021, arXiv:2105.15203), here on any timm encoder."""

from __future__ import annotations

from torch import nn

from snellen.parts.decoders._dense import dense


def segformer(encoder: nn.Module, name: str, classes: int, dropout: float, *, channels: int = 256) -> nn.Module:
    """Images [n, 3, h, w] → logits [n, classes, h, w]; `encoder` is a timm classifier `name`, whose weights are taken.

    `channels`: the width that all levels are brought to. Raises ValueError where the network cannot be its encoder.
    """
    return dense("Segformer", encoder, name, classes, dropout, decoder_segmentation_channels=channels)
