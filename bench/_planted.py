"""Planted faults: a folder's faults.json, which only this bench reads, and the score of what an audit flags.

A folder lists its faults by kind. Those at the even positions of a kind's list are the tuning half, those at the odd ones
the half that is reported; a kind with one instance stands in both. What nobody planted is dealt to the halves by turns in
order of path, so that a false flag counts in one of them only.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snellen import store
from snellen.catalog import SPLITS

FAULTS = "faults.json"
HALVES: dict[str, tuple[int, ...]] = {"even": (0,), "odd": (1,), "all": (0, 1)}
COPIES = (
    "exact_duplicate",
    "exact_duplicate_across_splits",
    "near_duplicate_across_splits",
    "duplicate_with_conflicting_label",
    "leaked_image",
)
# Kind of planted fault -> the rules of which any may answer.
ANSWERS: dict[str, tuple[str, ...]] = {
    "label_flip": ("label_noise",),
    "exact_duplicate": ("exact_duplicates",),
    "exact_duplicate_across_splits": ("leakage",),
    "near_duplicate_across_splits": ("leakage",),
    "leaked_image": ("leakage",),
    "duplicate_with_conflicting_label": ("conflicting_labels",),
    "blur": ("blurred_images",),
    "blank": ("blank_images",),
    "dark": ("dark_images",),
    "overexposed": ("bright_images",),
    "noise": ("noisy_images",),
    "tiny": ("tiny_images",),
    "odd_aspect": ("odd_aspect",),
    "truncated": ("truncated_images",),
    "empty_file": ("unreadable_images",),
    "not_an_image": ("unreadable_images",),
    "grayscale": ("grey_images",),
    "shortcut_marker": ("shortcut_marker",),
}
# Kind -> kinds whose samples may be flagged with it without being wrong: a blank image is dark, bright and without an edge,
# a copy under another label has a wrong label, and a copy of any sort is a copy.
LENIENT: dict[str, tuple[str, ...]] = {
    "label_flip": ("duplicate_with_conflicting_label",),
    **dict.fromkeys(("blur", "dark", "overexposed"), ("blank",)),
    **dict.fromkeys(COPIES, COPIES),
}
# Kind -> least recall and precision that are aimed at, over all folders.
GOALS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("exact_duplicate", "exact_duplicate_across_splits", "leaked_image"), (1.0, 1.0)),
    "near_duplicate_across_splits": (0.95, 0.95),
    **dict.fromkeys(("duplicate_with_conflicting_label", "truncated", "empty_file", "not_an_image"), (1.0, 1.0)),
    **dict.fromkeys(("blank", "dark", "blur"), (0.9, 0.9)),
    "label_flip": (0.8, 0.6),
    "shortcut_marker": (1.0, 0.0),
    **dict.fromkeys(("zero_area_box", "out_of_image_box"), (1.0, 1.0)),
    **dict.fromkeys(("mask_file_missing", "wrong_size_mask", "unknown_label_id"), (1.0, 1.0)),
    **dict.fromkeys(("oversize_box", "shifted_box", "missing_box"), (0.6, 0.6)),
    **dict.fromkeys(("eroded", "dilated", "misregistered"), (0.6, 0.6)),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault: the paths that show it (a copy and its source are one fault) and the halves it stands in."""

    kind: str
    paths: tuple[str, ...]
    halves: tuple[int, ...]
    target: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was flagged for one kind of fault. `right` and `wrong` count samples, `found` faults; `known` of the wrong ones are
    flagged in the original dataset too."""

    planted: int
    found: int
    right: int
    wrong: int
    known: int = 0

    @property
    def recall(self) -> float | None:
        """Found of planted; None where nothing was planted."""
        return self.found / self.planted if self.planted else None

    @property
    def precision(self) -> float | None:
        """Right of flagged; None where nothing was flagged."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "planted": self.planted, "found": self.found, "flagged": self.right + self.wrong, "right": self.right,
            "also_in_original": self.known, "recall": self.recall, "precision": self.precision,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flags:
    """What one tool says of a folder: for every kind that it can try, the samples it flags. `many` holds, for a kind that is a
    property of a class, one set of samples and a text for every finding."""

    samples: Mapping[str, frozenset[str]]
    many: Mapping[str, Sequence[tuple[str, frozenset[str]]]]


def read_faults(folder: Path) -> list[Fault]:
    """The faults of a folder that are told by path of an image, in the order of the file."""
    return faults_of(store.read_json(folder / FAULTS)["faults"])


def kinds_in(folder: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Every entry of a folder's list by kind, whatever it is about."""
    kinds: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for item in store.read_json(folder / FAULTS)["faults"]:
        kinds[item["type"]].append(item)
    return kinds


def faults_of(items: Iterable[Mapping[str, Any]]) -> list[Fault]:
    """Faults from the entries of the file; those about an object or a mask are left to the scripts of these tasks."""
    kinds: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for item in items:
        if item["type"] in ANSWERS:
            kinds[item["type"]].append(item)
    return [
        _fault(kind, item, place, len(listed)) for kind, listed in kinds.items() for place, item in enumerate(listed)
    ]


def _fault(kind: str, item: Mapping[str, Any], place: int, of: int) -> Fault:
    paths = tuple(item["paths"]) if "paths" in item else (item["path"],)
    if kind in COPIES:
        paths = (*paths, item["source"])
    return Fault(kind, paths, (0, 1) if of == 1 else (place % 2,), item.get("given_class", ""))


def dealt(paths: Iterable[str]) -> dict[str, int]:
    """The half of every path: by turns in order of path."""
    return {path: place % 2 for place, path in enumerate(sorted(paths))}


def tally(
    kind: str,
    faults: Sequence[Fault],
    flagged: Collection[str],
    *,
    half: str,
    sides: Mapping[str, int],
    original: Collection[str] = (),
) -> Tally:
    """Score the samples flagged for a kind on one half. `sides` is what `dealt` gave for all samples of the folder; `original`
    holds the file names that the tool flags for the kind in the dataset that nothing was planted in."""
    mine = [fault for fault in faults if fault.kind == kind]
    asked = [fault for fault in mine if set(fault.halves) & set(HALVES[half])]
    members = {path for fault in asked for path in fault.paths}
    beside = beside_the_point(kind, faults) | {path for fault in mine for path in fault.paths}
    wrong = [path for path in set(flagged) - beside if sides.get(path, 1) in HALVES[half]]
    return Tally(
        planted=len(asked),
        found=sum(bool(set(fault.paths) & set(flagged)) for fault in asked),
        right=len(members & set(flagged)),
        wrong=len(wrong),
        known=sum(Path(path).name in original for path in wrong),
    )


def beside_the_point(kind: str, faults: Sequence[Fault]) -> set[str]:
    """Samples of other kinds that are neither right nor wrong to flag: those its rules answer for too, and LENIENT."""
    alike = {other for other, rules in ANSWERS.items() if set(rules) & set(ANSWERS[kind])} | set(LENIENT.get(kind, ()))
    return {path for fault in faults if fault.kind in alike - {kind} for path in fault.paths}


def tally_marker(faults: Sequence[Fault], told: Sequence[tuple[str, frozenset[str]]], *, half: str) -> Tally:
    """Score findings about a marker that gives a class away: right where at least half of its samples carry the marker and
    the text names the class."""
    asked = [fault for fault in faults if fault.kind == "shortcut_marker" and set(fault.halves) & set(HALVES[half])]
    hits = [[_names(fault, text, samples) for text, samples in told] for fault in asked]
    right = sum(map(any, zip(*hits, strict=True))) if hits else 0
    return Tally(len(asked), sum(map(any, hits)), right, len(told) - right)


def _names(fault: Fault, text: str, samples: frozenset[str]) -> bool:
    return bool(samples) and fault.target in text and 2 * len(samples & set(fault.paths)) >= len(samples)


def ranking(
    faults: Sequence[Fault], paths: Sequence[str], quality: Sequence[float], *, half: str, sides: Mapping[str, int]
) -> dict[str, float | int | None]:
    """How well an order of samples (lower quality is worse; NaN comes last) puts flipped labels first: average
    precision, and the best recall at a precision of at least 0.6. Copies under another label are left out."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    flips = {path: fault.halves for fault in faults if fault.kind == "label_flip" for path in fault.paths}
    beside = beside_the_point("label_flip", faults)
    kept = [
        row
        for row, path in enumerate(paths)
        if path not in beside and set(flips.get(path, (sides.get(path, 1),))) & set(HALVES[half])
    ]
    truth = np.asarray([paths[row] in flips for row in kept])
    if not truth.any():
        return {"planted": 0, "of": len(kept), "average_precision": None, "recall_at_0.6": None}
    values = np.asarray(quality, dtype=float)[kept]
    # Never judged: last of all.
    doubt = -np.where(np.isnan(values), np.nanmax(values, initial=0.0) + 1.0, values)
    precision, recall, _ = precision_recall_curve(truth, doubt)
    return {
        "planted": int(truth.sum()), "of": len(kept), "average_precision": float(average_precision_score(truth, doubt)),
        "recall_at_0.6": float(recall[precision >= 0.6].max(initial=0.0)),
    }  # fmt: skip


def paired(pairs: Iterable[Sequence[str]], kind: str) -> frozenset[str]:
    """The samples of pairs that lie as the kind says: across splits, under several labels, or in one split and class."""
    return frozenset(path for one, other in pairs if _lies(one, other, kind) for path in (one, other))


def _lies(one: str, other: str, kind: str) -> bool:
    if kind in ("exact_duplicate_across_splits", "near_duplicate_across_splits", "leaked_image"):
        return split_of(one) != split_of(other)
    same_class = Path(one).parent.name == Path(other).parent.name
    if kind == "duplicate_with_conflicting_label":
        return not same_class
    return same_class and split_of(one) == split_of(other)


def split_of(path: str) -> str:
    """The split that a path names, or empty text."""
    return next((part for part in Path(path).parts if part in SPLITS), "")


def fingerprint(folder: Path) -> str:
    """Hash over the name and the bytes of every file below a folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        whole.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()
