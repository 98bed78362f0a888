"""The numbers of an agreement: rates with intervals, per class, per annotator, and agreement beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from snellen.data._kappa import Share, cohen, fleiss
from snellen.data._units import Unit
from snellen.data.silhouette import dice_of

KINDS = ("missed", "class", "loose")


def account(
    units: Sequence[Unit], names: Sequence[str], *, images: int, task: str, loose: float, seed: int
) -> dict[str, Any]:
    """Conflict rates per object and per image, kinds of conflict, classes, annotators, Cohen's and Fleiss' kappa."""
    conflicts = np.asarray([unit.conflict(loose) for unit in units], dtype=str)
    image = np.asarray([unit.image for unit in units], dtype=np.int64)
    disputed = conflicts != ""
    ratings, classes = _ratings(units, len(names))
    return {
        "samples": images,
        "rate": Share(int(disputed.sum()), len(units)).plain(),
        "images": Share(len(np.unique(image[disputed])), images).plain(),
        "kinds": {kind: Share(int((conflicts == kind).sum()), len(units)).plain() for kind in KINDS},
        "classes": _classes(ratings, classes, disputed),
        "by_annotator": _annotators(ratings, disputed, names),
        **_likeness(units, task),
        **_beyond_chance(ratings, image, names, images if task == "multilabel" else None, seed),
    }


def _ratings(units: Sequence[Unit], raters: int) -> tuple[np.ndarray, list[str]]:
    """Class number of every unit by every annotator, [m, raters], -1 where there is none, and the classes."""
    classes = sorted({mark.label for unit in units for mark in unit.marks if mark is not None})
    place = {name: number for number, name in enumerate(classes)}
    found = [[-1 if mark is None else place[mark.label] for mark in unit.marks] for unit in units]
    return np.asarray(found, dtype=np.int64).reshape(-1, raters), classes


def _classes(ratings: np.ndarray, classes: Sequence[str], disputed: np.ndarray) -> dict[str, Any]:
    """By class: of the units that someone gave it, how many are disputed by nobody."""
    found = {}
    for number, name in enumerate(classes):
        here = (ratings == number).any(axis=1)
        found[name] = Share(int((here & ~disputed).sum()), int(here.sum())).plain()
    return found


def _annotators(ratings: np.ndarray, disputed: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """By annotator: units given; units of the others that they lack; units that only they have; theirs that are disputed."""
    found = {}
    for place, name in enumerate(names):
        given = ratings[:, place] >= 0
        others = (np.delete(ratings, place, axis=1) >= 0).any(axis=1)
        found[name] = {
            "given": int(given.sum()),
            "missed": Share(int((~given & others).sum()), int(others.sum())).plain(),
            "only": Share(int((given & ~others).sum()), int(given.sum())).plain(),
            "disputed": Share(int((given & disputed).sum()), int(given.sum())).plain(),
        }
    return found


def _likeness(units: Sequence[Unit], task: str) -> dict[str, Any]:
    """Mean likeness of what all annotators have drawn, and what it measures; for masks also as Dice."""
    names = {
        "detection": "IoU of boxes",
        "instance": "IoU of masks",
        "keypoints": "OKS",
        "segmentation": "IoU of regions",
    }
    if task not in names:
        return {}
    values = np.asarray([unit.likeness for unit in units if None not in unit.marks])
    found: dict[str, Any] = {"likeness": float(values.mean()) if len(values) else None, "measure": names[task]}
    if task in ("instance", "segmentation"):
        found["dice"] = float(np.mean(dice_of(values))) if len(values) else None
    return found


def _beyond_chance(
    ratings: np.ndarray, image: np.ndarray, names: Sequence[str], samples: int | None, seed: int
) -> dict[str, Any]:
    """Cohen's kappa of every two annotators and Fleiss' of all, of the classes of what they all have.

    `samples` is given where an image has several labels: then kappa is of having or not having each label.
    Intervals are drawn over images, so that objects of one image are not taken for independent.
    """
    if samples is not None:
        ratings, image = _presence(ratings, image, samples)
    found = {}
    for one, other in combinations(range(len(names)), 2):
        both = (ratings[:, [one, other]] >= 0).all(axis=1)
        value = cohen(ratings[both, one], ratings[both, other], image[both], seed=seed)
        found[f"{names[one]}, {names[other]}"] = value.plain()
    whole = (ratings >= 0).all(axis=1)
    return {"kappa": found, "fleiss": fleiss(ratings[whole], image[whole], seed=seed).plain()}


def _presence(ratings: np.ndarray, image: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """0 or 1 for every sample and class, [samples · classes, raters], and the sample of each."""
    classes = int(ratings.max(initial=-1)) + 1
    table = np.zeros((samples, classes, ratings.shape[1]), dtype=np.int64)
    unit, rater = np.nonzero(ratings >= 0)
    table[image[unit], ratings[unit, rater], rater] = 1
    return table.reshape(samples * classes, -1), np.repeat(np.arange(samples), classes)
