"""The search for an augmentation policy: ranked on one half of validation, judged on the other, blind to test."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
import tiny

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.improve import policy
from snellen.improve.lab import Lab
from snellen.train.machine import Setting
from snellen.values import SnellenError

STAGES = [{"name": "head", "unfreeze": "head", "epochs": 2, "lr_scale": 5.0}]


def lab_of(folder: Path, *, val: int = 40) -> Lab:
    catalog, pixels = tiny.material(train=30, val=val)
    # Test samples without pixels: whoever reads them fails.
    hidden = [{"id": f"t{i}", "path": f"t{i}.png", "target": "red", "split": "test"} for i in range(5)]
    rows = catalog.table.select(["id", "content", "path", "target", "split"]).to_pylist()
    catalog = Catalog.of_rows([*rows, *hidden])
    return Lab(Case(folder), catalog, pixels, Setting(), folder / "cache", lambda event: None, lambda: False, None)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "OPERATIONS", ("rotate", "solarize", "brightness"))
    monkeypatch.setattr(policy, "MAGNITUDES", (6.0, 22.0))


def test_the_search_names_a_policy_and_judges_it_apart(few, tmp_path: Path) -> None:
    recipe = tiny.recipe({"stages": STAGES, "augment.mixup": 0.0, "optim.lr": 3e-2})
    found = policy.search(lab_of(tmp_path), recipe, images=24, confirm=2)
    names = [item["name"] for item in found["policies"]]
    assert {"none", "own", "trivialaugment", "randaugment"} <= set(names)
    effects = [item["effect"] for item in found["policies"]]
    assert effects == sorted(effects, reverse=True)
    assert {item["name"].split()[0] for item in found["operations"]} == {"rotate", "solarize", "brightness"}
    assert sum(found["validation"]) == 40
    assert min(found["validation"]) > 0
    assert set(found["judged"]) == {"against nothing", "against the recipe's own", "confirmed"}
    assert found["judged"]["against nothing"]["n"] == found["validation"][1]
    assert found["judged"]["confirmed"]["seeds"] == 2
    # What was chosen is a recipe's augmentation.
    assert recipe.change({"augment.parts": found["chosen"]["parts"]}).resolve().augment.parts is not None
    assert policy.search(lab_of(tmp_path), recipe, images=24)["chosen"] == found["chosen"]


def test_the_images_that_are_looked_at_hold_every_class(tmp_path: Path) -> None:
    catalog = lab_of(tmp_path).catalog
    some = policy._some(catalog, "train", 9)
    assert some.of("train").counts() == {"blue": 3, "green": 3, "red": 3}
    assert len(some.of("val")) == 40
    assert policy._some(catalog, "train", 10**6).ids == catalog.ids


def test_halves_do_not_depend_on_what_else_there_is() -> None:
    ids = [f"s{i}" for i in range(2000)]
    whole = policy._half(ids)
    assert np.array_equal(policy._half(ids[::3]), whole[::3])
    assert 0.45 < whole.mean() < 0.55


def test_too_few_validation_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="12 validation images cannot be halved"):
        policy.search(lab_of(tmp_path, val=12), tiny.recipe())
