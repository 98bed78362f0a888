"""Pixels for the review page: a user's image, upright and no larger than asked for; masks and run lengths in colour."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from snellen.report.thumbnails import rgb

# Plain raster formats only: Pillow also knows formats that start other programs.
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM")
MOST_PIXELS = 89_478_485
_ROTATED = (5, 6, 7, 8)
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, SystemError, TypeError, IndexError, KeyError, ArithmeticError, struct.error,
)  # fmt: skip
Colour = tuple[int, int, int]
Answer = TypeVar("Answer")


class Unseen(Exception):
    """A file that cannot be shown; the text is the reason in one word or two: gone, unreadable, too large, not an image."""


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of the upright image; raises Unseen. Only the file's head is read."""
    return _with(path, lambda image: image.size[::-1] if _turned(image) else image.size)


def picture(path: Path, *, side: int) -> tuple[bytes, str]:
    """The upright image, at most `side` pixels wide and high, and its media type; raises Unseen."""
    return _with(path, lambda image: _picture(image, side))


def mask_values(path: Path) -> np.ndarray:
    """A mask's class ids [h, w]: palette indices, or grey values as they are; raises Unseen, also for a coloured mask."""
    return _with(path, _values)


def painted(values: np.ndarray, colours: Mapping[int, Colour], *, side: int) -> bytes:
    """A PNG of ids [h, w] in their colours, at most `side` pixels wide and high; an id without a colour is clear."""
    step = max(1, -(-max(values.shape) // side))
    values = values[::step, ::step]
    canvas = np.zeros((*values.shape, 4), dtype=np.uint8)
    for number, colour in colours.items():
        canvas[values == number] = (*colour, 255)
    return _png(Image.fromarray(canvas))


def run_lengths(text: str) -> np.ndarray | None:
    """[h, w] bool of COCO's compressed run lengths "height width counts" (pycocotools, maskApi.c, rleFrString); None where
    the text is none, or does not fill its size."""
    head = text.split(" ", 2)
    if len(head) != 3 or not (head[0].isdecimal() and head[1].isdecimal()):
        return None
    height, width = int(head[0]), int(head[1])
    counts = _counts(head[2])
    if not 0 < height * width <= MOST_PIXELS or counts is None or sum(counts) != height * width or min(counts) < 0:
        return None
    flags = np.arange(len(counts)) % 2 == 1
    return np.repeat(flags, counts).reshape(width, height).T


def _counts(text: str) -> list[int] | None:
    # Five bits a letter, the sixth says that more follow; from the third number on, each is the difference to the last but one.
    counts: list[int] = []
    value, shift = 0, 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64:
            return None
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            value -= (1 << shift) if code & 0x10 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return counts if counts and not shift else None


def _with(path: Path, look: Callable[[Image.Image], Answer]) -> Answer:
    if not path.is_file():
        raise Unseen("gone")
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Unseen("too large")
            return look(image)
    except UnidentifiedImageError:
        raise Unseen("not an image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise Unseen("too large") from None
    except _DAMAGE:
        raise Unseen("unreadable") from None


def _turned(image: Image.Image) -> bool:
    return image.getexif().get(ExifTags.Base.Orientation) in _ROTATED


def _picture(image: Image.Image, side: int) -> tuple[bytes, str]:
    image.draft("RGB", (side, side))
    _load(image)
    small: Any = rgb(ImageOps.exif_transpose(image))
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    # Small pictures stay exact: what JPEG would add to them could be taken for a fault of theirs.
    if image.format != "JPEG" and small.width * small.height <= 512 * 512:
        return _png(small), "image/png"
    sink = io.BytesIO()
    small.save(sink, "JPEG", quality=90)
    return sink.getvalue(), "image/jpeg"


def _load(image: Any) -> None:
    """Decode; what is left of a truncated file is worth seeing (Pillow keeps the rows it had)."""
    try:
        image.load()
    except OSError as error:
        if "truncated" not in str(error) and "incomplete" not in str(error):
            raise
        image.tile = []


def _values(image: Image.Image) -> np.ndarray:
    if len(image.getbands()) > 1:
        raise Unseen("in colours")
    values = np.asarray(image)
    return values.astype(np.uint8) if values.dtype == bool else values


def _png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def palette(count: int) -> Sequence[Colour]:
    """`count` colours that stay apart: eight that the colour-blind tell apart (after Okabe & Ito 2008), then hues by the
    golden angle."""
    return [_FIRST[place] if place < len(_FIRST) else _hue(place) for place in range(count)]


_FIRST: tuple[Colour, ...] = (
    (0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66), (213, 94, 0), (0, 114, 178), (148, 103, 220),
)  # fmt: skip


def _hue(place: int) -> Colour:
    from colorsys import hls_to_rgb

    red, green, blue = hls_to_rgb(place * 0.381966 % 1, (0.45, 0.62)[place % 2], 0.65)
    return round(red * 255), round(green * 255), round(blue * 255)
