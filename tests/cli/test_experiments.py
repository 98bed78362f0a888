"""The commands that answer one question by an experiment: their answers, pages, exit codes and refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import call
from typer.testing import Result

from snellen.recipe import Recipe
from snellen.report.experiment import KINDS, render
from snellen.report.words import Words

pytestmark = pytest.mark.usefixtures("probed")

STAGES = "stages=[{name: head, unfreeze: head, epochs: 2, lr_scale: 5.0}, {name: all, unfreeze: all, epochs: 1}]"
FAST = (
    "--set", "data.size=64", "--set", "data.eval_size=64", "--set", "model.name=test_efficientnet", "--set", "model.weights=none",
    "--set", "train.batch=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, photos: Callable[..., Path]) -> Path:
    return photos(tmp_path_factory.mktemp("small set") / "照片 few", each=16, classes=("blue", "red", "green"), side=64)


def answered(done: Result, folder: Path, kind: str, *, code: int = 0) -> dict[str, Any]:
    assert done.exit_code == code, done.output
    assert len(done.stdout.strip().splitlines()) == 1
    found = json.loads(done.stdout)
    assert found["experiment"] == kind
    assert Path(found["report"]) == folder / f"{kind}.html"
    stored = json.loads((folder / f"{kind}.json").read_text())
    assert {key: value for key, value in found.items() if key != "report"} == stored
    page = (folder / f"{kind}.html").read_text()
    assert "Content-Security-Policy" in page
    assert "照片 few" in page
    return dict(found)


def test_lr_range(few: Path) -> None:
    done = call("lr-range", few, *FAST, "--set", STAGES, "--out", "case", "--json", "--steps", "40", "--low", "1e-5")
    found = answered(done, Path("case"), "lr-range", code=0 if json.loads(done.stdout)["set"] else 1)
    assert found["stage"] == "all"
    assert 1 <= len(found["rates"]) == len(found["losses"]) <= 40
    assert found["set"] == ({} if found["suggested"] is None else {"optim.lr": float(f"{found['suggested']:.2g}")})
    # The head was trained before the rate of all layers was looked for, and nothing else was.
    assert len(list(Path("case/runs").iterdir())) == 1
    told = call("lr-range", few, *FAST, "--set", STAGES, "--out", "case2", "--stage", "head", "--high", "30")
    assert told.exit_code == (0 if "--set optim.lr=" in told.stdout else 1)
    assert "stage head" in told.stdout


def test_compare_optimizers(few: Path) -> None:
    words = (
        "compare-optimizers",
        few,
        *FAST,
        "--optimizers",
        "adamw:1e-3,sgd:1e-7:0,lars",
        "--epochs",
        "2",
        "--seeds",
        "2",
    )
    found = answered(call(*words, "--out", "case", "--json"), Path("case"), "compare-optimizers")
    assert [row["name"] for row in found["rows"]] == ["adamw:1e-3", "sgd:1e-7:0", "lars"]
    assert [row["lr"] for row in found["rows"]] == [1e-3, 1e-7, 1e-2]
    assert found["seeds"] == 2
    assert "effect" not in found["rows"][0]
    for row in found["rows"][1:]:
        assert row["low"] <= row["effect"] <= row["high"]
        assert row["decision"] in ("adopt", "reject", "undecided")
        assert row["reason"]
    assert all(len(curve) == 2 for row in found["rows"] for curve in row["curves"])
    ledger = Path("case/ledger.jsonl").read_text().strip().splitlines()
    assert len(ledger) == 2
    recipes = [Recipe.load(path) for path in Path("case/runs").glob("*/recipe.yaml")]
    assert {recipe.optim.name for recipe in recipes} == {"adamw", "sgd", "lars"}
    assert all([stage.unfreeze for stage in recipe.stages] == ["all"] for recipe in recipes)
    again = call(*words, "--out", "case", "--resume")
    assert again.exit_code == 0
    assert re.search(r"sgd:1e-7:0\s+\d\.\d{4}\s+[+-]", again.stdout)
    assert len(Path("case/ledger.jsonl").read_text().strip().splitlines()) == 2


def test_compare_models(few: Path) -> None:
    words = ("compare-models", few, *FAST, "--set", STAGES, "--models", "test_efficientnet,test_resnet", "--seeds", "1")
    found = answered(call(*words, "--out", "case", "--json"), Path("case"), "compare-models")
    assert [row["name"] for row in found["rows"]] == ["test_efficientnet", "test_resnet"]
    for row in found["rows"]:
        assert row["parameters"] > 1e4
        assert row["macs"] > 1e5
        assert row["latency_ms"] > 0
        assert row["weights"] in ("hub", "stored")
    # One seed is no proof.
    assert found["rows"][1]["decision"] != "adopt"


def test_ablate(few: Path) -> None:
    words = (
        "ablate",
        few,
        *FAST,
        "--set",
        STAGES,
        "--techniques",
        "label-smoothing,cutmix",
        "--epochs",
        "2",
        "--seeds",
        "1",
    )
    found = answered(call(*words, "--out", "case", "--json"), Path("case"), "ablate")
    told = [(row["name"], row["kind"]) for row in found["rows"]]
    assert told == [
        ("without", "ladder"),
        ("label-smoothing", "ladder"),
        ("cutmix", "ladder"),
        ("label-smoothing", "left out"),
    ]
    assert all(row["low"] <= row["effect"] <= row["high"] and row["source"] for row in found["rows"][1:])
    # One seed is no proof.
    assert all(row["decision"] != "adopt" for row in found["rows"][1:])
    again = call(*words, "--out", "case", "--resume")
    assert again.exit_code == 0, again.output
    assert "[SPEC D8; Yun et al. 2019, arXiv:1905.04899]" in again.stdout


def test_search(few: Path) -> None:
    words = ("search", few, *FAST, "--set", STAGES, "--candidates", "6", "--seeds", "2")
    found = answered(call(*words, "--out", "case", "--json"), Path("case"), "search")
    assert len(found["candidates"]) == 7
    best = Recipe.load(Path(found["recipe"]))
    assert [stage.name for stage in best.stages] == ["head", "all"]
    for key, value in found["patch"].items():
        assert best.change({key: value}) == best
    assert not Path("case/test_opened.json").exists()
    assert not Path("case/runs").exists()
    told = call(*words, "--out", "case2", "--lang", "zh")
    assert told.exit_code == 0
    assert "头部设置搜索" in Path("case2/search.html").read_text()


def test_search_over_whole_trainings(few: Path) -> None:
    words = ("search", few, *FAST, "--set", STAGES, "--over", "recipe", "--method", "grid", "--seeds", "1")
    ranges = ("--range", "optim.lr=1e-3,1e-2", "--range", "train.batch=8,16")
    found = answered(call(*words, *ranges, "--out", "case", "--json"), Path("case"), "search-recipe")
    assert [item["number"] for item in found["candidates"]] == [0, 1, 2, 3, 4]
    epochs = [item["epochs"] for item in found["candidates"]]
    assert epochs[0] == 3
    assert 1 <= sum(done == 3 for done in epochs[1:]) <= 2
    best = Recipe.load(Path(found["recipe"]))
    for key, value in found["patch"].items():
        assert best.change({key: value}) == best
    assert not Path("case/test_opened.json").exists()


def test_list_models_for_data(few: Path) -> None:
    done = call("list", "models", "--for", few, "--models", "test_efficientnet,test_vit", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["name"] for row in found["models"]] == ["test_efficientnet", "test_vit"]
    assert found["size"] == 64
    assert all(row["parameters"] and row["macs"] and row["forward"] and row["step"] for row in found["models"])
    told = call("list", "models", "--for", few, "--models", "test_efficientnet")
    assert "test_efficientnet" in told.stdout
    assert "FlopCounterMode" in " ".join(told.stdout.split())
    assert call("list", "losses", "--for", few).exit_code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("lr-range", "--stage", "heat"), r"no stage 'heat'; did you mean 'head'"),
        (("lr-range", "--low", "1", "--high", "0.1"), r"expected 0 < low < high"),
        (("compare-optimizers", "--optimizers", "adamv"), r"no optimizers part is named 'adamv'; did you mean"),
        (("compare-optimizers", "--optimizers", "sgd:fast,adam"), r"'sgd:fast' is not of the form NAME, NAME:LR"),
        (("compare-optimizers", "--optimizers", "adamw:1e-4"), r"needs two arms or more"),
        (("compare-optimizers", "--optimizers", "adamw:1e-4,adamw:0.0001"), r"are the same recipe"),
        (("compare-models", "--models", "resnet19,test_resnet"), r"nothing was trained:.*no model 'resnet19'"),
        (("ablate", "--techniques", "augment,cutmax"), r"no technique is named 'cutmax'; did you mean 'cutmix'"),
        (("ablate", "--techniques", "cutmix,arcface"), r"the margin belongs to one class"),
        (("search", "--set", "stages=[{name: all, unfreeze: all, epochs: 1}]"), r"no stage with unfreeze: head"),
        (("search", "--over", "receipt"), r"nothing to search over is named 'receipt'; did you mean 'recipe'"),
        (("search", "--over", "recipe", "--method", "gird"), r"'gird'; did you mean 'grid'"),
        (
            ("search", "--over", "recipe", "--method", "spread", "--range", "optim.lr=fast"),
            r"is not of the form KEY=LOW:HIGH",
        ),
        (("search", "--lang", "fr"), r"'fr' is not a language"),
        (("compare-models", "--budget", "soon"), r"--budget 'soon' is not a time"),
    ],
)
def test_refusals(words: tuple[str, ...], says: str, few: Path) -> None:
    done = call(words[0], few, *FAST, *words[1:])
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert re.search(says, " ".join(done.stderr.split())), done.stderr


def test_models_without_weights_are_told_before_anything_is_trained(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snellen.parts.models import timm_model as part

    def silent(name: str, settings: object) -> object:
        raise part.NoWeights(f"no pretrained weights for {name}: the model hub did not answer")

    monkeypatch.setattr(part, "_from_hub", silent)
    asked = ("--set", "data.size=64", "--set", "data.eval_size=64", "--set", "train.batch=8")
    done = call(
        "compare-models", few, *asked, "--models", "tf_efficientnet_lite0,resnet18,mobilenetv2_100", "--out", "case"
    )
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert "no pretrained weights for resnet18" in said
    assert "no pretrained weights for mobilenetv2_100" in said
    assert not Path("case/runs").exists()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_page_has_its_words(kind: str, lang: str) -> None:
    """Hostile names are shown, not run."""
    name = "<script>alert(1)</script>"
    row = {"name": name, "score": 0.5, "seconds": 3.0, "epochs_to": None, "curves": [[0.1, 0.5]]}
    ladder = {"kind": "ladder", "cost": None, "claim": name, "source": name}
    told = {
        "name": name, "seconds": 5.0, "metric": "accuracy", "seeds": 2, "samples": 90, "how": "whole trainings", "left": {name: name},
        "rows": [
            {**row, **ladder}, {**row, **ladder, "effect": 0.01, "low": -0.1, "high": 0.1, "decision": "adopt", "cost": 2.0},
            {**row, **ladder, "kind": "left out", "effect": 0.0, "low": -0.1, "high": 0.1, "decision": "undecided"},
        ],
    } if kind == "ablate" else {
        "name": name, "seconds": 5.0, "metric": "accuracy", "seeds": 2, "samples": 90, "best": name,
        "rows": [row, {**row, "effect": 0.01, "low": -0.1, "high": 0.1, "decision": "undecided", "reason": name}],
    } if kind.startswith("compare") else {
        "name": name, "seconds": 5.0, "stage": name, "steps": 3, "stopped": "blown up", "set": {}, "suggested": None,
        "rates": [1e-3, 1e-2, 1e-1], "losses": [1.0, 2.0, 9.0], "smoothed": [1.0, 2.0, 8.0],
    } if kind == "lr-range" else {
        "name": name, "seconds": 5.0, "metric": "accuracy", "seeds": 2,
        "candidates": [
            {"number": 0, "patch": {}, "epochs": 9, "score": 0.5, "mean": 0.5},
            {"number": 1, "patch": {"stages.head.lr_scale": 3.0}, "epochs": 1, "score": 0.1, "mean": None},
        ],
    }  # fmt: skip
    page = render(told, kind, Words.load(lang))
    assert "<script>alert" not in page
    assert ("&lt;script&gt;" in page) or kind == "lr-range"
