"""Advice for masks: weights of classes from their shares, and no size below what tells classes apart."""

from __future__ import annotations

import numpy as np
import pytest

from snellen.advise import of_recipe
from snellen.budget import Cost
from snellen.catalog import Catalog
from snellen.opening import with_defaults
from snellen.recipe import Recipe
from snellen.remedies.dice_focal import dice_focal
from snellen.shelf import TASKS
from snellen.values import Finding

COST = Cost(((64, 0.004), (128, 0.016)), 0.9, 0.3, 0.5)


def _catalog(classes: int, *, share: float = 0.2) -> Catalog:
    rows = [
        {"id": f"s{i}", "content": f"c{i}", "path": f"{i}.jpg", "root": "x", "mask": f"{i}.png", "verdict": "ok"}
        | {"split": "train" if i < 40 else "val", "width": 192, "height": 192, "mask_problem": "", "mask_share": share}
        | {"mask_ids": [0, 1 + min(i % 6, i % (classes - 1))]}
        for i in range(60)
    ]
    names = {str(number): f"kind {number}" for number in range(classes)}
    return Catalog.of_rows(rows).with_about({"task": "segmentation", "classes": names})


def _advised(catalog: Catalog, budget: float | None, **given: object) -> Recipe:
    task = TASKS.pick("segmentation")()
    base = with_defaults(Recipe().change({"task": "segmentation", **of_recipe(given)}), given)
    sizes = task.sizes(catalog, 192.0, COST, budget, base=base, given=given)
    recipe: Recipe = task.advise(catalog, COST, budget, base=base, given=given, sizes=sizes, leaked=()).recipe
    return recipe.resolve()


def test_classes_are_weighted_by_their_share_of_the_pixels() -> None:
    recipe = _advised(_catalog(4), None)
    weights = np.asarray(recipe.loss.settings["weights"])
    assert len(weights) == 4
    assert weights[0] == min(weights)
    # The rarest class counts most, and a pixel counts 1 in the mean.
    assert weights.argmax() == 3 or weights[3] == pytest.approx(weights[1:].max(), abs=0.01)
    train = _catalog(4).of("train")
    held = np.asarray([sum(c in ids for ids in train.table.column("mask_ids").to_pylist()) for c in (1, 2, 3)])
    shares = np.asarray([0.8, *(0.2 * held / held.sum())])
    assert (weights * shares).sum() == pytest.approx(1.0, abs=0.01)
    own = _advised(_catalog(4), None, **{"loss.name": "dice", "loss.settings": {}})
    assert own.loss.name == "dice"


@pytest.mark.parametrize("budget", [None, 40.0, 900.0])
@pytest.mark.parametrize(("count", "shared"), [(1, [1]), (6, [6]), (7, [1, 6]), (13, [1, 12]), (60, [3, 57])])
def test_epochs_that_were_asked_for(count: int, shared: list[int], budget: float | None) -> None:
    recipe = _advised(_catalog(2), budget, epochs=count)
    assert [stage.epochs for stage in recipe.stages] == shared
    # Forty images, eight a step: so few steps go twice as fast, so many do not.
    assert recipe.optim.lr == (2e-3 if 5 * shared[-1] < 500 else 1e-3)


def test_two_classes_have_no_weights() -> None:
    assert len(_advised(_catalog(2), None).loss.settings["weights"]) == 0


def test_several_classes_are_not_trained_where_nothing_tells_them_apart() -> None:
    few, many = (_advised(_catalog(classes), 12.0) for classes in (2, 5))
    assert few.data.size < 128 <= many.data.size


def test_a_remedy_keeps_the_weights() -> None:
    recipe = _advised(_catalog(4), None)
    finding = Finding(rule="weak_overlap", severity="warn", message="", evidence={}, samples=())
    remedy = dice_focal(finding, recipe)
    assert remedy is not None
    changed = recipe.change(remedy.patch).resolve().loss.settings
    assert changed["gamma"] == 2.0
    assert changed["weights"] == recipe.loss.settings["weights"]
