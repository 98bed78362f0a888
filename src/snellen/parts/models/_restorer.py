"""What models from image to image have in common: the shape of a timm model, and what tiling must know of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snellen.parts._tiles import tiled

# Keys' cubic of the first and second kind: Pillow and MATLAB resize with -0.5, torch's own interpolation with -0.75.
CUBIC = -0.5


# In eval mode an image is taken in tiles of so many pixels where it is larger: memory for a few hundred megapixels is rare.
TILE = 512


class Restorer(nn.Module):
    """Images [n, 3, h, w] in 0..1 → [n, 3, scale·h, scale·w], not clipped. A subclass writes `restored`.

    `reach`: an output pixel depends on no input pixel farther than so many from it; `multiple`: tiles must begin at
    multiples of it (where the network works at a lower resolution); then tiles that overlap by `reach` have the whole's values.
    """

    scale: int = 1
    reach: int = 0
    multiple: int = 1
    last: nn.Conv2d
    # Nothing is subtracted outside: what is shipped takes and gives pixels.
    pretrained_cfg: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    feature_info: list[dict[str, Any]]

    def restored(self, x: Tensor) -> Tensor:
        """The whole image at once."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The restored images; large ones, in eval mode, tile by tile with the same values."""
        if self.training or torch.compiler.is_compiling() or max(x.shape[2:]) <= TILE + 2 * self.reach:
            return self.restored(x)
        return tiled(self.restored, x, tile=TILE, reach=self.reach, multiple=self.multiple, scale=self.scale)

    def get_classifier(self) -> nn.Module:
        """The last layer: what timm calls the classifier."""
        return self.last

    def begin_at_the_input(self) -> None:
        """Make the last layer zero: an untrained model gives the (enlarged) input back, alike for every seed."""
        nn.init.zeros_(self.last.weight)
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)


class Residual(nn.Module):
    """x + conv(relu(conv(x))), without normalisation, which costs the range of an image (Lim et al. 2017, §3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, h, w] → the same shape."""
        found: Tensor = x + self.second(F.relu(self.first(x)))
        return found


class Enlarge(nn.Module):
    """Bicubic enlargement by a whole number, as one small convolution: free of the sizes, and the same in ONNX.

    Inside the image it equals Pillow's BICUBIC; at the edge, pixels are repeated.
    """

    weight: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        taps = torch.stack([_taps((place + 0.5) / scale - 0.5) for place in range(scale)])
        kernel = torch.einsum("ai,bj->abij", taps, taps).reshape(scale * scale, 1, 5, 5)
        self.register_buffer("weight", kernel.repeat(3, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, h, w] → [n, 3, scale·h, scale·w]."""
        padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
        return F.pixel_shuffle(F.conv2d(padded, self.weight.to(x.dtype), groups=3), self.scale)


def _taps(offset: float) -> Tensor:
    """Weights of the five pixels around one, for a point that lies `offset` pixels after its centre."""
    return torch.tensor([_cubic(abs(place - offset)) for place in range(-2, 3)])


def _cubic(distance: float) -> float:
    """Keys 1981, "Cubic convolution interpolation", eq. 4."""
    if distance <= 1:
        return (CUBIC + 2) * distance**3 - (CUBIC + 3) * distance**2 + 1
    if distance < 2:
        return CUBIC * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return 0.0
