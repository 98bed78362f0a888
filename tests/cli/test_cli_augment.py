"""The commands about augmentation: what they print, write and refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commands import call

sys.path.append(str(Path(__file__).parents[1] / "train"))
import tiny

from snellen.data.read import read
from snellen.improve import policy as searched
from snellen.prepare import Plan
from snellen.recipe import Recipe
from snellen.train.machine import Setting

STAGES = [{"name": "head", "unfreeze": "head", "epochs": 2, "lr_scale": 5.0}]


def test_expand_says_what_it_wrote(tmp_path: Path, photos) -> None:
    data = photos(tmp_path / "die Fotos 照片", each=8, side=48)
    done = call("expand", data, "--out", tmp_path / "out", "--times", "2", "--seed", "3", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    catalog = read([Path(told["files"][0])])
    assert len(catalog) == told["samples"] == 16 + told["copies"]
    again = call("expand", data, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "is not empty" in " ".join(again.output.split())
    wrong = call("expand", data, "--out", tmp_path / "other", "--set", "augment.part=[]")
    assert wrong.exit_code == 2
    assert "did you mean 'parts'" in " ".join(wrong.output.split())
    assert not (tmp_path / "other").exists()


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reading, measuring and advising would come to."""
    catalog, pixels = tiny.material(train=30, val=40)
    recipe = tiny.recipe({"stages": STAGES, "augment.mixup": 0.0, "optim.lr": 3e-2})
    monkeypatch.setattr("snellen.prepare.prepare", lambda *_, **__: Plan(catalog, pixels, Setting(), recipe, ()))
    monkeypatch.setattr(searched, "OPERATIONS", ("rotate", "solarize"))
    monkeypatch.setattr(searched, "MAGNITUDES", (6.0,))


def test_policy_writes_a_recipe(prepared, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    done = call("policy", tmp_path / "data", "--out", tmp_path / "case", "--images", "20")
    assert done.exit_code == 0, done.output
    assert "chosen: " in done.output
    assert "against nothing" in done.output
    recipe = Recipe.load(tmp_path / "case" / "policy.yaml").resolve()
    told = json.loads((tmp_path / "case" / "policy.json").read_text(encoding="utf-8"))
    assert [part.name for part in recipe.augment.parts] == [part["name"] for part in told["chosen"]["parts"]]
    assert set(told) >= {"operations", "policies", "chosen", "judged", "images", "validation", "files", "seconds"}
