"""What it does
Finds transforms that turn images of one class into images of another: a mirrored or upside-down image is taken for one and
the same other class, far more often than images of third classes are.

Why it matters
An augmentation that changes the class teaches wrong labels: a 6 turned by 180 degrees is a 9, mirrored text or a mirrored
arrow means something else. Such an augmentation must be left out for these classes.

Known problems
It asks a linear head on frozen features, with a dozen images of a class: what that head cannot tell apart it cannot see
changing, and classes of fewer than ten images are not asked about. Only mirroring and turning by 180 degrees are tried.

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


def augment_changes_class(
    catalog: Catalog, *, share: float = 0.5, more: float = 0.4, least: int = 5, chance: float = 0.01
) -> list[Finding]:
    """Find them, clearest first. `share` (0..1) of a class's images must be taken for one other class, `more` beyond the
    share of third classes' images that are; `least` images were asked about; `chance`: probability that so many move by
    accident at the third classes' rate, divided among what was asked."""
    entries = catalog.about("transforms")
    if entries is None:
        raise MissingSignal("transforms")
    found = []
    for entry in entries:
        rate = entry["others"] / max(entry["others_n"], 1)
        moved = entry["moved"] / max(entry["n"], 1)
        # One more image than was seen: none of a few third images is no proof of a rate of 0.
        ground = (entry["others"] + 1) / (entry["others_n"] + 2)
        p = float(binom.sf(entry["moved"] - 1, entry["n"], min(ground, 0.5)))
        if entry["n"] >= least and moved >= share and moved - rate >= more and p < chance / len(entries):
            found.append((moved, _finding(entry, entries, rate, p)))
    return [finding for _, finding in sorted(found, key=lambda item: -item[0])]


def _finding(entry: Mapping[str, Any], entries: Any, rate: float, p: float) -> Finding:
    back = any(
        other["transform"] == entry["transform"]
        and (other["class"], other["to"]) == (entry["to"], entry["class"])
        and 2 * other["moved"] >= other["n"]
        for other in entries
    )
    said, augments = WORDS[entry["transform"]]
    ways = " and the other way round" if back else ""
    message = (
        f"{said}, images of class {entry['class']!r} are taken for {entry['to']!r}{ways}: {entry['moved']} of {entry['n']} "
        f"(of other classes {rate:.0%}). Leave this augmentation out: {augments}."
    )
    evidence = {
        "transform": entry["transform"], "class": entry["class"], "to": entry["to"], "n": entry["n"],
        "moved": entry["moved"], "share": entry["moved"] / entry["n"], "others": rate, "back": back, "p": p,
        "augments": augments,
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
    {**_ROWS, "about": {"transforms": [_entry("flip", "left", "right", 8, 8, 1), _entry("flip", "up", "down", 12, 1)]}},
)
SILENT = (
    {**_ROWS, "about": {"transforms": [_entry("flip", "cat", "dog", 12, 2), _entry("flip", "dog", "cat", 12, 0)]}},
    # Everything that is turned is taken for one class: the head is lost, no class has become another.
    {**_ROWS, "about": {"transforms": [_entry("turn", "cat", "bag", 12, 9, 70), _entry("turn", "dog", "bag", 12, 8, 65)]}},
    # Three of four images are too few to say.
    {**_ROWS, "about": {"transforms": [_entry("flip", "b", "d", 4, 3)]}},
    {**_ROWS, "about": {"transforms": []}},
)  # fmt: skip
