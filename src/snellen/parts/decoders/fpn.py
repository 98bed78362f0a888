"""Feature pyramid with a sum of all its levels (Kirillov et al. 2019, Panoptic Feature Pyramid Networks, arXiv:1901.02446)."""

from __future__ import annotations

from torch import nn

from snellen.parts.decoders._dense import dense


def fpn(
    encoder: nn.Module,
    name: str,
    classes: int,
    dropout: float,
    *,
    channels: int = 256,
    segmentation_channels: int = 128,
) -> nn.Module:
    """Images [n, 3, h, w] → logits [n, classes, h, w]; `encoder` is a timm classifier `name`, whose weights are taken.

    `channels`: those of the pyramid; `segmentation_channels`: of what is made of each level. Raises ValueError where the network cannot be its encoder.
    """
    return dense(
        "FPN",
        encoder,
        name,
        classes,
        dropout,
        decoder_pyramid_channels=channels,
        decoder_segmentation_channels=segmentation_channels,
        decoder_dropout=0.0,
    )
