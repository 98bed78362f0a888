"""Pixels: every distinct image decoded once into one memory-mapped file, with its measurements beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pyarrow as pa

from snellen import store
from snellen.catalog import OK, Catalog
from snellen.data.bounded import Hold, clear_stale, discard, hold, make_room
from snellen.data.content import UNREAD, cores
from snellen.data.decode import Decoded, decode_all
from snellen.data.measure import NUMBERS, THUMB
from snellen.data.reuse import Earlier, crc, earlier
from snellen.values import FrozenMap, SnellenError

# Part of the folder's name: another rule of decoding or another measurement makes another store.
VERSION = 4
WINDOW = 128
# Images that a thread decodes and then measures together.
TOGETHER = 8
# Images that are compared with their checksums when a store is opened: enough to notice a file that was overwritten or
# zeroed, few enough to cost nothing.
CHECKED = 32
# What was measured of so many images is packed into a table: a million of them must not become a million dicts.
PACKED = 1024

Progress = Callable[[int, int], None]
Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pixels:
    """`array` [m, size, size, 3] uint8 (memory-mapped, read-only); `index`: content hash -> row of `array`; `held`: keeps
    the store from being evicted while this is in use; `cache`: the folder of all stores, for what is decoded otherwise."""

    array: np.ndarray
    index: Mapping[str, int] = field(default_factory=FrozenMap, repr=False)
    held: Hold | None = field(default=None, repr=False, compare=False)
    cache: Path | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return int(self.array.shape[1])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """The images of these rows, [b, size, size, 3] uint8, as a writable copy."""
        return np.asarray(store.rows(self.array, rows))

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
    catalog: Catalog,
    *,
    size: int,
    cache: Path,
    progress: Progress | None = None,
    notice: Notice = lambda text: None,
) -> tuple[Catalog, Pixels]:
    """Decode every distinct content once, or reuse the store where it is there.

    The store is `cache/pixels/<rules>-<contents>/`: `pixels.npy`, `measured.parquet` and `lock`. Images that another
    store of the same size holds are copied from it; a damaged store is built anew; stores that were used least recently
    make room (data/bounded). `progress` is told (done, total), `notice` what happened besides, in a sentence.
    Returns the catalog with measured columns and verdicts joined, and the pixels of its usable samples.
    Raises SnellenError where the disk or the limit has no room.
    """
    files = _distinct(catalog)
    folder = Path(cache) / "pixels" / f"{_rules(size)}-{_digest(files)}"
    shape = (len(files), size, size, 3)
    found = _opened(folder, shape, notice)
    # More than once only where another process evicts or replaces the store between its building and its opening.
    for _ in range(3):
        if found is None:
            _build(folder, files, size, progress, notice)
            found = _opened(folder, shape, notice)
    if found is None:
        raise SnellenError(f"{folder} does not read back as it was written; the disk may be full or failing")
    measured, array, held = found
    joined = _join(catalog, measured)
    usable = [verdict == OK for verdict in measured.column("verdict").to_pylist()]
    contents = measured.column("content").to_pylist()
    index = {content: row for row, (content, good) in enumerate(zip(contents, usable, strict=True)) if good}
    return joined, Pixels(array, FrozenMap(index), held, Path(cache))


def _distinct(catalog: Catalog) -> dict[str, Path]:
    """First file of every distinct content that could be read, sorted by content."""
    found: dict[str, Path] = {}
    for content, path in zip(catalog.table.column("content").to_pylist(), catalog.paths(), strict=True):
        if not content.startswith(UNREAD):
            found.setdefault(content, path)
    return dict(sorted(found.items()))


def _rules(size: int) -> str:
    """What the pixels depend on besides the content: the start of the folder's name."""
    return f"{size}-{hashlib.blake2b(f'{VERSION} {PIL.__version__}'.encode(), digest_size=3).hexdigest()}"


def _digest(contents: Mapping[str, Path]) -> str:
    return hashlib.blake2b("\n".join(contents).encode(), digest_size=12).hexdigest()


def _opened(folder: Path, shape: tuple[int, ...], notice: Notice) -> tuple[pa.Table, np.ndarray, Hold] | None:
    """The store, locked for use; None where it is not there. A damaged one is removed and said to be."""
    held = hold(folder)
    if held is None:
        return None
    try:
        measured = store.read_table(folder / "measured.parquet")
        array = np.load(folder / "pixels.npy", mmap_mode="r") if shape[0] else np.zeros(shape, dtype=np.uint8)
        _check(measured, array, shape)
    except (OSError, ValueError, KeyError, SnellenError, pa.ArrowException) as error:
        held.release()
        notice(f"the pixel store {folder.name} is damaged ({error}); it is built anew")
        discard(folder)
        return None
    return measured, array, held


def _check(measured: pa.Table, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape or measured.num_rows != shape[0]:
        raise ValueError(f"{measured.num_rows} rows, shape {array.shape}, expected {shape}")
    good = np.flatnonzero(np.asarray(measured.column("verdict")) == OK)
    sums = measured.column("crc").to_pylist()
    for row in good[:: max(1, len(good) // CHECKED)]:
        if crc(array[row]) != sums[row]:
            raise ValueError(f"the pixels of row {row} do not have their checksum")


def _build(folder: Path, files: Mapping[str, Path], size: int, progress: Progress | None, notice: Notice) -> None:
    """Build beside the final place and rename: a reader sees the whole store or none."""
    root = folder.parent
    root.mkdir(parents=True, exist_ok=True)
    clear_stale(root)
    make_room(root, len(files) * size * size * 3, notice=notice)
    temp = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir()
    (temp / "lock").touch()
    held = hold(temp)  # So that no other process takes it for abandoned.
    try:
        known = earlier(root.glob(f"{_rules(size)}-*"), files)
        if known.places:
            notice(f"{len(known.places)} of {len(files)} images are copied from earlier pixel stores")
        measured = _write_pixels(temp / "pixels.npy", files, size, known, progress)
        store.write_table(temp / "measured.parquet", measured)
        _publish(temp, folder)
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        if held is not None:
            held.release()


def _publish(temp: Path, folder: Path) -> None:
    try:
        temp.rename(folder)
    except OSError:
        # Another process published the same store first; its content is the same.
        if not (folder / "measured.parquet").is_file():
            raise


def _write_pixels(
    path: Path, files: Mapping[str, Path], size: int, known: Earlier, progress: Progress | None
) -> pa.Table:
    """Stream the images into one .npy file; an unusable one keeps a row of zeros that no index points to."""
    blank = np.zeros((size, size, 3), dtype=np.uint8).tobytes()
    contents = list(files)
    tables: list[pa.Table] = []
    records: list[Decoded] = []
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for done, decoded in enumerate(_decoded(files, size, known), start=1):
            sum_ = 0 if decoded.pixels is None else crc(decoded.pixels)
            file.write(blank if decoded.pixels is None else np.ascontiguousarray(decoded.pixels).data)
            records.append(Decoded(decoded.verdict, None, {**decoded.measured, "crc": sum_}))
            if len(records) == PACKED:
                tables.append(_table(contents[done - PACKED : done], records))
                records = []
            if progress is not None:
                progress(done, len(files))
        file.flush()
        os.fsync(file.fileno())
    return pa.concat_tables([*tables, _table(contents[len(files) - len(records) :], records)])


def _decoded(files: Mapping[str, Path], size: int, known: Earlier) -> Iterator[Decoded]:
    """In the order of `files`. Pillow and NumPy let go of the interpreter while they work, so threads keep all cores busy;
    a bounded window keeps one slow file from letting the others fill the memory with finished images."""
    waiting: deque[Future[list[Decoded]]] = deque()
    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        # Pillow warns of damaged EXIF and the like; the verdict column says what came of it.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            for some in _together(files):
                waiting.append(pool.submit(_made, some, size, known))
                if len(waiting) == WINDOW // TOGETHER:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            # An interrupted build does not wait for what nobody will read.
            pool.shutdown(wait=True, cancel_futures=True)


def _together(files: Mapping[str, Path]) -> Iterator[list[tuple[str, Path]]]:
    """The files in parts that are decoded and measured together: at most TOGETHER, fewer where some threads would have none."""
    count = max(1, min(TOGETHER, len(files) // (4 * cores())))
    items = iter(files.items())
    while part := list(islice(items, count)):
        yield part


def _made(some: Sequence[tuple[str, Path]], size: int, known: Earlier) -> list[Decoded]:
    taken = {content: known.take(content) for content, _ in some}
    fresh = iter(decode_all([path for content, path in some if taken[content] is None], size))
    return [taken[content] or next(fresh) for content, _ in some]


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
            "orientation": column("orientation", None, pa.int8()),
            "bytes": column("bytes", None, pa.int64()),
            **{name: column(name, float("nan"), pa.float64()) for name in (*NUMBERS, "lost")},
            "phash": column("phash", 0, pa.int64()),
            "crc": column("crc", 0, pa.int64()),
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
    columns = {name: taken.column(name) for name in measured.column_names if name not in ("content", "verdict", "crc")}
    return catalog.with_columns({"verdict": pa.array(verdicts, type=pa.string()), **columns})
