"""Heads that are trained together are those that the loop trains one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from snellen.recipe import Recipe
from snellen.run import Predictions
from snellen.shelf import using
from snellen.train import lanes
from snellen.train.heads import train_heads
from snellen.train.loop import Interrupted
from snellen.train.machine import Setting
from snellen.values import SnellenError

HEAD = {"name": "head", "unfreeze": "head", "epochs": 3, "lr_scale": 5.0}
# Each differs in several ways, so that few trainings see every way in which heads can differ.
WAYS: dict[str, Mapping[str, Any]] = {
    "as it is": {"metric": "accuracy"},
    "rate and decay": {"optim.lr": 2e-1, "optim.weight_decay": 0.3, "optim.clip": 0.05},
    "loss without average": {"loss": {"name": "focal", "settings": {"gamma": 1.0}}, "train.ema": 0.0},
    "smoothing": {"loss.settings": {"smoothing": 0.3}},
    "mixes": {"augment.mixup": 0.4, "augment.cutmix": 0.4},
    "dropout, halves": {"model.dropout": 0.5, "train.accumulate": 2},
    "two passes": {"train.passes": 2},
    "small batches": {"train.batch": 5, "model.dropout": 0.0},
    "sampling and a longer schedule": {
        "train.sampling": "balanced",
        "stages": [{**HEAD, "epochs": 4, "warmup": 1.0, "schedule": {"name": "constant"}}],
    },
    "without some samples": {"data.drop": ["s003", "s007", "s011"], "optim": {"name": "sgd", "lr": 2e-2}},
    "other moments": {"optim.settings": {"beta1": 0.5}, "optim.clip": None},
    "third optimiser": {"optim": {"name": "rmsprop", "lr": 5e-3}},
    "plain": {"augment.parts": [], "data.eval_size": 48},
    "seed": {"seed": 1},
}


def recipe(patch: Mapping[str, Any] | None = None) -> Recipe:
    return tiny.recipe(
        {"stages": [HEAD], "augment.mixup": 0.0, "optim.lr": 3e-2, "metric": "log_loss", **(patch or {})}
    )


@pytest.fixture
def together(cache: Path) -> Callable[..., dict[tuple[str, int], Predictions]]:
    """together(recipe, recipe, …) -> rows by recipe and seed."""

    def make(*recipes: Recipe, **given: Any) -> dict[tuple[str, int], Predictions]:
        return train_heads(recipes, *tiny.material(), **{"setting": Setting(), "cache": cache, **given})

    return make


def test_together_is_one_by_one(trained, together) -> None:
    recipes = {way: recipe(patch) for way, patch in WAYS.items()}
    found = together(*recipes.values())
    assert list(found) == [(one.id, one.seed) for one in recipes.values()]
    for number, (way, one) in enumerate(recipes.items()):
        rows, alone = found[one.id, one.seed], trained(one, f"alone{number}").predictions("val")
        assert (rows.ids, rows.classes) == (alone.ids, alone.classes)
        assert np.array_equal(rows.targets, alone.targets)
        assert np.abs(rows.probabilities - alone.probabilities).max() < 1e-4, way
        assert np.abs(rows.probabilities - 1 / 3).max() > 0.01, f"{way}: nothing was learnt"
    # What the ways differ in matters.
    assert len({rows.probabilities.round(3).tobytes() for rows in found.values()}) == len(WAYS)


def test_what_reads_alike_shares_a_lane(cache: Path) -> None:
    given = {"setting": Setting(), "cache": cache}
    apart = ("small batches", "dropout, halves", "mixes", "without some samples", "seed")
    alike = ("as it is", "rate and decay", "loss without average", "smoothing", "third optimiser")
    recipes = {way: recipe(WAYS[way]).resolve() for way in (*alike, *apart)}
    found = lanes.lanes_of(recipes.values(), *tiny.material(), **given)
    assert [len(lane.arms) for lane in found] == [len(alike)] + [1] * len(apart)
    assert found[0].source is found[1].source is not found[-1].source  # Another seed is another trunk from noise.


def test_one_that_breaks_spoils_no_other(together) -> None:
    good = [recipe({"optim.lr": 2e-2}), recipe({"model.dropout": 0.4})]
    breaks = [
        recipe({"optim.lr": 1e38}),
        recipe({"optim.lr": 1e38, "loss": {"name": "focal"}, "optim.clip": None}),
    ]
    alone, mixed = together(*good), together(breaks[0], *good, breaks[1])
    for one in good:
        assert np.abs(mixed[one.id, 0].probabilities - alone[one.id, 0].probabilities).max() < 1e-6
    for one in breaks:
        assert np.isnan(mixed[one.id, 0].probabilities).all()
    assert np.isnan(together(breaks[0])[breaks[0].id, 0].probabilities).all()


def test_features_are_computed_once(together, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snellen.train import enter, once

    calls: list[int] = []
    real = enter.embed

    def embed(*given: Any) -> np.ndarray:
        calls.append(1)
        return real(*given)

    for module in (enter, once):
        monkeypatch.setattr(module, "embed", embed)
    ways = ("as it is", "smoothing", "dropout, halves", "without some samples", "small batches")
    recipes = [recipe(WAYS[way]) for way in ways]
    together(*recipes, cache=tmp_path)
    assert len(calls) == 2 + 1  # Two views of training, one of validation.
    together(*recipes, cache=tmp_path)
    assert len(calls) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["features"]


MODEL = '''
"""A trunk of pixels and a head of two layers."""
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 8, 8)
        self.fc = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, classes))
        self.feature_info = [{"reduction": 8, "module": "stem"}, {"reduction": 8, "module": "stem"}]

    def get_classifier(self):
        return self.fc

    def forward_features(self, x):
        return self.stem(x)

    def forward_head(self, x, pre_logits=False):
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


def small(*, classes: int) -> nn.Module:
    return Small(classes)
'''


def test_a_head_of_several_layers_is_trained_as_well(trained, together, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "small.py").write_text(MODEL)
    with using(folder):
        patch = {"model.name": "small", "augment.parts": [], "optim.lr": 0.05}
        both = [recipe(patch), recipe({**patch, "train.freeze_norm": True})]
        found = together(*both)
        for one in both:
            rows, alone = found[one.id, 0], trained(one, one.id).predictions("val")
            assert np.abs(rows.probabilities - alone.probabilities).max() < 1e-4


def test_half_precision_is_close(trained, together, tmp_path: Path) -> None:
    one, setting = recipe({"augment.parts": []}), Setting(precision="bf16")
    rows, alone = together(one, setting=setting)[one.id, 0], trained(one, setting=setting).predictions("val")
    assert np.abs(rows.probabilities - alone.probabilities).max() < 0.02


def test_only_recipes_of_one_head_stage(together) -> None:
    with pytest.raises(SnellenError, match=r"of one stage with unfreeze: head; got head \(unfreeze: head\), last"):
        together(tiny.recipe())
    with pytest.raises(SnellenError, match="got all"):
        together(tiny.recipe({"stages": tiny.ALL}))
    assert together() == {}


def test_it_stops_when_asked_and_says_how_far_it_is(together) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(Interrupted):
        together(recipe(), stop=stop)
    assert len(asked) == 3
    seen: list[Mapping[str, Any]] = []
    together(recipe(), recipe(WAYS["sampling and a longer schedule"]), watch=seen.append)
    assert seen == [{"done": epoch, "total": 4} for epoch in (1, 2, 3, 4)]
