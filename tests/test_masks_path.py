"""The whole path on a handful of real images with masks: the task is told by the data, and nothing else has to be said."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from snellen import opening, verbs
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.opening import Settings, for_data
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.survey import trainable_catalog
from snellen.values import SnellenError

TINY = {
    "model.name": "test_efficientnet", "model.weights": "none", "model.dropout": 0.1,
    "model.decoder": {"name": "unet", "settings": {"channels": [16, 16, 8, 8, 8]}},
    "data.size": 64, "data.eval_size": 64, "train.threads": 1, "improve.remedies": 1,
}  # fmt: skip


def _stamps(source: Path, folder: Path) -> Path:
    for split, count in (("train", 10), ("val", 4), ("test", 4)):
        for image in sorted((source / "images" / split).glob("*.jpg"))[:count]:
            for kind, name in (("images", image.name), ("masks", f"{image.stem}.png")):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
                shutil.copy(source / kind / split / name, folder / kind / split / name)
    shutil.copy(source / "classes.json", folder / "classes.json")
    return folder


@pytest.fixture(scope="module")
def answer(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("印章 stamps")
    data = _stamps(shared("stamps_seg"), folder / "data")
    before = sorted(path for path in data.rglob("*"))
    told = verbs.run(data, out=folder / "case", changes=TINY, epochs=2, heal=False)
    assert sorted(path for path in data.rglob("*")) == before, "something was written into the user's folder"
    return told


def test_the_task_is_told_by_the_data(answer: dict[str, Any]) -> None:
    assert answer["task"] == "segmentation"
    assert {"miou", "dice", "boundary_f", "image_iou", "pixel_accuracy", "log_loss"} <= set(answer["test"])
    assert any(name.startswith("iou_") for name in answer["test"])
    assert answer["test"]["miou"]["n"] == 4
    json.dumps(answer, allow_nan=False)


def test_it_ships(answer: dict[str, Any]) -> None:
    (artifact,) = answer["artifacts"]
    assert artifact["parity"] < 1e-3
    assert Path(artifact["path"]).is_file()
    assert {gate["name"] for gate in answer["gates"]} >= {"score_miou", "parity_onnx"}


def test_the_report_shows_masks(answer: dict[str, Any]) -> None:
    text = Path(answer["report"]).read_text(encoding="utf-8")
    assert 'id="overlap"' in text
    assert 'id="overlays"' in text
    assert 'id="gradcam"' not in text
    assert text.count("data:image/jpeg") >= 4
    case = Path(answer["run"])
    assert len(list((case / "overlays").glob("*.jpg"))) == 4
    zh = verbs.report(case, lang="zh", out=case / "zh.html").read_text(encoding="utf-8")
    assert "掩码" in zh


def test_new_photos_get_masks_of_their_own_size(answer: dict[str, Any], tmp_path: Path) -> None:
    case = Case(Path(answer["run"]))
    file = next(
        path for path, split in zip(case.catalog.paths(), case.catalog.column("split"), strict=True) if split == "test"
    )
    with Image.open(file) as opened:
        photo = opened.convert("RGB")
    (tmp_path / "新 new").mkdir()
    for name, image in (("one", photo), ("tall", photo.resize((photo.width // 4, photo.height)))):
        image.save(tmp_path / "新 new" / f"{name}.png")
    told = verbs.predict(case.folder, tmp_path / "新 new", out=tmp_path / "out")
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8-sig", newline="") as table:
        rows = {Path(row["path"]).stem: row for row in csv.DictReader(table)}
    classes = Run.open(next((case.folder / "runs").iterdir())).predictions("val").classes
    for name, width in (("one", photo.width), ("tall", photo.width // 4)):
        with Image.open(tmp_path / "out" / rows[name]["picture"]) as mask:
            assert (mask.mode, mask.size) == ("P", (width, photo.height))
            numbers = np.asarray(mask)
        assert numbers.max() < len(classes)
        shares = [float(rows[name][f"share({label})"]) for label in classes]
        assert shares == pytest.approx([(numbers == number).mean() for number in range(len(classes))], abs=1e-6)
    assert told["samples"] == 2


def test_the_run_says_what_it_did(answer: dict[str, Any]) -> None:
    case = Path(answer["run"])
    (folder,) = (case / "runs").iterdir()
    run = Run.open(folder)
    assert run.recipe.metric == "miou"
    assert run.recipe.loss.name == "dice_focal"
    assert not {"weak_class", "weak_condition"} & {finding.rule for finding in verbs.diagnose(folder)}
    assert {"overlap", "loss", "gradient"} <= {item["meter"] for item in run.journal.read()}
    assert "recall" not in {item["meter"] for item in run.journal.read()}
    plan = json.loads((case / "plan.json").read_text(encoding="utf-8"))
    assert all(choice["reason"] and choice["reason_zh"] for choice in plan["choices"])


def _catalog(task: str) -> Catalog:
    return Catalog.of_rows([{"id": "s0"}]).with_about({"task": task, "format": "masks"})


def test_defaults_of_the_task_give_way_to_the_users(tmp_path: Path) -> None:
    given: dict[str, Any] = {"loss.name": "dice", "loss.settings": {}, "model": {"name": "resnet18"}}
    wanted, own = Settings((tmp_path,), changes=given).wanted()
    recipe = for_data(wanted, own, _catalog("segmentation"), tmp_path)
    assert (recipe.task, recipe.metric, recipe.loss.name, recipe.model.name) == (
        "segmentation",
        "miou",
        "dice",
        "resnet18",
    )
    assert recipe.model.decoder is not None
    assert recipe.model.decoder.name == "unet"
    plain = for_data(*Settings((tmp_path,)).wanted(), _catalog("classification"), tmp_path)
    assert plain == Recipe()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="annotated for keypoints"):
        for_data(*Settings((tmp_path,)).wanted(), _catalog("keypoints"), tmp_path)
    with pytest.raises(SnellenError, match="annotated for segmentation"):
        for_data(
            *Settings((tmp_path,), changes={"task": "classification"}).wanted(), _catalog("segmentation"), tmp_path
        )
    with pytest.raises(SnellenError, match="metric 'recall_macro' has no score per sample"):
        for_data(
            *Settings((tmp_path,), changes={"metric": "recall_macro"}).wanted(), _catalog("segmentation"), tmp_path
        )
    with pytest.raises(SnellenError, match="metric 'accuracy' has no score per sample"):
        Settings((tmp_path,), changes={"task": "segmentation", "metric": "accuracy"}).wanted()
    assert opening.with_defaults(Recipe().change({"task": "segmentation"}), {}).train.batch == 8


def test_masks_beside_boxes_are_what_is_trained(shared: Callable[[str], Path]) -> None:
    """The nuclei have boxes and masks, and nothing here trains boxes."""
    told: list[Mapping[str, Any]] = []
    settings = Settings((shared("nuclei_dsb2018"),))
    wanted, given = settings.wanted()
    assert trainable_catalog(settings, wanted, given, told.append).task == "segmentation"
    assert "detection" in str(told[-1])
    boxes = Settings((shared("bccd"),))
    assert trainable_catalog(boxes, wanted, given, told.append).task == "detection"
