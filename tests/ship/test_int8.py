"""Eight bits: a smaller file that says nearly the same, and is judged by what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

sys.path.append(str(Path(__file__).parents[1] / "train"))
import tiny

from snellen.run import Run
from snellen.ship import int8 as module
from snellen.ship.export import to_onnx
from snellen.ship.int8 import int8
from snellen.ship.loaded import Loaded, load
from snellen.train.job import normal_of
from snellen.train.loop import train
from snellen.train.machine import Setting
from snellen.values import SnellenError


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Loaded, Path, np.ndarray]:
    """A small trained classifier, its file, and training images as the file takes them."""
    folder = tmp_path_factory.mktemp("八位 int8")
    catalog, pixels = tiny.material(train=60, val=40)
    stages = [{"name": "all", "unfreeze": "all", "epochs": 6}]
    recipe = tiny.recipe({"stages": stages, "augment.mixup": 0.0, "optim.lr": 5e-3})
    run = train(recipe, catalog, pixels, folder / "run", setting=Setting(), cache=folder / "cache")
    loaded = load(Run.open(run.folder))
    mean, std = normal_of(loaded.model)
    about = {"model": "tiny", "recipe": recipe.id}
    path = to_onnx(
        loaded.model,
        size=loaded.size,
        classes=loaded.classes,
        mean=mean,
        std=std,
        path=folder / "model.onnx",
        about=about,
    )
    return loaded, path, loaded.images(catalog.of("train"), pixels)


def samples_of(loaded: Loaded) -> object:
    catalog, pixels = tiny.material(train=60, val=40)
    return loaded.samples(catalog.of("val"), pixels)


def test_what_it_costs_is_measured(shipped: tuple[Loaded, Path, np.ndarray]) -> None:
    loaded, path, images = shipped
    told = int8(loaded, path, images, samples_of(loaded), seconds=0.1)
    assert told["path"] == "model.int8.onnx"
    made = onnx.load(str(path.with_name(told["path"])))
    assert any(node.op_type == "QuantizeLinear" for node in made.graph.node)
    assert {item.key: item.value for item in made.metadata_props} == {
        item.key: item.value for item in onnx.load(str(path)).metadata_props
    }
    assert told["n"] == 40
    assert told["low"] <= told["effect"] <= told["high"]
    assert told["effect"] == pytest.approx(told["after"] - told["before"])
    assert 0 <= told["agreement"] <= 1
    assert told["latency_ms"]["n"] > 0
    json.dumps(told, allow_nan=False)


def test_before_is_what_the_run_says_of_its_validation(shipped: tuple[Loaded, Path, np.ndarray]) -> None:
    loaded, path, _ = shipped
    rows = module._answers(loaded, samples_of(loaded), path)
    kept = loaded.run.predictions("val")
    assert rows.ids == kept.ids
    assert np.allclose(rows.probabilities, kept.probabilities, atol=1e-4)


def test_images_are_not_made_in_eight_bits(
    shipped: tuple[Loaded, Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, path, images = shipped
    monkeypatch.setattr(type(loaded.task), "free", True, raising=False)
    with pytest.raises(SnellenError, match="seen as noise"):
        int8(loaded, path, images, samples_of(loaded))


def test_what_cannot_be_quantised_is_said(shipped: tuple[Loaded, Path, np.ndarray], tmp_path: Path) -> None:
    loaded, _, images = shipped
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(SnellenError, match="cannot quantise"):
        int8(loaded, tmp_path / "model.onnx", images, samples_of(loaded))
    assert not (tmp_path / "model.int8.onnx").exists()
