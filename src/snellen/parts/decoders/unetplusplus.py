"""U-Net++: nested, dense skip connections (Zhou et al. 2018, arXiv:1807.10165). Costs about twice a U-Net."""

from __future__ import annotations

from torch import nn

from snellen.parts.decoders._dense import dense


def unetplusplus(
    encoder: nn.Module, name: str, classes: int, dropout: float, *, channels: tuple[int, ...] = (256, 128, 64, 32, 16)
) -> nn.Module:
    """Images [n, 3, h, w] → logits [n, classes, h, w]; `encoder` is a timm classifier `name`, whose weights are taken.

    `channels`: those of the decoder, from coarse to fine. Raises ValueError where the network cannot be its encoder.
    """
    return dense(
        "UnetPlusPlus", encoder, name, classes, dropout, decoder_channels=tuple(channels), encoder_depth=len(channels)
    )
