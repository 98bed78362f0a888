"""Find the image files below a folder, and count what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))


@dataclass(frozen=True, slots=True)
class Found:
    """`files`: folder names above the file and its name, sorted; `ignored`: number of other files by suffix."""

    files: tuple[tuple[str, ...], ...]
    ignored: Counter[str]


def is_image_name(name: str) -> bool:
    """Whether the suffix is an image's, in whatever case."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 (a name, not a path)


def find_images(root: Path) -> Found:
    """Every file with an image suffix below `root`; hidden names are passed over, links to folders are followed once.

    A folder that is named like an image and holds none is listed too: its verdict will say what it is.
    """
    ignored: Counter[str] = Counter()
    return Found(tuple(sorted(_walk(root, (), frozenset({os.path.realpath(root)}), ignored))), ignored)


def _walk(
    folder: Path, parts: tuple[str, ...], above: frozenset[str], ignored: Counter[str]
) -> Iterator[tuple[str, ...]]:
    found = 0
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (names as they are, undecodable ones too)
    except PermissionError:
        ignored["folder that may not be opened"] += 1
        return
    for name in names:
        if name.startswith("."):
            continue
        path = folder / name
        if os.path.isdir(path):  # noqa: PTH112 (in a folder that may be listed and not entered, the other one raises)
            real = os.path.realpath(path)
            if real in above:
                ignored["link to a folder above"] += 1
                continue
            for item in _walk(path, (*parts, name), above | {real}, ignored):
                found += 1
                yield item
        elif is_image_name(name):
            found += 1
            yield (*parts, name)
        else:
            ignored[os.path.splitext(name)[1].lower() or "no suffix"] += 1  # noqa: PTH122
    if not found and parts and is_image_name(parts[-1]):
        yield parts
