"""A folder of stores kept within a limit: what is in use is locked, and what was used least recently goes first.

The limit is `SNELLEN_CACHE_LIMIT` ("20", "20GB", "800 MB"; a number alone is gigabytes). Without it: 20 GB, or a fifth
of what the disk has free (with what the stores hold already), whichever is less. A stated limit is kept: what does not
fit is refused. The default one gives way to a single store that is larger, and says so.

Every store has a file `lock`. Who uses the store holds a shared lock on it; only who gets it alone may remove the store.
Its time of change says when the store was last used. Where a system has no such locks (Windows), nothing is evicted.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from snellen.values import SnellenError

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

LIMIT = "SNELLEN_CACHE_LIMIT"
DEFAULT_BYTES, DEFAULT_SHARE = 20e9, 0.2
# A disk is never filled to its end: the run itself writes too.
DISK = 0.95
_UNITS = {"MB": 1e6, "GB": 1e9, "TB": 1e12}

Notice = Callable[[str], None]


class Hold:
    """A shared lock on a store, kept until this object is gone or `release` is called."""

    def __init__(self, handle: int) -> None:
        self.release = weakref.finalize(self, os.close, handle)


def hold(folder: Path, *, touch: bool = True) -> Hold | None:
    """Lock the store against eviction and note its use (`touch`); None where it is not there, or is just being removed."""
    path = folder / "lock"
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    held = Hold(handle)
    if fcntl is not None:
        with contextlib.suppress(OSError):  # A file system without locks: there no store is ever evicted either.
            fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        same = os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        same = False
    if not same:
        held.release()
        return None
    if touch:
        with contextlib.suppress(PermissionError):  # A cache shared by several users, and this store is another's.
            os.utime(path)
    return held


def discard(folder: Path) -> None:
    """Take the store away, at once for all who look for it; who has it open keeps what it reads."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):  # Another process was faster.
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def clear_stale(root: Path) -> None:
    """Remove what killed processes left half built or half removed."""
    for path in root.glob(".*.tmp"):
        process = path.name.split(".")[-2]
        # The number alone does not tell: of another container's processes this one knows nothing.
        if process.isdigit() and not psutil.pid_exists(int(process)) and not _in_use(path):
            shutil.rmtree(path, ignore_errors=True)


def make_room(root: Path, needed: int, *, notice: Notice) -> None:
    """Evict stores until `needed` more bytes are within the limit and on the disk.

    Raises SnellenError where they do not fit on the disk, or not into a stated limit, after all that could be evicted is.
    """
    allowed, stated = limit(root)
    stores = sorted((path for path in root.iterdir() if path.is_dir() and path.name[0] != "."), key=_last_used)
    for folder in stores:
        if not _over(root, needed, allowed):
            return
        size = _bytes(folder)
        if _evicted(folder):
            notice(f"the pixel store {folder.name} ({size / 1e6:.0f} MB) was used least recently and made room")
    free = shutil.disk_usage(root).free
    if needed > DISK * free:
        raise SnellenError(
            f"the pixel store needs {needed / 1e6:.0f} MB and {root} has {free / 1e6:.0f} MB free; "
            "free some room, choose another output folder or a smaller data.size"
        )
    _within(root, needed, allowed, stated, notice)


def limit(root: Path) -> tuple[float, bool]:
    """Bytes that all stores may take, and whether the user stated them. Raises SnellenError for what is no size."""
    given = os.environ.get(LIMIT, "").strip()
    if not given:
        return min(DEFAULT_BYTES, DEFAULT_SHARE * (shutil.disk_usage(root).free + _bytes(root))), False
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB|TB)?", given, re.IGNORECASE)
    if not found:
        raise SnellenError(f"{LIMIT} is {given!r}, expected a size such as 20, 20GB or 800MB")
    return float(found[1]) * _UNITS[(found[2] or "GB").upper()], True


def _within(root: Path, needed: int, allowed: float, stated: bool, notice: Notice) -> None:
    used = _bytes(root)
    if not needed or used + needed <= allowed:
        return
    numbers = f"the pixel store needs {needed / 1e6:.0f} MB, others in use hold {used / 1e6:.0f} MB"
    if stated:
        raise SnellenError(
            f"{numbers} and {LIMIT} allows {allowed / 1e6:.0f} MB; raise it or choose a smaller data.size"
        )
    notice(f"{numbers}, above the {allowed / 1e6:.0f} MB kept by default ({LIMIT} sets another limit)")


def _over(root: Path, needed: int, allowed: float) -> bool:
    return _bytes(root) + needed > allowed or needed > DISK * shutil.disk_usage(root).free


def _evicted(folder: Path) -> bool:
    """Remove the store unless a living process uses it."""
    with _alone(folder) as alone:
        if alone:
            discard(folder)
    return alone


def _in_use(folder: Path) -> bool:
    with _alone(folder) as alone:
        return not alone


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether nobody else uses the store, and within the block nobody begins to."""
    path = folder / "lock"
    if fcntl is None or not path.is_file():
        # A store without the file is half built, half removed or of an older version: nothing opens it.
        yield not path.is_file()
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def _last_used(folder: Path) -> float:
    path = folder / "lock"
    return path.stat().st_mtime if path.is_file() else 0.0


def _bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # Just removed by another process.
                total += (Path(place) / name).lstat().st_size
    return total
