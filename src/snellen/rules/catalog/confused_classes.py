"""What it does
Counts how often models that have not seen an image put it into another class than its label, for every pair of classes, and
lists the pairs that are mixed up far more often than pairs are on the whole.

Why it matters
Two classes of which one is a kind of the other (`shirt`, `t_shirt`), or which annotators have told apart by no common rule,
cannot be learnt: write the rule down, join the classes, or judge them by a score that forgives the mistake.

Known problems
Classes that only look alike to a network trained on other pictures are listed too; training on your images may separate them.

Source
SPEC D5; hierarchy confusion from out-of-fold predictions.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

TASKS = ("classification",)


def confused_classes(catalog: Catalog, *, share: float = 0.15, times: float = 5.0, least: int = 10) -> list[Finding]:
    """Find pairs of classes of whose images at least the share `share` (and `least` images) is taken for the other one, `times`
    as often as the mean of all pairs. Its samples are these images."""
    seen = catalog.column("looks_like").astype(str)
    targets = catalog.column("target").astype(str)
    judged = np.flatnonzero((seen != "") & (targets != ""))
    counts = Counter(targets[judged].tolist())
    mixed = Counter(_pair(targets[i], seen[i]) for i in judged if targets[i] != seen[i])
    possible = len(counts) * (len(counts) - 1) / 2
    if possible < 3:
        return []
    shares = {pair: number / (counts[pair[0]] + counts[pair[1]]) for pair, number in mixed.items()}
    usual = sum(shares.values()) / possible
    pairs = [p for p in mixed if mixed[p] >= least and shares[p] >= max(share, times * usual)]
    pairs.sort(key=lambda pair: (-shares[pair], pair))
    if not pairs:
        return []
    words = ", ".join(f"{a!r} and {b!r} ({mixed[a, b]} of {counts[a] + counts[b]})" for a, b in pairs[:5])
    message = (
        f"{len(pairs)} of {possible:.0f} pairs of classes are mixed up far more often than the others (mean {usual:.1%}): {words}. "
        "Write down what tells them apart, or join them."
    )
    evidence = {
        "count": len(pairs), "possible": int(possible), "usual": usual, "highest": shares[pairs[0]], "named": words,
        "pairs": [[*pair, mixed[pair], counts[pair[0]] + counts[pair[1]]] for pair in pairs],
    }  # fmt: skip
    ids, rank = catalog.ids, {pair: place for place, pair in enumerate(pairs)}
    hits = sorted((rank[pair], i) for i in judged if (pair := _pair(targets[i], seen[i])) in rank)
    samples = tuple(ids[i] for _, i in hits[:200])
    return [Finding(rule="confused_classes", severity="info", message=message, evidence=evidence, samples=samples)]


def _pair(one: object, other: object) -> tuple[str, str]:
    first, second = sorted((str(one), str(other)))
    return first, second


def _catalog(wrong: int) -> dict[str, object]:
    names = ["cat", "lynx", "car", "boat", "plane"]
    targets = [name for name in names for _ in range(40)]
    looks = list(targets)
    looks[:wrong] = ["lynx"] * wrong
    looks[80], looks[130] = "boat", "plane"
    return {"catalog": {"target": targets, "looks_like": looks}}


FIRES = (_catalog(20), _catalog(14))
SILENT = (
    _catalog(0),
    _catalog(6),
    # Everything is mixed up with everything: no pair stands out.
    {"catalog": {"target": ["a", "b", "c", "d"] * 30, "looks_like": (["b"] * 4 + ["c"] * 4 + ["d"] * 4 + ["a"] * 4) * 7 + ["a"] * 8}},
    {"catalog": {"target": ["a", "b"] * 20, "looks_like": ["b"] * 40}},
)  # fmt: skip
