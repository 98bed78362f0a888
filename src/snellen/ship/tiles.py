"""The mask of one photo of any size: whole where it is as large as those of training, else window by window without seams.

Overlap-tile strategy (Ronneberger et al. 2015, U-Net, arXiv:1505.04597, section 2): every window is seen with a margin around it,
and only its middle is kept, so that no pixel is judged at the edge of what was seen. Beyond the photo's edge it is mirrored.
Memory: the photo, its mask and one row of windows, whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.ship.loaded import Loaded
from snellen.train.augment import plain
from snellen.train.job import normal_of
from snellen.values import SnellenError

# A photo whose longer side is at most so many times a window's is seen whole, as training images are.
WHOLE = 1.5
# Share of a window's side, at each edge, that is seen and not kept.
MARGIN = 0.125
BATCH = 8


def mask_of(loaded: Loaded, photo: np.ndarray, *, side: int | None = None, flips: bool = False) -> np.ndarray:
    """Class numbers [h, w] uint8 of a photo uint8 RGB [h, w, 3].

    `side`: pixels of the photo that a window spans (None: the median shorter side of the training images, so that things look
    as large as they did there). `flips`: average with the mirrored photo, which costs twice the time. Raises SnellenError for
    another kind of array.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or not photo.size:
        raise SnellenError(f"the photo is {photo.dtype} {list(photo.shape)}, expected uint8 RGB [h, w, 3]")
    window = side or _usual(loaded)
    height, width = photo.shape[:2]
    if max(height, width) <= WHOLE * window:
        return np.asarray(_said(loaded, photo[None], height, width, flips)[0])
    margin = int(MARGIN * window)
    step = window - 2 * margin
    found = np.zeros((height, width), dtype=np.uint8)
    for places, tiles in _tiles(photo, window, margin, step):
        for (y, x), mask in zip(places, _said(loaded, tiles, window, window, flips), strict=True):
            kept = mask[margin : margin + step, margin : margin + step]
            below, right = min(step, height - y), min(step, width - x)
            found[y : y + below, x : x + right] = kept[:below, :right]
    return found


def _usual(loaded: Loaded) -> int:
    train = loaded.run.catalog.usable().of("train")
    if not (train.has("width") and len(train)):
        return loaded.size
    return int(np.median(np.minimum(train.column("width").astype(float), train.column("height").astype(float))))


def _tiles(
    photo: np.ndarray, window: int, margin: int, step: int
) -> Iterator[tuple[list[tuple[int, int]], np.ndarray]]:
    """Upper left corners of what is kept, and windows [b, window, window, 3] around them."""
    height, width = photo.shape[:2]
    places = [(y, x) for y in range(0, height, step) for x in range(0, width, step)]
    for start in range(0, len(places), BATCH):
        some = places[start : start + BATCH]
        yield (
            some,
            np.stack(
                [photo[_mirrored(y - margin, window, height)][:, _mirrored(x - margin, window, width)] for y, x in some]
            ),
        )


def _mirrored(start: int, length: int, limit: int) -> np.ndarray:
    """Positions start … start + length - 1, reflected at both ends of 0 … limit - 1 as often as it takes."""
    period = max(2 * limit - 2, 1)
    places = np.arange(start, start + length) % period
    return np.where(places < limit, places, period - places)


@torch.inference_mode()
def _said(loaded: Loaded, photos: np.ndarray, height: int, width: int, flips: bool) -> np.ndarray:
    """Class numbers [b, height, width] of photos [b, h, w, 3]: seen at the evaluation size, their probabilities enlarged."""
    found = []
    for start in range(0, len(photos), BATCH):
        images = _input(loaded, photos[start : start + BATCH])
        shares = _shares(loaded, images)
        if flips:
            shares = (shares + _shares(loaded, images.flip(3)).flip(3)) / 2
        large = F.interpolate(shares, size=(height, width), mode="bilinear", align_corners=False)
        found.append(large.argmax(dim=1).to(torch.uint8).cpu().numpy())
    return np.concatenate(found)


def _input(loaded: Loaded, photos: np.ndarray) -> Tensor:
    mean, std = normal_of(loaded.model)
    if photos.shape[1] == photos.shape[2]:
        return plain(np.ascontiguousarray(photos), loaded.size, mean, std)
    raw = torch.from_numpy(np.ascontiguousarray(photos)).permute(0, 3, 1, 2).float() / 255
    square = F.interpolate(raw, size=(loaded.size, loaded.size), mode="bilinear", antialias=True, align_corners=False)
    return (square - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def _shares(loaded: Loaded, images: Tensor) -> Tensor:
    with loaded.setting.autocast():
        output = loaded.model(loaded.setting.place(images))
    shares: Tensor = loaded.task.answer(output.float())
    return shares
