"""Decode one image file into a square of RGB pixels by stated rules, or say in two words why it cannot be used.

What happens to the pixels (SPEC D7):

- EXIF orientation is applied.
- 16-bit grey is scaled by its full range (65,535 becomes 255); 32-bit integers likewise where a value is above 255.
- Float images must be finite; values within 0..1 are scaled by 255, within 0..255 kept, within 0..65,535 scaled as
  16-bit.
- Transparency (alpha channel, palette or colour key) is composited on white.
- CMYK, YCbCr, LAB and HSV are converted to RGB by Pillow; grey becomes three equal channels; of several frames the
  first is read.
- The result is squashed to size x size (bicubic, antialiased); what is at least three times too large is brought nearer by
  whole numbers first. The true width and height are kept beside it.
"""

from __future__ import annotations

import math
import stat
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from snellen.data.measure import LOOK, measure_all
from snellen.values import FrozenMap, SnellenError

# Plain raster formats only: Pillow also knows formats that start other programs (EPS) or follow links.
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM")
# Pillow's own limit, so that its warning and our verdict are about the same files. A header alone can claim terabytes.
MOST_PIXELS = 89_478_485
# Below one grey level of spread there is nothing to learn from.
BLANK = 1 / 255

# A large image is first brought near its final size in the cheapest way (a JPEG while it is decoded, others by averaging),
# but never below this many times of what is wanted: the antialiased resize does the rest.
ENOUGH = 1.5

# What the EXIF tag can ask for: mirrored or turned, of these turned by a right angle.
_TURNS = (2, 3, 4, 5, 6, 7, 8)
_ROTATED = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Decoded:
    """`pixels` [size, size, 3] uint8 RGB where `verdict` is "ok", else None; `measured`: what is known of the file."""

    verdict: str
    pixels: np.ndarray | None = None
    measured: Mapping[str, Any] = field(default_factory=FrozenMap)


class Refused(Exception):
    """The pixels follow none of the stated rules."""


# What Pillow's readers were seen to raise on damaged content.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    SystemError,
    TypeError,
    IndexError,
    KeyError,
    ArithmeticError,
    struct.error,
    Refused,
)


def file_verdict(path: Path) -> str:
    """ "ok" for a file with content, else what stands in its place; opens nothing, so that a pipe cannot block."""
    try:
        info = path.stat()
    except FileNotFoundError:
        return "dangling link" if path.is_symlink() else "missing"
    except OSError:
        return "dangling link" if path.is_symlink() else "unreadable"
    except ValueError:
        # No file can be called so: half of a surrogate pair, or a zero byte.
        return "missing"
    if stat.S_ISDIR(info.st_mode):
        return "a folder"
    if not stat.S_ISREG(info.st_mode):
        return "not a file"
    return "ok" if info.st_size else "empty file"


def whole(path: Path) -> np.ndarray:
    """All pixels of an image that `decode` found usable, [h, w, 3] uint8, upright, by the same rules.

    Raises SnellenError where the file can no longer be read as it was.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            return np.array(rgb(ImageOps.exif_transpose(image)))
    except (*_DAMAGE, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SnellenError(
            f"{path} could be read before and cannot now ({error}); were the images changed meanwhile?"
        ) from None


def decode(path: Path, size: int) -> Decoded:
    """Decode `path` to size x size. Whatever is wrong with the file becomes the verdict; nothing is raised for it."""
    return decode_all([path], size)[0]


def decode_all(paths: Sequence[Path], size: int) -> list[Decoded]:
    """`decode` of several files, which are measured together: threads that decode get less in one another's way."""
    opened = [_open(path, size) for path in paths]
    measured = iter(_measured([one for one in opened if isinstance(one, _Opened)]))
    return [next(measured) if isinstance(one, _Opened) else one for one in opened]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that was decoded and not measured: its image at a moderate size, the square that is stored, what else is known."""

    image: Any
    square: Any
    stored: Mapping[str, Any]


def _open(path: Path, size: int) -> Decoded | _Opened:
    verdict = file_verdict(path)
    if verdict != "ok":
        return Decoded(verdict)
    try:
        with Image.open(path, formats=FORMATS) as image:
            return _decode(image, size, path.stat().st_size)
    except UnidentifiedImageError:
        return Decoded("not an image")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Decoded("too large")
    except _DAMAGE:
        return Decoded("unreadable")
    except MemoryError:
        return Decoded("too large")


def _decode(image: Any, size: int, weight: int) -> Decoded | _Opened:
    width, height = image.size
    mode = image.mode
    if width * height > MOST_PIXELS:
        return Decoded("too large", measured={"mode": mode, "bytes": weight})
    lost = _load(image, size)
    turn = image.getexif().get(ExifTags.Base.Orientation)
    turned = turn in _TURNS
    if turn in _ROTATED:
        width, height = height, width
    stored: dict[str, Any] = {
        "width": width, "height": height, "mode": mode, "bytes": weight, "orientation": turn if turned else 1,
    }  # fmt: skip
    if lost is not None:
        return Decoded("truncated", measured={**stored, "lost": lost})
    colour = _reduced(rgb(ImageOps.exif_transpose(image) if turned else image), size)
    return _Opened(colour, colour.resize((size, size), Image.Resampling.BICUBIC), stored)


def _measured(opened: Sequence[_Opened]) -> list[Decoded]:
    try:
        found = measure_all([(one.image, one.square) for one in opened])
    except (*_DAMAGE, MemoryError) as error:
        if len(opened) == 1:
            return [Decoded("too large" if isinstance(error, MemoryError) else "unreadable")]
        # Each by itself, so that no other is lost with the one that cannot be measured.
        return [_measured([one])[0] for one in opened]
    return [_told(one, values) for one, values in zip(opened, found, strict=True)]


def _told(opened: _Opened, measured: Mapping[str, Any]) -> Decoded:
    if measured["contrast"] < BLANK and measured["colour_spread"] < BLANK:
        return Decoded("blank", measured=opened.stored)
    kept = {name: value for name, value in measured.items() if name != "colour_spread"}
    return Decoded("ok", np.asarray(opened.square), {**opened.stored, "lost": 0.0, **kept})


def _load(image: Any, size: int) -> float | None:
    """Decode the pixels; for a truncated file the share of rows lost, else None.

    After the error Pillow still holds the rows that it could decode: with the list of outstanding tiles emptied they
    can be looked at, without its process-wide switch for truncated files.
    """
    side = math.ceil(ENOUGH * max(size, LOOK))
    image.draft(None, (side, side))
    try:
        image.load()
    except OSError as error:
        if "truncated" not in str(error) and "incomplete" not in str(error):
            raise
        image.tile = []
        return _lost(image)
    return None


def _reduced(image: Any, size: int) -> Any:
    """The image averaged over whole cells as long as it stays large enough: what follows then costs the same for all."""
    cell = int(min(image.size) / (ENOUGH * max(size, LOOK)))
    return image.reduce(cell) if cell > 1 else image


def _lost(image: Any) -> float:
    try:
        rows = np.asarray(image)
    except (OSError, ValueError, TypeError, AssertionError):
        return 1.0
    # Rows never decoded keep the zeros of the fresh image (a cut JPEG may repeat one grey instead).
    flat = (rows == rows[-1:]).reshape(len(rows), -1).all(axis=1)
    kept = np.flatnonzero(~flat)
    return 1.0 if not len(kept) else float(1 - (kept[-1] + 1) / len(rows))


def rgb(image: Any) -> Any:
    """RGB by the rules of the module's head."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise Refused("a float image holds NaN or infinity")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        raise Refused(f"values from {low} to {high} have no known range")
    if values.dtype == np.uint16 or high > 255:
        scale = 255 / 65535
    else:
        scale = 255.0 if values.dtype.kind == "f" and high <= 1 else 1.0
    return np.asarray(np.rint(values.astype(np.float32) * np.float32(scale)), dtype=np.uint8)
