"""Pixels: every distinct image decoded once into one memory-mapped file, with its measurements beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import psutil
import pyarrow as pa

from snellen import store
from snellen.catalog import OK, Catalog
from snellen.data.content import UNREAD
from snellen.data.decode import Decoded, decode
from snellen.data.measure import THUMB
from snellen.values import FrozenMap, SnellenError

# Part of the folder's name: another rule of decoding or another measurement makes another store.
VERSION = 1
THREADS = 2
WINDOW = 128

_NUMBERS = ("brightness", "contrast", "saturation", "sharpness", "lost")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Pixels:
    """`array` [m, size, size, 3] uint8 (memory-mapped, read-only); `index`: content hash -> row of `array`."""

    array: np.ndarray
    index: Mapping[str, int] = field(default_factory=FrozenMap, repr=False)

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return int(self.array.shape[1])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """The images of these rows, [b, size, size, 3] uint8, as a writable copy."""
        return np.asarray(self.array[rows])

    def rows_of(self, catalog: Catalog) -> np.ndarray:
        """Row of every sample, [n] int64. Raises SnellenError for a sample whose content was never decoded."""
        wanted = catalog.table.column("content").to_pylist()
        unknown = sum(content not in self.index for content in wanted)
        if unknown:
            raise SnellenError(
                f"{unknown} of {len(wanted)} samples have no pixels; take catalog.usable() of this store's catalog"
            )
        return np.asarray([self.index[content] for content in wanted], dtype=np.int64)


def open_pixels(
    catalog: Catalog, *, size: int, cache: Path, progress: Progress | None = None
) -> tuple[Catalog, Pixels]:
    """Decode every distinct content once, or reuse the store where it is there.

    The store is `cache/pixels/<digest>/`: `pixels.npy` and `measured.parquet`. `progress` is told (done, total).
    Returns the catalog with measured columns and verdicts joined, and the pixels of its usable samples.
    Raises SnellenError where the disk has no room.
    """
    files = _distinct(catalog)
    folder = Path(cache) / "pixels" / _digest(files, size)
    if not folder.is_dir():
        _build(folder, files, size, progress)
    measured = store.read_table(folder / "measured.parquet")
    joined = _join(catalog, measured)
    usable = [verdict == OK for verdict in measured.column("verdict").to_pylist()]
    contents = measured.column("content").to_pylist()
    index = {content: row for row, (content, good) in enumerate(zip(contents, usable, strict=True)) if good}
    return joined, Pixels(_mapped(folder, (len(contents), size, size, 3)), FrozenMap(index))


def _distinct(catalog: Catalog) -> dict[str, Path]:
    """First file of every distinct content that could be read, sorted by content."""
    found: dict[str, Path] = {}
    for content, path in zip(catalog.table.column("content").to_pylist(), catalog.paths(), strict=True):
        if not content.startswith(UNREAD):
            found.setdefault(content, path)
    return dict(sorted(found.items()))


def _digest(contents: Mapping[str, Path], size: int) -> str:
    head = f"{VERSION}\n{PIL.__version__}\n{size}\n"
    return hashlib.blake2b((head + "\n".join(contents)).encode(), digest_size=12).hexdigest()


def _mapped(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(folder / "pixels.npy", mmap_mode="r") if shape[0] else np.zeros(shape, dtype=np.uint8)
    except (OSError, ValueError) as error:
        raise SnellenError(f"{folder} is damaged ({error}); delete this folder and run again") from None
    if array.shape != shape:
        raise SnellenError(
            f"{folder} is damaged (shape {array.shape}, expected {shape}); delete this folder and run again"
        )
    return array


def _build(folder: Path, files: Mapping[str, Path], size: int, progress: Progress | None) -> None:
    """Build beside the final place and rename: a reader sees the whole store or none."""
    _clear_stale(folder)
    temp = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir(parents=True)
    try:
        _check_room(temp, len(files) * size * size * 3)
        records = _write_pixels(temp / "pixels.npy", files, size, progress)
        store.write_table(temp / "measured.parquet", _table(list(files), records))
        _publish(temp, folder)
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def _publish(temp: Path, folder: Path) -> None:
    try:
        temp.rename(folder)
    except OSError:
        # Another process published the same store first; its content is the same.
        if not (folder / "measured.parquet").is_file():
            raise


def _clear_stale(folder: Path) -> None:
    """Remove what a killed process left of this store."""
    for path in folder.parent.glob(f".{folder.name}.*.tmp"):
        process = path.name.split(".")[-2]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > 0.95 * free:
        raise SnellenError(
            f"the pixel store needs {needed / 1e6:.0f} MB and {folder.parent} has {free / 1e6:.0f} MB free; "
            "free some room, choose another output folder or a smaller data.size"
        )


def _write_pixels(path: Path, files: Mapping[str, Path], size: int, progress: Progress | None) -> list[Decoded]:
    """Stream the images into one .npy file; an unusable one keeps a row of zeros that no index points to."""
    blank = np.zeros((size, size, 3), dtype=np.uint8).tobytes()
    records: list[Decoded] = []
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for decoded in _decoded(list(files.values()), size):
            file.write(blank if decoded.pixels is None else decoded.pixels.tobytes())
            records.append(Decoded(decoded.verdict, None, decoded.measured))
            if progress is not None:
                progress(len(records), len(files))
        file.flush()
        os.fsync(file.fileno())
    return records


def _decoded(paths: Sequence[Path], size: int) -> Iterator[Decoded]:
    # Windows bound the memory: without them one slow file lets the other thread fill it with finished images.
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        # Pillow warns of damaged EXIF and the like; the verdict column says what came of it.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for start in range(0, len(paths), WINDOW):
            yield from pool.map(lambda path: decode(path, size), paths[start : start + WINDOW])


def _table(contents: Sequence[str], records: Sequence[Decoded]) -> pa.Table:
    def column(name: str, missing: Any, kind: pa.DataType) -> pa.Array:
        return pa.array([record.measured.get(name, missing) for record in records], type=kind)

    empty = np.zeros(THUMB * THUMB * 3, dtype=np.uint8)
    thumbs = np.asarray([record.measured.get("thumb", empty) for record in records], dtype=np.uint8)
    return pa.table(
        {
            "content": pa.array(contents, type=pa.string()),
            "verdict": pa.array([record.verdict for record in records], type=pa.string()),
            "width": column("width", None, pa.int32()),
            "height": column("height", None, pa.int32()),
            "mode": column("mode", "", pa.string()),
            **{name: column(name, float("nan"), pa.float64()) for name in _NUMBERS},
            "phash": column("phash", 0, pa.int64()),
            "thumb": pa.FixedSizeListArray.from_arrays(pa.array(thumbs.reshape(-1)), THUMB * THUMB * 3),
        }
    )


def _join(catalog: Catalog, measured: pa.Table) -> Catalog:
    """The catalog with the measured columns of its contents; a sample that could not even be read has none."""
    rows = {content: row for row, content in enumerate(measured.column("content").to_pylist())}
    nothing = _table([""], [Decoded("unreadable")])
    table = pa.concat_tables([measured, nothing])
    place = [rows.get(content, len(rows)) for content in catalog.table.column("content").to_pylist()]
    taken = table.take(pa.array(place, type=pa.int64()))
    given = catalog.table.column("verdict").to_pylist()
    verdicts = [new if old == OK else old for old, new in zip(given, taken.column("verdict").to_pylist(), strict=True)]
    columns = {name: taken.column(name) for name in measured.column_names if name not in ("content", "verdict")}
    return catalog.with_columns({"verdict": pa.array(verdicts, type=pa.string()), **columns})
