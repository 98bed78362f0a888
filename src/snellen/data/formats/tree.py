"""Tree: the names of all files below a folder, listed once for all formats."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from snellen.data.walk import is_image_name

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """`files`: folder names above the file and its name, sorted; `ignored`: number of links that lead upwards."""

    root: Path
    files: tuple[Parts, ...]
    ignored: Counter[str]


def tree_of(root: Path) -> Tree:
    """Every file below `root`; hidden names are passed over, a link to a folder above is counted and not followed."""
    ignored: Counter[str] = Counter()
    return Tree(root, tuple(sorted(_walk(root, (), frozenset({os.path.realpath(root)}), ignored))), ignored)


def _walk(folder: Path, parts: Parts, above: frozenset[str], ignored: Counter[str]) -> Iterator[Parts]:
    try:
        with os.scandir(folder) as entries:
            # A link that leads to itself is no folder; asking the entry would raise.
            listed = [(item.name, _is_folder(item), item.is_symlink()) for item in entries if item.name[0] != "."]
    except PermissionError:
        ignored["folder that may not be opened"] += 1
        return
    for name, is_folder, is_link in listed:
        if not is_folder:
            yield (*parts, name)
            continue
        path = folder / name
        real = os.path.realpath(path) if is_link else os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
        if real in above:
            ignored["link to a folder above"] += 1
            continue
        yield from _walk(path, (*parts, name), above | {real}, ignored)


def _is_folder(item: os.DirEntry[str]) -> bool:
    return os.path.isdir(item.path) if item.is_symlink() else item.is_dir()  # noqa: PTH112


def images_of(files: Sequence[Parts]) -> list[Parts]:
    """Those with an image's suffix."""
    return [file for file in files if is_image_name(file[-1])]


def with_suffix(files: Sequence[Parts], *suffixes: str) -> list[Parts]:
    """Those with one of these suffixes (".json"), in whatever case."""
    return [file for file in files if file[-1].lower().endswith(suffixes)]


def stem(name: str) -> str:
    """A file's name without its last suffix."""
    return os.path.splitext(name)[0]  # noqa: PTH122 (a name, not a path)


def shown(file: Parts) -> str:
    """The path in text."""
    return "/".join(file)
