"""The whole path on a handful of photographs without labels: degraded on the fly, restored, compared, shipped, told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from PIL import Image

from snellen import verbs
from snellen.run import Run
from snellen.values import SnellenError

TINY = {
    "super_resolution": {"model.settings": {"channels": 8, "blocks": 4}},
    "denoising": {"model.settings": {"channels": 8, "levels": 1, "blocks": 1}},
}


@pytest.fixture(scope="module")
def photos_alone(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of photographs of two sizes, in split folders below one with a name in Chinese; no labels anywhere."""
    folder = tmp_path_factory.mktemp("data") / "照片 photos"
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        (folder / split).mkdir(parents=True)
        files = sorted((shared("photos_sr") / "HR" / split).glob("*.png"))
        for place, file in enumerate(files[:count]):
            side = (100, 100, 196 - 20 * (place % 2), 180)
            Image.open(file).crop(side).save(folder / split / file.name)
    return folder


@pytest.mark.parametrize("task", TINY)
def test_the_whole_path(task: str, photos_alone: Path, tmp_path: Path) -> None:
    before = sorted(path for path in photos_alone.rglob("*"))
    changes: dict[str, Any] = {"task": task, "data.size": 24, "train.threads": 1, **TINY[task]}
    answer = verbs.run(photos_alone, out=tmp_path / "case", epochs=2, heal=False, changes=changes)
    assert answer["task"] == task
    assert {"psnr", "ssim", "feature_distance", "psnr_gain"} <= set(answer["test"])
    assert answer["test"]["psnr_gain"]["n"] == 3
    assert [gate["passed"] for gate in answer["gates"] if gate["name"] == "parity_onnx"] == [True]
    assert sorted(path for path in photos_alone.rglob("*")) == before
    plan = json.loads((tmp_path / "case" / "plan.json").read_text(encoding="utf-8"))
    assert (plan["recipe"]["degrade"]["baseline"] is None) == (task == "super_resolution")
    session = onnxruntime.InferenceSession(answer["artifacts"][0]["path"])
    assert [node.name for node in session.get_outputs()] == ["restored"]
    assert session.get_inputs()[0].shape[1] == 3
    text = (tmp_path / "case" / "report.html").read_text(encoding="utf-8")
    assert text.count("data-compare>") == 3
    told = verbs.predict(tmp_path / "case", photos_alone / "test", out=tmp_path / "restored")
    assert told["samples"] == 3
    scale = 2 if task == "super_resolution" else 1
    for path in (photos_alone / "test").iterdir():
        with (
            Image.open(tmp_path / "restored" / "pictures" / "test" / f"{path.name}.png") as made,
            Image.open(path) as given,
        ):
            assert made.size == (scale * given.width, scale * given.height)
    (folder,) = (tmp_path / "case" / "runs").iterdir()
    assert {finding.rule for finding in Run.open(folder).findings if not finding.looked} == set()


def test_images_alone_do_not_say_what_for(photos_alone: Path, tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="--task super-resolution"):
        verbs.run(photos_alone / "train", out=tmp_path / "case")
