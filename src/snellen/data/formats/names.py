"""Names: which file an annotation means, and which split a name speaks of."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from snellen.data.formats.tree import Parts
from snellen.data.layout import SPLIT_NAMES

# What folders are called that hold images, masks (class ids) and instance maps (object ids).
IMAGE_WORDS = frozenset(("images", "image", "imgs", "img", "jpegimages", "leftimg8bit"))
INSTANCE_WORDS = frozenset(("instances", "instance", "instance_maps", "segmentationobject", "panoptic"))
MASK_WORDS = frozenset(("masks", "mask", "segmentation", "segmentations", "segmentationclass"))

_DRIVE = re.compile(r"^[A-Za-z]:")
_WORD = re.compile(r"^([a-z]+)\d*$")


@dataclass(frozen=True, slots=True)
class Match:
    """`file` where one was found; `how`: found, moved (the path leads elsewhere), missing, ambiguous or outside."""

    file: Parts
    how: str


class Names:
    """The image files of a folder by what an annotation may call them."""

    def __init__(self, files: Iterable[Parts]) -> None:
        self._all: set[Parts] = set(files)
        self._by_name: dict[str, list[Parts]] = {}
        for file in sorted(self._all):
            self._by_name.setdefault(file[-1], []).append(file)

    def find(self, text: str, *, beside: Parts = (), split: str = "") -> Match:
        """The file meant by `text`, written in a file that lies in the folder `beside`.

        Relative to that folder, else to the root, else the file that shares the longest end of the path; among several
        the one below a folder of the split, and of images. What leads out of the root is never looked up there.
        """
        path = text.strip().replace("\\", "/")
        absolute = path.startswith("/") or bool(_DRIVE.match(path))
        parts = _normal(_DRIVE.sub("", path).lstrip("/") if absolute else path)
        here = _normal("/".join((*beside, path)))
        for direct in (here, parts) if not absolute else ():
            if direct in self._all:
                return Match(direct, "found")
        leads_out = absolute or here[:1] == ("..",)
        tail = tuple(part for part in parts if part != "..")
        found = self._by_tail(tail, split)
        if len(found) == 1:
            return Match(found[0], "moved" if leads_out else "found")
        if found:
            return Match((), "ambiguous")
        return Match((), "outside") if leads_out else Match(tail, "missing")

    def _by_tail(self, tail: Parts, split: str) -> list[Parts]:
        candidates = self._by_name.get(tail[-1], []) if tail else []
        if len(candidates) < 2:
            return candidates
        best = max(_shared(tail, file) for file in candidates)
        candidates = [file for file in candidates if _shared(tail, file) == best]
        candidates = [file for file in candidates if split and split_of(file[:-1]) == split] or candidates
        least = min(map(_strangeness, candidates))
        return [file for file in candidates if _strangeness(file) == least]


def usual_folder(files: Iterable[Parts]) -> Parts:
    """The folder that holds most of these files."""
    counts = Counter(file[:-1] for file in files)
    return max(sorted(counts), key=lambda folder: counts[folder], default=())


def split_of(folders: Sequence[str]) -> str:
    """train, val or test where one of the folders is called so (train2017 too), else empty."""
    return next((word for folder in folders if (word := _split_word(folder))), "")


def split_in(name: str) -> str:
    """The split that one word of a name speaks of: instances_train2017, DIV2K_valid_HR; else empty."""
    return next((word for part in re.split(r"[^A-Za-z0-9]+", name) if (word := _split_word(part))), "")


def _split_word(word: str) -> str:
    match = _WORD.match(word.lower())
    return SPLIT_NAMES.get(match[1], "") if match else ""


def _strangeness(file: Parts) -> int:
    """How far a file is from an image that one annotates: masks carry the same names."""
    words = {word.lower() for word in file[:-1]}
    return 2 if words & (MASK_WORDS | INSTANCE_WORDS) else 0 if words & IMAGE_WORDS else 1


def _normal(path: str) -> Parts:
    whole = os.path.normpath(path).replace(os.sep, "/") if path else ""
    return tuple(part for part in whole.split("/") if part not in ("", "."))


def _shared(left: Parts, right: Parts) -> int:
    count = 0
    for one, other in zip(reversed(left), reversed(right), strict=False):
        if one != other:
            break
        count += 1
    return count
