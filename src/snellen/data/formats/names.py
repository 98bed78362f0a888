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


@dataclass(frozen=True, slots=True)
class Claims:
    """`files` that annotations name at their very place; `homes`: folder of an annotation and of such a file of it."""

    files: frozenset[Parts] = frozenset()
    homes: frozenset[tuple[Parts, Parts]] = frozenset()

    @classmethod
    def of(cls, found: Iterable[tuple[Parts, Parts]]) -> Claims:
        """`found`: folder of the annotation, and the file that it names."""
        pairs = list(found)
        return cls(frozenset(file for _, file in pairs), frozenset((folder, file[:-1]) for folder, file in pairs))

    def hold(self, file: Parts, split: str, settled: bool) -> bool:
        """Whether the file is another annotation's, and is not for one that only fits by name: this one's images lie in
        a folder that is known (`settled`), or it is for another split than the folder of the file."""
        return file in self.files and (settled or not in_split(file, split))


NO_CLAIMS = Claims()


class Names:
    """The image files of a folder by what an annotation may call them."""

    def __init__(self, files: Iterable[Parts]) -> None:
        self._all: set[Parts] = set(files)
        self._by_name: dict[str, list[Parts]] = {}
        for file in sorted(self._all):
            self._by_name.setdefault(file[-1], []).append(file)

    def direct(self, text: str, *, beside: Parts = ()) -> Parts | None:
        """The file at the very place that `text` names, from the folder `beside` or else from the root."""
        return next((place for place in _meant(text, beside)[0] if place in self._all), None)

    def find(self, text: str, *, beside: Parts = (), split: str = "", claims: Claims = NO_CLAIMS) -> Match:
        """The file meant by `text`, written in a file that lies in the folder `beside`.

        Relative to that folder, else to the root, else the file that shares the longest end of the path; among several
        the one below a folder of the split, and of images. What leads out of the root is never looked up there, and what
        `claims` hold is not taken because of its name alone.
        """
        places, tail, leads_out = _meant(text, beside)
        for place in places:
            if place in self._all:
                return Match(place, "found")
        known = [place for place in places if (beside, place[:-1]) in claims.homes] if tail else []
        found = self._by_tail(tail, split, claims, bool(known))
        if len(found) == 1:
            return Match(found[0], "moved" if leads_out else "found")
        if found:
            return Match((), "ambiguous")
        return Match((), "outside") if leads_out else Match(known[0] if known else tail, "missing")

    def _by_tail(self, tail: Parts, split: str, claims: Claims, settled: bool) -> list[Parts]:
        named = self._by_name.get(tail[-1], []) if tail else []
        candidates = [file for file in named if not claims.hold(file, split, settled)]
        if len(candidates) < 2:
            return candidates
        best = max(_shared(tail, file) for file in candidates)
        candidates = [file for file in candidates if _shared(tail, file) == best]
        candidates = [file for file in candidates if split and split_of(file[:-1]) == split] or candidates
        least = min(map(_strangeness, candidates))
        return [file for file in candidates if _strangeness(file) == least]


def _meant(text: str, beside: Parts) -> tuple[tuple[Parts, ...], Parts, bool]:
    """Where the file would lie (from `beside`, from the root), the end of its path, and whether that leads out."""
    path = text.strip().replace("\\", "/")
    absolute = path.startswith("/") or bool(_DRIVE.match(path))
    parts = _normal(_DRIVE.sub("", path).lstrip("/") if absolute else path)
    here = _normal("/".join((*beside, path)))
    tail = tuple(part for part in parts if part != "..")
    return () if absolute else (here, parts), tail, absolute or here[:1] == ("..",)


def usual_folder(files: Iterable[Parts]) -> Parts:
    """The folder that holds most of these files."""
    counts = Counter(file[:-1] for file in files)
    return max(sorted(counts), key=lambda folder: counts[folder], default=())


def split_of(folders: Sequence[str]) -> str:
    """train, val or test where one of the folders is called so (train2017 too), else empty."""
    return next((word for folder in folders if (word := _split_word(folder))), "")


def in_split(file: Parts, split: str) -> bool:
    """Whether a file can be of a split: the folders above it are not called after another one."""
    lies = split_of(file[:-1])
    return not split or not lies or lies == split


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
