"""A model is scored on data of another origin: whether the score holds, how far the images are, what their statistics bring."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from snellen import verbs
from snellen.inference import loaded_of
from snellen.ship.adapted import adapted
from snellen.ship.shift import proxy_distance
from snellen.validation import _exported, _opened
from snellen.values import SnellenError

SMALL = {
    "data.size": 32, "data.eval_size": 32, "model.name": "test_efficientnet", "model.weights": "none", "train.threads": 1,
    "stages": [{"name": "all", "unfreeze": "all", "epochs": 6}], "optim.lr": 5e-3, "augment.parts": [], "train.ema": 0.9,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Callable[..., Path]) -> Path:
    """A case that tells three colours apart."""
    folder = tmp_path_factory.mktemp("验证 validate")
    verbs.train(photos(folder / "data", each=40, classes=("blue", "green", "red")), out=folder / "case", changes=SMALL)
    return folder / "case"


def changed(folder: Path, out: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    for path in sorted(folder.rglob("*.png")):
        (out / path.parent.name).mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(float)
        Image.fromarray(np.clip(change(pixels), 0, 255).astype(np.uint8)).save(out / path.parent.name / path.name)
    return out


def test_the_score_holds_on_images_alike(trained: Path, tmp_path: Path, photos: Callable[..., Path]) -> None:
    other = photos(tmp_path / "other", each=25, classes=("blue", "green", "red"))
    (other / "yellow").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64), (210, 200, 40 + number)).save(other / "yellow" / f"{number}.png")
    told = verbs.validate(trained, other, out=tmp_path / "out")
    assert told["samples"] == 75
    assert sum(told["left_out"].values()) == 3
    assert told["holds"]
    assert told["change"]["low"] <= told["change"]["effect"] <= told["change"]["high"]
    value = told["own"]["value"] + told["change"]["effect"]
    assert value == pytest.approx(told["scores"]["accuracy"]["value"])
    assert json.loads((tmp_path / "out" / "validation.json").read_text(encoding="utf-8"))["samples"] == 75


def test_another_origin_is_seen_and_adapting_is_proved(
    trained: Path, tmp_path: Path, photos: Callable[..., Path]
) -> None:
    plain = photos(tmp_path / "plain", each=30, classes=("blue", "green", "red"))
    # A camera that adds light and halves the contrast.
    other = changed(plain, tmp_path / "other", lambda pixels: 0.35 * pixels + 150)
    told = verbs.validate(trained, other, out=tmp_path / "out")
    assert told["shift"]["statistics"]["low"] > told["shift"]["limit"]
    assert told["adapted"]["n"] == 90
    assert told["adapted"]["low"] <= told["adapted"]["effect"] <= told["adapted"]["high"]
    helped = told["adapted"]["low"] > 0
    assert helped == told["advice"].startswith("adapt") == (tmp_path / "out" / "adapted.onnx").is_file()
    if helped:
        about = {item.key: item.value for item in onnx.load(str(tmp_path / "out" / "adapted.onnx")).metadata_props}
        assert about["adapted"] == "true"
    assert told["holds"] or told["advice"].startswith(("adapt", "retrain"))


def test_an_adapted_model_is_exported_and_compared(trained: Path, tmp_path: Path, photos: Callable[..., Path]) -> None:
    loaded = loaded_of(trained)
    catalog, pixels, _ = _opened(
        loaded, [photos(tmp_path / "plain", each=12, classes=("blue", "red"))], lambda event: None
    )
    path = _exported(adapted(loaded, catalog, pixels), catalog, pixels, tmp_path / "adapted.onnx")
    assert onnx.load(str(path)).graph.output[0].name == "probabilities"
    strict = replace(loaded, recipe=loaded.recipe.change({"gates.parity": 1e-12}))
    with pytest.raises(SnellenError, match="differs from the adapted model"):
        _exported(strict, catalog, pixels, tmp_path / "strict.onnx")
    assert not (tmp_path / "strict.onnx").exists()


def test_too_few_images_are_refused(trained: Path, tmp_path: Path, photos: Callable[..., Path]) -> None:
    with pytest.raises(SnellenError, match="20 are needed"):
        verbs.validate(trained, photos(tmp_path / "few", each=5, classes=("blue", "red")), out=tmp_path / "out")


def test_distances() -> None:
    chance = np.random.default_rng(0)
    one, other = chance.normal(size=(200, 6)), chance.normal(size=(150, 6))
    same, apart = proxy_distance(one, other), proxy_distance(one, other + 4)
    assert same is not None
    assert apart is not None
    assert same["distance"] < 0.4
    assert same["n"] == 300
    assert apart["distance"] > 1.9
    assert apart["low"] <= apart["distance"] <= apart["high"]
    assert proxy_distance(one[:10], other) is None
