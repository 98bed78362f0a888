"""What it does
Finds pairs of classes that a transform turns into each other: mirrored (or upside down), images of one are taken for the
other and those of the other for the one, far more often than images of third classes are.

Why it matters
An augmentation that changes the class teaches wrong labels: a 6 turned by 180 degrees is a 9, a mirrored b is a d, a mirrored
arrow means something else. Such an augmentation must be left out.

Known problems
It asks a linear head, with a dozen images of a class: what that head cannot tell apart it cannot see changing, and classes
of fewer than ten images are not asked about. Images that merely look strange after the transform go over one way (a mirrored
boot, where all boots point left, was taken for a bag); as both transforms undo themselves, a true change goes both ways, and
only that is told. Only mirroring and turning by 180 degrees are tried.

Source
SPEC D8 (semantics-preserving choice); affinity of augmentations: Gontijo-Lopes et al. 2020, arXiv:2002.08973, §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy.stats import binom

from snellen.catalog import Catalog, MissingSignal
from snellen.values import Finding

TASKS = ("classification",)
# In words, and the augmentations that do it.
WORDS = {"flip": ("Mirrored", "flip"), "turn": ("Turned upside down", "rotate beyond 90 degrees, trivialaugment")}

Entry = Mapping[str, Any]


def augment_changes_class(
    catalog: Catalog, *, share: float = 0.5, back: float = 0.25, more: float = 0.4, least: int = 5, chance: float = 0.01
) -> list[Finding]:
    """Find them, clearest first. `share` (0..1) of a class's images must be taken for the other, `more` beyond the share of
    third classes' images that are, and `back` of the other's for it; `least` images of each were asked about; `chance`:
    probability that so many move by accident at the third classes' rate, divided among what was asked."""
    entries = catalog.about("transforms")
    if entries is None:
        raise MissingSignal("transforms")
    told = {(entry["transform"], entry["class"], entry["to"]): entry for entry in entries if entry["n"] >= least}
    found: dict[tuple[str, frozenset[str]], Finding] = {}
    for (transform, name, to), entry in sorted(told.items(), key=lambda item: -_share(item[1])):
        other = told.get((transform, to, name))
        enough = _share(entry) >= share and _share(entry) - _rate(entry) >= more and _p(entry) < chance / len(entries)
        if enough and other is not None and _share(other) >= back and _share(other) > _rate(other):
            found.setdefault((transform, frozenset((name, to))), _finding(entry, other))
    return list(found.values())


def _share(entry: Entry) -> float:
    """Of the class's images those that are taken for the other."""
    return float(entry["moved"] / entry["n"])


def _rate(entry: Entry) -> float:
    """Of third classes' images those that are taken for the other."""
    return float(entry["others"] / max(entry["others_n"], 1))


def _p(entry: Entry) -> float:
    # One more image than was seen: none of a few third images is no proof of a rate of 0.
    ground = min((entry["others"] + 1) / (entry["others_n"] + 2), 0.5)
    return float(binom.sf(entry["moved"] - 1, entry["n"], ground))


def _finding(entry: Entry, other: Entry) -> Finding:
    said, augments = WORDS[entry["transform"]]
    message = (
        f"{said}, images of class {entry['class']!r} are taken for {entry['to']!r} ({entry['moved']} of {entry['n']}) and those "
        f"of {entry['to']!r} for {entry['class']!r} ({other['moved']} of {other['n']}); of other classes {_rate(entry):.0%} are. "
        f"Leave this augmentation out: {augments}."
    )
    evidence = {
        "transform": entry["transform"], "class": entry["class"], "to": entry["to"], "n": entry["n"], "moved": entry["moved"],
        "back_n": other["n"], "back": other["moved"], "others": _rate(entry), "p": _p(entry), "augments": augments,
    }  # fmt: skip
    return Finding(rule="augment_changes_class", severity="warn", message=message, evidence=evidence)


def _entry(
    transform: str, name: str, to: str, n: int, moved: int, others: int = 0, others_n: int = 90
) -> dict[str, Any]:
    return {
        "transform": transform, "class": name, "n": n, "kept": n - moved, "to": to, "moved": moved, "others": others,
        "others_n": others_n,
    }  # fmt: skip


_ROWS = {"catalog": {"target": ["a", "b"]}}

FIRES = (
    {**_ROWS, "about": {"transforms": [_entry("turn", "6", "9", 12, 11), _entry("turn", "9", "6", 11, 9)]}},
    {
        **_ROWS,
        "about": {"transforms": [_entry("flip", "left", "right", 8, 8, 1), _entry("flip", "right", "left", 12, 4)]},
    },
)
SILENT = (
    {**_ROWS, "about": {"transforms": [_entry("flip", "cat", "dog", 12, 2), _entry("flip", "dog", "cat", 12, 0)]}},
    # All boots of the set point left: mirrored ones look strange, and bags stay bags.
    {**_ROWS, "about": {"transforms": [_entry("flip", "boot", "bag", 10, 10, 7), _entry("flip", "bag", "boot", 12, 0)]}},
    # Everything that is turned is taken for one class: the head is lost, no class has become another.
    {**_ROWS, "about": {"transforms": [_entry("turn", "cat", "bag", 12, 9, 70), _entry("turn", "bag", "cat", 12, 8, 65)]}},
    # Three of four images are too few to say.
    {**_ROWS, "about": {"transforms": [_entry("flip", "b", "d", 4, 3), _entry("flip", "d", "b", 4, 4)]}},
    {**_ROWS, "about": {"transforms": []}},
)  # fmt: skip
