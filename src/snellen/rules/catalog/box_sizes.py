"""What it does
Points to the boxes whose size or aspect is far from that of their class: the logarithm deviates from the class's median by
more than `far` robust standard deviations, and by a factor of `factor` at least.

Why it matters
A unit that was mixed up, a corner that was dragged away or a second object in one box shows itself so.

Known problems
A hint only: near and far objects differ in size rightly. Classes of fewer than `few` boxes are not judged.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.rules.objects import NORMAL, objects_finding
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")
_DETECTION = {"task": "detection"}
_USUAL = [{"key": str(i), "label": "cat", "box": [0, 0, 20 + i % 5, 20 + i % 7]} for i in range(40)]
_LONG = {"key": "99", "label": "cat", "box": [0, 0, 300, 6]}
_HUGE = {"key": "98", "label": "cat", "box": [0, 0, 400, 400]}
FIRES = (
    {"catalog": {"objects": [[*_USUAL, _LONG]]}, "about": _DETECTION},
    {"catalog": {"objects": [_USUAL, [_HUGE]]}, "about": _DETECTION},
)
SILENT = (
    {"catalog": {"objects": [_USUAL]}, "about": _DETECTION},
    {"catalog": {"objects": [[*_USUAL[:8], _HUGE]]}, "about": _DETECTION},
)


def box_sizes(catalog: Catalog, *, far: float = 5.0, factor: float = 2.5, few: int = 30) -> list[Finding]:
    """One finding, the box farthest from its class first."""
    objects = Objects.of(catalog)
    size = objects.box[:, 2:] - objects.box[:, :2]
    usable = np.flatnonzero(objects.usable & (size > 0).all(axis=1))
    if not len(usable):
        return []
    logs = np.log(size[usable])
    # Side of the square of the same area, and width to height.
    traits = np.stack([logs.mean(axis=1), logs[:, 0] - logs[:, 1]], axis=1)
    middle, spread = _usual(traits, objects.label[usable], few)
    away = np.abs(traits - middle)
    odd = (away > far * spread) & (away > np.log(factor))
    rank = np.where(odd, away / spread, 0.0).max(axis=1)
    chosen = np.flatnonzero(odd.any(axis=1))
    if not len(chosen):
        return []
    chosen = chosen[np.argsort(-rank[chosen], kind="stable")]
    large, small, shape = (int(sum(part)) for part in _kinds(odd, traits - middle)[chosen].T)
    message = (
        f"{len(chosen)} of {len(usable)} boxes are far from the size of their class: {large} larger, {small} smaller, "
        f"{shape} of another shape (more than {far:g} robust deviations)."
    )
    evidence = {
        "count": len(chosen), "total": len(usable), "larger": large, "smaller": small, "shape": shape, "limit": far,
    }  # fmt: skip
    each = [{"what": _said(odd[row], traits[row] - middle[row])} for row in chosen]
    return objects_finding(
        "box_sizes", catalog, objects, usable[chosen], message=message, evidence=evidence, each=each, severity="info"
    )


def _usual(traits: np.ndarray, labels: np.ndarray, few: int) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust spread [n, 2] of the class of every box; an infinite spread where there are too few to tell."""
    middle, spread = np.zeros_like(traits), np.full_like(traits, np.inf)
    names, codes = np.unique(labels, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    for members in np.split(order, np.searchsorted(codes[order], np.arange(1, len(names)))):
        if len(members) >= few:
            middle[members] = np.median(traits[members], axis=0)
            spread[members] = np.maximum(NORMAL * np.median(np.abs(traits[members] - middle[members]), axis=0), 0.02)
    return middle, spread


def _kinds(odd: np.ndarray, away: np.ndarray) -> np.ndarray:
    """[n, 3] bool: larger, smaller, of another shape (size goes before shape)."""
    return np.stack([odd[:, 0] & (away[:, 0] > 0), odd[:, 0] & (away[:, 0] < 0), odd[:, 1] & ~odd[:, 0]], axis=1)


def _said(odd: np.ndarray, away: np.ndarray) -> str:
    if odd[0]:
        return f"{np.exp(abs(away[0])):.1f} times as {'large' if away[0] > 0 else 'small'} as is usual"
    return f"{np.exp(abs(away[1])):.1f} times as {'wide' if away[1] > 0 else 'tall'} for its area as is usual"
