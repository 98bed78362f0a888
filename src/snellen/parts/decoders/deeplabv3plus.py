"""DeepLabV3+: dilated encoder, atrous pyramid and a light decoder (SPEC M1; Chen et al. 2018, arXiv:1802.02611)."""

from __future__ import annotations

from torch import nn

from snellen.parts.decoders._dense import dense


def deeplabv3plus(
    encoder: nn.Module, name: str, classes: int, dropout: float, *, output_stride: int = 16, channels: int = 256
) -> nn.Module:
    """Images [n, 3, h, w] → logits [n, classes, h, w]; `encoder` is a timm classifier `name`, whose weights are taken.

    `output_stride` 8 or 16: how far the encoder reduces (8 sees finer and costs more). `channels`: those of the decoder. Raises ValueError where the network cannot be its encoder.
    """
    return dense(
        "DeepLabV3Plus", encoder, name, classes, dropout, encoder_output_stride=output_stride, decoder_channels=channels
    )
