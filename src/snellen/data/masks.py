"""Read the masks of semantic segmentation by stated rules, and measure them against their images.

What happens to the values of a mask file:

- A palette image gives its indices, never its colours; a 1-bit image gives 0 and 1.
- 8-bit grey, 16-bit and 32-bit integers are class ids as they stand.
- A grey image whose only values are 0 and the largest of its depth is a yes/no mask: the largest becomes 1, where the catalog
  names two classes or none and that value is not one of them.
- A colour image is refused ("not an index image") but where its three channels are equal, or the catalog has a table of
  colours: about("colours") = {"id": [red, green, blue]}; then a colour that is not in it is a problem too.
- JPEG changes values, so a JPEG mask is refused, as are alpha channels and float images.
- EXIF rotation is not applied: a mask has the size of its image as that is shown, or it has another size.
- 255 is "not labelled" where a tenth of the masks hold it and no class has that id.
"""

from __future__ import annotations

import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps, UnidentifiedImageError

from snellen.catalog import OK, Catalog, MissingSignal
from snellen.data.content import cores
from snellen.data.decode import _DAMAGE, FORMATS, MOST_PIXELS, file_verdict
from snellen.data.mask_shape import NO_ALIGNMENT, Alignment, Shape, alignment_of, shape_of

WINDOW = 64
NOT_LABELLED = 255
NOT_LABELLED_SHARE = 0.1
# Longest side at which outlines and edges are compared; a larger mask is thinned out first.
LONGEST = 640
NO_SHAPE = Shape(np.nan, 0, np.nan, np.nan, np.nan)
_INDEX_MODES = ("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, slots=True)
class Convention:
    """What the catalog says of its masks: `classes` ids (None: not said), `background` id, `colours` (r, g, b) -> id."""

    classes: frozenset[int] | None
    background: int
    colours: Mapping[tuple[int, int, int], int]

    @classmethod
    def of(cls, catalog: Catalog) -> Convention:
        """Read about("classes") and about("colours"). The background is the class of that name, else 0."""
        named: Mapping[str, str] = catalog.about("classes") or {}
        table: Mapping[str, Any] = catalog.about("colours") or {}
        plain = [int(number) for number, name in named.items() if str(name).strip().lower() in ("background", "bg")]
        colours = {(int(r), int(g), int(b)): int(number) for number, (r, g, b) in table.items()}
        return cls(frozenset(map(int, named)) if named else None, plain[0] if plain else 0, colours)

    def binary(self, ids: np.ndarray, most: int) -> bool:
        """Whether these ids (distinct) are a yes/no mask written as black and white."""
        few = self.classes is None or (len(self.classes) <= 2 and most not in self.classes)
        return few and most in ids and set(ids.tolist()) <= {0, most}


@dataclass(frozen=True, slots=True)
class Mask:
    """`ids` [h, w] int32, or None where the `problem` says why there are none."""

    ids: np.ndarray | None
    problem: str = ""


def read_mask(path: Path, convention: Convention) -> Mask:
    """Read one mask file by the rules of the module's head. Nothing is raised for what is wrong with the file."""
    verdict = file_verdict(path)
    if verdict != "ok":
        return Mask(None, "missing file" if verdict in ("missing", "dangling link") else "unreadable")
    try:
        with Image.open(path, formats=FORMATS) as image:
            return _ids(image, convention)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        return Mask(None, "unreadable")
    except _DAMAGE:
        return Mask(None, "unreadable")


def _ids(image: Any, convention: Convention) -> Mask:
    if image.width * image.height > MOST_PIXELS:
        return Mask(None, "unreadable")
    if image.format == "JPEG":
        return Mask(None, "not an index image")
    if image.mode == "RGB":
        return _of_colours(np.asarray(image), convention)
    if image.mode not in _INDEX_MODES:
        return Mask(None, "not an index image")
    values = np.asarray(image).astype(np.int32)
    most = {"L": 255, "P": -1, "1": -1}.get(image.mode, 65_535)
    if most > 0 and convention.binary(np.unique(values), most):
        values = values // most
    return Mask(values)


def _of_colours(pixels: np.ndarray, convention: Convention) -> Mask:
    if not convention.colours:
        equal = (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
        if not equal:
            return Mask(None, "not an index image")
        values = pixels[..., 0].astype(np.int32)
        return Mask(values // 255 if convention.binary(np.unique(values), 255) else values)
    codes = pixels.astype(np.int64) @ np.asarray([65_536, 256, 1])
    table = {r * 65_536 + g * 256 + b: number for (r, g, b), number in convention.colours.items()}
    found, places = np.unique(codes, return_inverse=True)
    ids = [table.get(int(code), -1) for code in found]
    problem = "not an index image" if -1 in ids else ""
    return Mask(None if problem else np.asarray(ids, dtype=np.int32)[places.reshape(codes.shape)], problem)


@dataclass(frozen=True, slots=True)
class _Measured:
    problem: str
    ids: tuple[int, ...] = ()
    size: tuple[int, int] | None = None
    shape: Shape = NO_SHAPE
    alignment: Alignment = NO_ALIGNMENT


def measure_masks(catalog: Catalog) -> Catalog:
    """Add what is measured of every sample's mask, in one pass over the files.

    mask_problem: empty, "missing file", "unreadable", "not an index image", "another size" or "unknown id 9, 12". mask_width,
    mask_height: pixels (null where unread). mask_ids: distinct ids, ascending. mask_share, mask_parts, mask_holes,
    mask_raggedness, mask_coarseness: see `Shape`. mask_edge_offset, mask_edge_gain, mask_shift_x, mask_shift_y,
    mask_shift_gain: see `Alignment`, in pixels of the mask; NaN where the image cannot be used. Raises MissingSignal without
    the column `mask`.
    """
    if not catalog.has("mask"):
        raise MissingSignal("mask")
    convention = Convention.of(catalog)
    found = list(_measured_all(catalog, convention))
    unlabelled = not_labelled([item.ids for item in found], convention)
    problems = [_problem(item, convention, unlabelled) for item in found]
    sizes = [item.size or (None, None) for item in found]
    shapes = {f"mask_{field.name}": [getattr(item.shape, field.name) for item in found] for field in fields(Shape)}
    aligned = [astuple(item.alignment) for item in found]
    return catalog.with_columns(
        {
            "mask_problem": pa.array(problems, type=pa.string()),
            "mask_width": pa.array([width for width, _ in sizes], type=pa.int32()),
            "mask_height": pa.array([height for _, height in sizes], type=pa.int32()),
            "mask_ids": pa.array([list(item.ids) for item in found], type=pa.list_(pa.int32())),
            **shapes,
            "mask_edge_offset": [item[0] for item in aligned],
            "mask_edge_gain": [item[1] for item in aligned],
            "mask_shift_x": [item[2][0] for item in aligned],
            "mask_shift_y": [item[2][1] for item in aligned],
            "mask_shift_gain": [item[3] for item in aligned],
        }
    )


def not_labelled(ids: Iterable[Iterable[int]], convention: Convention) -> frozenset[int]:
    """The ids that mean "not labelled" here: 255 where a tenth of the masks hold it and the classes do not."""
    masks = [set(item) for item in ids if item]
    if convention.classes is None or NOT_LABELLED in convention.classes:
        return frozenset()
    share = Counter(NOT_LABELLED in item for item in masks)[True] / max(1, len(masks))
    return frozenset({NOT_LABELLED}) if share >= NOT_LABELLED_SHARE else frozenset()


def _problem(item: _Measured, convention: Convention, unlabelled: frozenset[int]) -> str:
    unknown = [] if convention.classes is None else sorted({*item.ids} - convention.classes - unlabelled)
    if item.problem or not unknown:
        return item.problem
    return f"unknown id {', '.join(map(str, unknown))}"


def _measured_all(catalog: Catalog, convention: Convention) -> Iterator[_Measured]:
    """In order, by threads; a bounded window, as for pixels."""
    images = catalog.paths()
    names = catalog.table.column("mask").to_pylist()
    roots = catalog.table.column("root").to_pylist()
    usable = (catalog.column("verdict").astype(str) == OK).tolist()
    sizes = _sizes(catalog)
    waiting: deque[Future[_Measured]] = deque()
    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            for row, name in enumerate(names):
                mask = Path(roots[row]) / name if name else None
                image = images[row] if usable[row] else None
                waiting.append(pool.submit(_measure, mask, image, sizes[row], convention))
                if len(waiting) == WINDOW:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _sizes(catalog: Catalog) -> list[tuple[int, int] | None]:
    """(width, height) of the images where the pixel pass has measured them."""
    if not (catalog.has("width") and catalog.has("height")):
        return [None] * len(catalog)
    pairs = zip(catalog.table.column("width").to_pylist(), catalog.table.column("height").to_pylist(), strict=True)
    return [(int(width), int(height)) if width and height else None for width, height in pairs]


def _measure(mask: Path | None, image: Path | None, size: tuple[int, int] | None, convention: Convention) -> _Measured:
    if mask is None:
        return _Measured("missing file")
    read = read_mask(mask, convention)
    if read.ids is None:
        return _Measured(read.problem)
    height, width = read.ids.shape
    distinct = tuple(int(number) for number in np.unique(read.ids))
    shape = shape_of(_thinned(read.ids), convention.background)
    pixels = None if image is None else _pixels(image)
    size = size or (None if pixels is None else (pixels.shape[1], pixels.shape[0]))
    if size is not None and size != (width, height):
        return _Measured("another size", distinct, (width, height), shape)
    step = _step(read.ids)
    aligned = NO_ALIGNMENT
    if pixels is not None and pixels.shape[:2] == read.ids.shape:
        aligned = alignment_of(_thinned(read.ids) != convention.background, _thinned(pixels))
        aligned = Alignment(
            aligned.offset * step, aligned.offset_gain, (aligned.shift[0] * step, aligned.shift[1] * step),
            aligned.shift_gain,
        )  # fmt: skip
    return _Measured("", distinct, (width, height), shape, aligned)


def _step(pixels: np.ndarray) -> int:
    return int(-(-max(pixels.shape[:2]) // LONGEST))


def _thinned(pixels: np.ndarray) -> np.ndarray:
    step = _step(pixels)
    return pixels if step == 1 else pixels[::step, ::step]


def _pixels(path: Path) -> np.ndarray | None:
    """The image as numbers, as it is shown; None where it cannot be read (its own verdict says so)."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            upright = ImageOps.exif_transpose(image)
            grey = upright.mode in ("L", "I", "F") or upright.mode.startswith("I;")
            return np.asarray(upright if grey else upright.convert("RGB"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        return None
    except _DAMAGE:
        return None
