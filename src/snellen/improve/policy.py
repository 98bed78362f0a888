"""Policy: which augmentation operations suit these images, and how strong, found on the user's own validation images
instead of copied from ImageNet (SPEC D8; Cubuk et al. 2019, arXiv:1805.09501, searched; 2020, arXiv:1909.13719, one magnitude).

The network stays frozen: the features of a few augmented views are computed once for each candidate, and the heads of all
candidates and seeds are trained together (train/heads). Candidates are ranked on one half of the validation images, drawn
by id; what is chosen is judged on the other half, which had no say. The test split is not in the catalog that is searched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.improve.screen import head_only
from snellen.parts.augments._policy import STANDARD
from snellen.recipe import Recipe
from snellen.rows import Predictions
from snellen.shelf import TASKS
from snellen.train.draws import keys
from snellen.train.heads import train_heads
from snellen.values import SnellenError

OPERATIONS = tuple(name for name in STANDARD if name != "identity")
# Of the 30 that RandAugment counts to.
MAGNITUDES = (6.0, 14.0, 22.0)
VIEWS, SEEDS, LEVEL, METRIC = 3, 3, 0.95, "calibrated_log_loss"
# Operations that a policy is made of at most; validation images: fewer cannot be halved, more are not looked at.
KEPT, LEAST, MOST = 6, 20, 1000

Parts = tuple[Mapping[str, Any], ...]
Rows = Mapping[str, Sequence[Predictions]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate and its effect against no augmentation on the half of validation that ranks."""

    name: str
    parts: Parts
    effect: Effect

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"name": self.name, "parts": [dict(part) for part in self.parts], **told(self.effect)}


def search(lab: Lab, recipe: Recipe, *, images: int = 400, confirm: int = 0) -> dict[str, Any]:
    """Search in two rounds: every operation at three strengths on its own, then policies of those that helped.

    `images`: training images that heads are trained on. `confirm`: so many seeds of the whole recipe are then trained with
    the chosen policy and with the recipe's own augmentation, and paired. Returns {"operations", "policies" (ranked, best
    first), "chosen": {"name", "parts"}, "judged": {"against nothing", "against the recipe's own", "confirmed"}, "images",
    "validation": [ranked on, judged on]}; effects are in nats of the calibrated log loss, more is better.
    Raises SnellenError for tasks that cannot be screened by a head, and where there are fewer than LEAST validation images.
    """
    if not TASKS.constant(recipe.task, "SCREENS"):
        raise SnellenError(
            f"the task is {recipe.task}; a policy is searched with a classifier's head on frozen features"
        )
    lab = replace(lab, catalog=_without_test(lab.catalog))
    if len(lab.catalog.usable().of("val")) < LEAST:
        raise SnellenError(
            f"{len(lab.catalog.usable().of('val'))} validation images cannot be halved into some that rank and some that judge; "
            f"give at least {LEAST}"
        )
    small = replace(lab, catalog=_some(_some(lab.catalog, "train", images), "val", MOST))
    plain = head_only(recipe).change(
        {"augment.parts": [], "augment.aimed": [], "augment.mixup": 0.0, "augment.cutmix": 0.0, "train.views": VIEWS}
    )
    own = {"own": recipe.plain()["augment"]["parts"]} if recipe.augment.parts else {}
    rows = dict(_rows(small, plain, {"none": [], **own, **_singles()}, "search: operations"))
    operations = _best(_ranked(rows, _singles()))
    policies = _policies(operations)
    rows |= _rows(small, plain, policies, "search: policies")
    every = {"none": [], **own, **policies}
    ranked = _ranked(rows, every)
    chosen = ranked[0]
    judged = {"against nothing": told(_effect(rows, "none", chosen.name, judging=True))}
    if own:
        judged["against the recipe's own"] = told(_effect(rows, "own", chosen.name, judging=True))
    if confirm:
        judged["confirmed"] = told(_confirmed(lab, recipe, chosen, confirm))
    halves = [int((_half(rows["none"][0].ids) == half).sum()) for half in (False, True)]
    return {
        "operations": [item.plain() for item in operations], "policies": [item.plain() for item in ranked],
        "chosen": {"name": chosen.name, "parts": [dict(part) for part in chosen.parts]}, "judged": judged,
        "images": len(small.catalog.usable().of("train")), "validation": halves, "metric": METRIC,
    }  # fmt: skip


def told(effect: Effect) -> dict[str, Any]:
    """Effect and interval, with what they rest on."""
    return {"effect": effect.effect, "low": effect.low, "high": effect.high, "n": effect.samples, "seeds": effect.seeds}


def _without_test(catalog: Catalog) -> Catalog:
    return catalog.where(catalog.column("split").astype(str) != "test")


def _some(catalog: Catalog, split: str, images: int) -> Catalog:
    """All but images of the split beyond `images`: of every class the same share, two at least, those with the smallest keys."""
    inside = (catalog.column("split").astype(str) == split) & (catalog.column("verdict").astype(str) == "ok")
    targets, order = catalog.column("target").astype(str), keys(catalog.ids)
    kept = ~inside
    for name in np.unique(targets[inside]):
        rows = np.flatnonzero(inside & (targets == name))
        count = max(2, round(len(rows) * min(1.0, images / inside.sum())))
        kept[rows[np.argsort(order[rows], kind="stable")[:count]]] = True
    return catalog.where(kept)


def _singles() -> dict[str, list[dict[str, Any]]]:
    return {f"{name} {level:g}": [_part([name], 1, level)] for name in OPERATIONS for level in MAGNITUDES}


def _part(names: Sequence[str], count: int, level: float) -> dict[str, Any]:
    # With the identity among them some views stay as they are.
    return {"name": "randaugment", "settings": {"ops": count, "magnitude": level, "among": ["identity", *names]}}


def _policies(operations: Sequence[Ranked]) -> dict[str, list[dict[str, Any]]]:
    """Policies of the operations that helped, beside the published ones."""
    found: dict[str, list[dict[str, Any]]] = {
        "trivialaugment": [{"name": "trivialaugment"}], "randaugment": [{"name": "randaugment"}],
    }  # fmt: skip
    names = [item.name.split()[0] for item in operations if item.effect.effect > 0][:KEPT]
    for count in (1, 2) if names else ():
        for level in MAGNITUDES:
            found[f"{count} of {', '.join(names)} at {level:g}"] = [_part(names, count, level)]
    return found


def _rows(lab: Lab, plain: Recipe, candidates: Mapping[str, Sequence[Any]], title: str) -> Rows:
    """Validation rows of every candidate, one for each seed."""
    lab.watch({"title": f"{title}, {len(candidates)} candidates"})
    arms = {name: plain.change({"augment.parts": list(parts)}) for name, parts in candidates.items()}
    seeded = [arm.change({"seed": plain.seed + seed}) for arm in arms.values() for seed in range(SEEDS)]
    found: Mapping[tuple[str, int], Any] = train_heads(
        seeded, lab.catalog, lab.pixels, setting=lab.setting, cache=lab.cache, watch=lab.watch, stop=lab.stop
    )
    return {name: [found[arm.id, plain.seed + seed] for seed in range(SEEDS)] for name, arm in arms.items()}


def _ranked(rows: Rows, candidates: Mapping[str, Sequence[Any]]) -> list[Ranked]:
    """Best first; candidates that broke come last by being left out."""
    found = [
        Ranked(name, tuple(parts), _effect(rows, "none", name))
        for name, parts in candidates.items()
        if all(np.isfinite(one.probabilities).all() for one in rows[name])
    ]
    return sorted(found, key=lambda item: -item.effect.effect)


def _best(ranked: Iterable[Ranked]) -> list[Ranked]:
    """Of every operation its best strength, best first."""
    found: dict[str, Ranked] = {}
    for item in ranked:
        found.setdefault(item.name.split()[0], item)
    return list(found.values())


def _effect(rows: Rows, baseline: str, candidate: str, *, judging: bool = False) -> Effect:
    before, after = ([_part_of(one, judging) for one in rows[name]] for name in (baseline, candidate))
    return pair(before, after, metric=METRIC, level=LEVEL)


def _confirmed(lab: Lab, recipe: Recipe, chosen: Ranked, seeds: int) -> Effect:
    """The whole recipe trained with its own augmentation and with the chosen one, judged on the judging half."""
    other = recipe.change({"augment.parts": [dict(part) for part in chosen.parts]})
    arms = [
        [
            _part_of(lab.validation(arm, recipe.seed + seed, title=f"confirm: seed {seed}"), True)
            for seed in range(seeds)
        ]
        for arm in (recipe, other)
    ]
    return pair(*arms, metric=METRIC, level=LEVEL)


def _part_of(rows: Any, judging: bool) -> Predictions:
    chosen = np.flatnonzero(_half(rows.ids) == judging)
    ids = tuple(rows.ids[place] for place in chosen)
    return Predictions(ids, rows.targets[chosen], rows.probabilities[chosen], rows.classes)


def _half(ids: Sequence[str]) -> np.ndarray:
    """Whether each image is one of those that judge, [n]; another bit than the one that calibrates."""
    return np.asarray([bool(hashlib.blake2b(f"judge {i}".encode(), digest_size=1).digest()[0] & 1) for i in ids])
