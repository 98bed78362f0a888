"""Native: images decoded once at their own size, into one memory-mapped file.

For tasks whose pixels must not be squashed: a patch of an image is cut from these.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL

from snellen import store
from snellen.catalog import Catalog, MissingSignal
from snellen.data.bounded import Hold, clear_stale, discard, hold, make_room
from snellen.data.decode import whole
from snellen.values import FrozenMap, SnellenError

# Part of the folder's name: another rule of decoding makes another store.
VERSION = 1

Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Native:
    """`flat` [bytes] uint8 (memory-mapped, read-only): the images one after the other; `shapes` and `starts` by content."""

    flat: np.ndarray
    shapes: Mapping[str, tuple[int, int]]
    starts: Mapping[str, int]
    held: Hold | None = field(default=None, repr=False, compare=False)

    def image(self, content: str) -> np.ndarray:
        """The image of this content, [h, w, 3] uint8, read-only. Raises SnellenError where it was not stored."""
        if content not in self.starts:
            raise SnellenError("a sample has no stored pixels; take catalog.usable() of this store's catalog")
        height, width = self.shapes[content]
        start = self.starts[content]
        return self.flat[start : start + height * width * 3].reshape(height, width, 3)


def open_native(catalog: Catalog, *, cache: Path, notice: Notice = lambda text: None) -> Native:
    """Decode every distinct usable image once, or reuse the store where it is there.

    The store is `cache/pixels/native-<contents>/` (`pixels.npy`, `lock`), kept within the same limit as the other pixel stores.
    Raises MissingSignal where the catalog was not measured, SnellenError where the disk or the limit has no room, or an
    image changed since it was measured.
    """
    shapes, files = _distinct(catalog.usable())
    starts, total = {}, 0
    for content, (height, width) in shapes.items():
        starts[content], total = total, total + height * width * 3
    folder = Path(cache) / "pixels" / f"native-{_digest(shapes)}"
    opened = _opened(folder, total)
    if opened is None:
        _build(folder, shapes, files, total, notice)
        opened = _opened(folder, total)
    if opened is None:
        raise SnellenError(f"{folder} does not read back as it was written; the disk may be full or failing")
    return Native(opened[0], FrozenMap(shapes), FrozenMap(starts), opened[1])


def _distinct(usable: Catalog) -> tuple[dict[str, tuple[int, int]], dict[str, Path]]:
    """Height and width, and the first file, of every distinct content, sorted by content."""
    for name in ("width", "height"):
        if not usable.has(name):
            raise MissingSignal(name)
    sides = zip(*(usable.table.column(name).to_pylist() for name in ("content", "height", "width")), strict=True)
    shapes = {content: (int(height), int(width)) for content, height, width in sides}
    files: dict[str, Path] = {}
    for content, path in zip(usable.table.column("content").to_pylist(), usable.paths(), strict=True):
        files.setdefault(content, path)
    return dict(sorted(shapes.items())), files


def _digest(shapes: Mapping[str, tuple[int, int]]) -> str:
    text = f"{VERSION} {PIL.__version__}\n" + "\n".join(shapes)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _opened(folder: Path, total: int) -> tuple[np.ndarray, Hold] | None:
    """The pixels, locked for use; None where they are not there, or not whole (then they are removed)."""
    held = hold(folder)
    if held is None:
        return None
    path = folder / "pixels.npy"
    if not total:
        return np.zeros(0, dtype=np.uint8), held
    try:
        flat = np.load(path, mmap_mode="r")
    except (OSError, ValueError):
        flat = np.zeros(0, dtype=np.uint8)
    if flat.shape == (total,):
        return flat, held
    held.release()
    discard(folder)
    return None


def _build(
    folder: Path, shapes: Mapping[str, tuple[int, int]], files: Mapping[str, Path], total: int, notice: Notice
) -> None:
    """Build beside the final place and rename: a reader sees the whole store or none."""
    root = folder.parent
    root.mkdir(parents=True, exist_ok=True)
    clear_stale(root)
    make_room(root, total, notice=notice)
    temp = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir()
    (temp / "lock").touch()
    held = hold(temp)  # So that no other process takes it for abandoned.
    try:
        store.write_array(temp / "pixels.npy", (total,), np.uint8, _images(shapes, files))
        _publish(temp, folder)
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        if held is not None:
            held.release()


def _images(shapes: Mapping[str, tuple[int, int]], files: Mapping[str, Path]) -> Iterator[np.ndarray]:
    for content, (height, width) in shapes.items():
        pixels = whole(files[content])
        if pixels.shape != (height, width, 3):
            raise SnellenError(
                f"{files[content]} has {pixels.shape[1]} x {pixels.shape[0]} pixels now and had {width} x {height} when it was "
                "measured; begin anew with the images as they are"
            )
        yield pixels.reshape(-1)


def _publish(temp: Path, folder: Path) -> None:
    try:
        temp.rename(folder)
    except OSError:
        # Another process published the same store first; its content is the same.
        if not (folder / "lock").is_file():
            raise
