"""Search: settings of the head by successive halving on cached features (SPEC E2, its cheap form).

All candidates are trained together (`train/heads.py`). After a ninth and after a third of the epochs only the best third
goes on, from where it stands: nothing is trained twice, and every finished candidate had its whole schedule (Jamieson &
Talwalkar 2016, arXiv:1502.07943, algorithm 1, run in place). The best few are repeated with further seeds, and the mean
decides. Only validation is looked at, never the test split.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.improve.score import scores
from snellen.improve.screen import LEVEL, head_only
from snellen.improve.spans import Span as Span
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run
from snellen.shelf import LOSSES
from snellen.train.heads import Key, Standing, train_heads
from snellen.values import SnellenError

KEPT = 3  # One in so many goes on at each rung.
FINALISTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One tried setting: how many epochs it was given, its best score so far with the first seed, and its mean over all
    seeds where it came so far. Number 0 is the recipe as it was."""

    number: int
    patch: Mapping[str, float]
    epochs: int
    score: float
    mean: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """`best` is the whole recipe with the best settings; `effect` that of these settings on the head alone, against the
    recipe as it was (None where it is still the best). The candidates were chosen by the same samples: it flatters."""

    best: Recipe
    patch: Mapping[str, float]
    candidates: tuple[Candidate, ...]
    effect: Effect | None
    seeds: int
    seconds: float


def space(recipe: Recipe) -> dict[str, Span]:
    """Ranges by recipe key: the head's rate from a tenth to thirty times what it is, weight decay, dropout, and label
    smoothing where the loss has it."""
    stage = next((stage for stage in recipe.stages if stage.unfreeze == "head"), None)
    if stage is None:
        raise SnellenError(
            "the recipe has no stage with unfreeze: head to search for; give it one, e.g. --stages head=15"
        )
    found = {
        f"stages.{stage.name}.lr_scale": Span(stage.lr_scale / 10, stage.lr_scale * 30, log=True),
        "optim.weight_decay": Span(1e-6, 1e-1, log=True),
        # Few values: candidates of one dropout share its draws.
        "model.dropout": Span(values=(0.0, 0.2, 0.5)),
    }
    smooths = "smoothing" in LOSSES.settings(recipe.loss.name)
    return found | ({"loss.settings.smoothing": Span(values=(0.0, 0.05, 0.1, 0.2))} if smooths else {})


def spread(ranges: Mapping[str, Span], count: int, *, seed: int) -> list[dict[str, float]]:
    """Points that fill the space evenly at every number of them (Roberts 2018, the R sequence, shifted by the seed)."""
    size = len(ranges)
    root = 2.0
    for _ in range(60):  # The positive root of x^(d+1) = x + 1.
        root = (1 + root) ** (1 / (size + 1))
    steps = root ** -np.arange(1.0, size + 1)
    start = np.random.default_rng(seed).random(size)
    shares = (start + np.arange(1, count + 1)[:, None] * steps) % 1.0
    return [
        {key: span.at(float(share)) for (key, span), share in zip(ranges.items(), row, strict=True)} for row in shares
    ]


def rungs(count: int, epochs: int) -> dict[int, int]:
    """Epochs after which candidates are culled -> how many go on."""
    found: dict[int, int] = {}
    for power in (2, 1):
        count = max(-(-count // KEPT), min(count, FINALISTS))
        done = max(1, round(epochs / KEPT**power))
        if done < epochs:
            found[done] = count
    return found


def search(
    lab: Lab, recipe: Recipe, *, ranges: Mapping[str, Span] | None = None, count: int = 27, seeds: int = 3
) -> Searched:
    """The best of `count` settings of the head, and of the recipe's own. Raises SnellenError for a recipe without a head
    stage or ranges that the recipe does not know, Interrupted where the lab was asked to stop."""
    start = time.perf_counter()
    ranges = space(recipe) if ranges is None else ranges
    patches = [{}, *spread(ranges, count, seed=recipe.seed)]
    recipes = [head_only(recipe.change(patch)) for patch in patches]
    ids = [item.id for item in recipes]
    known: dict[Key, Standing] = {}
    epochs = dict.fromkeys(ids, 0)
    lab.watch({"title": f"search: {len(recipes)} heads together"})
    rows = _train(lab, recipes, _culler(ids[0], rungs(count, recipes[0].stages[0].epochs), known, epochs))
    whole = max(epochs.values())
    last = sorted(
        (i for i in dict.fromkeys(ids) if epochs[i] == whole), key=lambda i: known[i, recipe.seed], reverse=True
    )
    finalists = list(dict.fromkeys([*last[:FINALISTS], ids[0]]))
    again = [recipes[ids.index(i)].change({"seed": recipe.seed + n}) for i in finalists for n in range(1, seeds)]
    rows |= _train(lab, again, lambda done, standing: ()) if again else {}
    means = {i: _mean(rows, i, recipe, seeds) for i in finalists}
    best = max(finalists, key=lambda i: (means[i], i == ids[0]))
    arms = [[rows[i, recipe.seed + n] for n in range(seeds)] for i in (ids[0], best)]
    _keep(lab, {key: value for key, value in rows.items() if key[0] in (ids[0], best)})
    candidates = [
        Candidate(number=n, patch=patch, epochs=epochs[i], score=known[i, recipe.seed][0], mean=means.get(i))
        for n, (i, patch) in enumerate(zip(ids, patches, strict=True))
        if (i, recipe.seed) in known
    ]
    patch = patches[ids.index(best)]
    return Searched(
        best=recipe.change(patch), patch=patch, candidates=tuple(candidates), seeds=seeds, seconds=time.perf_counter() - start,
        effect=None if best == ids[0] or means[ids[0]] == -math.inf else pair(*arms, metric=recipe.metric, level=LEVEL),
    )  # fmt: skip


Cull = Callable[[int, Mapping[Key, Standing]], Collection[Key]]


def _train(lab: Lab, recipes: Sequence[Recipe], cull: Cull) -> dict[Key, Rows]:
    return train_heads(
        recipes,
        lab.catalog,
        lab.pixels,
        setting=lab.setting,
        cache=lab.cache,
        watch=lab.watch,
        stop=lab.stop,
        cull=cull,
    )


def _culler(own: str, plan: Mapping[int, int], known: dict[Key, Standing], epochs: dict[str, int]) -> Cull:
    """Notes how far every candidate came and how it stood; at a rung all but the best are told to stop. The recipe as it
    was (`own`) always goes on: it is what the best is compared with."""

    def cull(done: int, standing: Mapping[Key, Standing]) -> Collection[Key]:
        known.update(standing)
        epochs.update({key[0]: done for key in standing})
        order = sorted((key for key in standing if key[0] != own), key=lambda key: standing[key], reverse=True)
        return order[plan[done] :] if done in plan else ()

    return cull


def _mean(rows: Mapping[Key, Rows], found: str, recipe: Recipe, seeds: int) -> float:
    own = [rows[found, recipe.seed + n] for n in range(seeds)]
    if not all(item.finite.all() for item in own):
        return -math.inf  # A head that broke with any seed is no answer.
    each = [scores(item, recipe.metric) for item in own]
    return statistics.fmean(float((values * weights).mean()) for values, weights in each)


def _keep(lab: Lab, rows: Mapping[Key, Rows]) -> None:
    for (found, seed), item in rows.items():
        Run(lab.case.folder / "search" / f"{found}-s{seed}").write_predictions("val", item)


def told(found: Searched) -> dict[str, Any]:
    """The search as JSON."""
    effect = found.effect
    return {
        "patch": dict(found.patch), "seeds": found.seeds, "seconds": found.seconds,
        "effect": effect and {key: getattr(effect, key) for key in ("metric", "effect", "low", "high", "level", "samples")},
        "candidates": [
            {"number": c.number, "patch": dict(c.patch), "epochs": c.epochs, "score": c.score, "mean": c.mean}
            for c in found.candidates
        ],
    }  # fmt: skip
