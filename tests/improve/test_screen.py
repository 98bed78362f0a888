"""The screen: all remedies in one joint training of heads, kept for a resumed path, and none spoilt by another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.improve import heal as healing
from snellen.improve import screen as module
from snellen.improve.lab import Lab
from snellen.improve.prescribe import Prescription
from snellen.improve.screen import SEEDS, Look, head_only, screen
from snellen.recipe import Recipe
from snellen.run import Predictions
from snellen.train.heads import train_heads
from snellen.train.machine import Setting
from snellen.values import Finding, FrozenMap, Remedy

FINDING = Finding(rule="loss_oscillates", severity="warn", message="1 fault")
# Each remedy is known by the rate that it sets.
GAINS = {1e-3: 0.5, 2e-3: 0.0, 3e-3: -1.2}
BETTER, SAME, WORSE = GAINS
BROKEN = 4e-3
RECIPE = Recipe()


def prescription(lr: float, *, screens: bool = True) -> Prescription:
    remedy = Remedy(name=f"rate {lr}", finding=FINDING.rule, patch={"optim.lr": lr}, reason="r", source="a test")
    return Prescription(remedy, FINDING, screens)


class Pretended:
    """`train_heads` that takes no time: how good the rows are follows from the rate."""

    def __init__(self, record: Callable[..., list[Predictions]]) -> None:
        self.record, self.calls = record, []
        self.broken: set[tuple[float, int]] = {(BROKEN, 1)}

    def __call__(self, recipes: Iterable[Recipe], *_: Any, **__: Any) -> dict[tuple[str, int], Predictions]:
        self.calls.append(list(recipes))
        return {(one.id, one.seed): self.rows(one) for one in self.calls[-1]}

    def rows(self, recipe: Recipe) -> Predictions:
        (rows,) = self.record(1, 300, gain=GAINS.get(recipe.optim.lr, 0.0), start=recipe.seed)
        if (recipe.optim.lr, recipe.seed) in self.broken:
            return replace(rows, probabilities=np.full_like(rows.probabilities, np.nan))
        return rows


@pytest.fixture
def pretended(recorded: Callable[..., list[Predictions]], monkeypatch: pytest.MonkeyPatch) -> Pretended:
    made = Pretended(recorded)
    monkeypatch.setattr(module, "train_heads", made)
    return made


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    nothing: Any = None
    watch, stop = (lambda event: None), (lambda: False)
    return Lab(Case(tmp_path), nothing, nothing, Setting(), tmp_path / "cache", watch, stop, None)


def test_everything_is_trained_together(pretended: Pretended, lab: Lab) -> None:
    looks = screen(lab, RECIPE, [prescription(lr) for lr in GAINS])
    (recipes,) = pretended.calls
    assert [(one.optim.lr, one.seed) for one in recipes] == [
        (lr, seed) for lr in (RECIPE.optim.lr, *GAINS) for seed in range(SEEDS)
    ]
    assert all([stage.unfreeze for stage in one.stages] == ["head"] for one in recipes)
    better, same, worse = looks
    assert better.effect is not None
    assert better.effect.low > 0
    assert better.verdict is same.verdict is None
    assert worse.verdict is not None
    assert (worse.verdict.decision, worse.verdict.stage, worse.verdict.seeds) == ("reject", "screen", SEEDS)
    assert worse.verdict.high is not None
    assert worse.verdict.high < 0
    assert worse.verdict.baseline == head_only(RECIPE).id


def test_a_resumed_path_trains_nothing_again(pretended: Pretended, lab: Lab) -> None:
    wanted = [prescription(lr) for lr in (*GAINS, BROKEN)]
    first = screen(lab, RECIPE, wanted)
    second = screen(lab, RECIPE, wanted, train=False)
    assert len(pretended.calls) == 1

    def timeless(look: Look) -> Look:
        return look if look.verdict is None else replace(look, verdict=replace(look.verdict, seconds=0.0))

    assert [timeless(look) for look in second] == [timeless(look) for look in first]


def test_a_further_remedy_trains_its_own_heads_only(pretended: Pretended, lab: Lab) -> None:
    screen(lab, RECIPE, [prescription(BETTER)])
    screen(lab, RECIPE, [prescription(BETTER), prescription(WORSE)])
    assert [one.optim.lr for one in pretended.calls[1]] == [WORSE] * SEEDS


def test_what_breaks_is_rejected_and_spoils_nothing(pretended: Pretended, lab: Lab) -> None:
    broken, better = screen(lab, RECIPE, [prescription(BROKEN), prescription(BETTER)])
    assert broken.effect is None
    assert broken.verdict is not None
    assert broken.verdict.decision == "reject"
    assert "does not stay finite with it (seed 1)" in broken.verdict.reason
    assert broken.verdict.effect is None
    assert better.effect is not None
    assert better.effect.low > 0


def test_beside_a_broken_recipe_nothing_is_said(pretended: Pretended, lab: Lab) -> None:
    pretended.broken.add((RECIPE.optim.lr, 0))
    assert screen(lab, RECIPE, [prescription(BETTER), prescription(BROKEN)]) == (Look(), Look())


def test_without_time_only_what_is_kept_counts(pretended: Pretended, lab: Lab) -> None:
    assert screen(lab, RECIPE, [prescription(BETTER)], train=False) == (Look(),)
    assert screen(lab, RECIPE, []) == ()
    assert not pretended.calls


def test_healing_drops_and_orders_by_the_screen(pretended: Pretended, lab: Lab) -> None:
    wanted = [prescription(SAME), prescription(WORSE), prescription(BETTER), prescription(5e-3, screens=False)]
    kept = healing._screened(lab, RECIPE, wanted, seconds=1.0)
    assert [item.remedy.patch["optim.lr"] for item in kept] == [5e-3, BETTER, SAME]
    assert [verdict.remedy for verdict in lab.case.verdicts] == [f"rate {WORSE}"]
    assert len(pretended.calls) == 1


def test_healing_without_time_screens_nothing(pretended: Pretended, lab: Lab) -> None:
    wanted = [prescription(WORSE), prescription(BETTER)]
    late = replace(lab, deadline=0.0)
    assert healing._screened(late, RECIPE, wanted, seconds=1.0) == tuple(wanted)
    assert not pretended.calls


def test_with_real_heads(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    rows = [
        {"id": f"s{i}", "content": f"c{i}", "path": f"{i}.png", "target": "ab"[i % 2], "split": "train" if i < 40 else "val"}
        for i in range(60)
    ]  # fmt: skip
    images = chance.integers(0, 120, (60, 32, 32, 3)) + 80 * (np.arange(60) % 2)[:, None, None, None]
    pixels = Pixels(images.astype(np.uint8), FrozenMap({f"c{i}": i for i in range(60)}))
    patch = {"model.name": "test_efficientnet", "model.weights": "none", "data.size": 32, "stages.head.epochs": 2}
    watch, stop = (lambda event: None), (lambda: False)
    lab = Lab(Case(tmp_path), Catalog.of_rows(rows), pixels, Setting(), tmp_path / "cache", watch, stop, None)
    recipe = RECIPE.change({**patch, "optim.lr": 0.05, "metric": "log_loss"})
    wanted = [prescription(1e-6), prescription(1e38)]
    slow, broken = screen(lab, recipe, wanted)
    assert slow.effect is not None
    assert slow.effect.effect < 0
    assert broken.verdict is not None
    assert "finite" in broken.verdict.reason
    assert len(list((tmp_path / "screen").glob("*/predictions/val.parquet"))) == 3 * SEEDS
    assert module.train_heads is train_heads
