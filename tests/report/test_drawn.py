"""What a finding says of objects and masks is seen on the cut-outs of the report."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from snellen.annotations import objects_column
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.report.drawn import GIVEN, SIDE, SUGGESTED, drawings
from snellen.report.page import render
from snellen.values import Finding

WIDTH, HEIGHT = 400, 300
BOX = {"key": "7", "label": "cat", "box": [100.0, 100.0, 160.0, 150.0]}


def grey(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (128, 128, 128)).save(path)
    return path


def catalog_of(folder: Path, objects: list[dict[str, Any]], **more: str) -> Catalog:
    grey(folder / "图 a.png")
    row = {"id": "s0", "path": "图 a.png", "root": str(folder), "split": "train", **more}
    return Catalog.of_rows([row]).with_columns({"objects": objects_column([objects])}).with_about({"task": "detection"})


def shown(catalog: Catalog, *entries: dict[str, Any]) -> list[np.ndarray]:
    listed = [{"sample": "s0", "key": "7", "what": "shifted", **entry} for entry in entries]
    finding = Finding(rule="shifted_boxes", severity="warn", message="m", evidence={"objects": listed})
    return [picture(item["src"]) for item in drawings(catalog, {"s0": 0}, finding, most=8)]


def picture(src: str) -> np.ndarray:
    data = base64.b64decode(src.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where the colour is, as rows and columns [n, 2]."""
    return np.argwhere(np.abs(pixels - np.asarray(colour)).max(axis=2) < 60)


def test_the_object_fills_half_of_its_cut_out_and_the_suggestion_is_dashed(tmp_path: Path) -> None:
    (pixels,) = shown(catalog_of(tmp_path, [BOX]), {"box": [110.0, 105.0, 170.0, 155.0]})
    assert max(pixels.shape[:2]) == SIDE
    given, suggested = near(pixels, GIVEN), near(pixels, SUGGESTED)
    reach = np.ptp(given[:, 1])
    assert 0.3 * SIDE < reach < 0.7 * SIDE
    # Half of the dashed outline is there.
    around = 2 * (np.ptp(suggested[:, 0]) + np.ptp(suggested[:, 1]))
    assert 0.2 < len(suggested) / 3 / around < 0.8


def test_a_box_beyond_the_image_is_seen_beyond_it(tmp_path: Path) -> None:
    (pixels,) = shown(catalog_of(tmp_path, [{**BOX, "box": [360.0, 100.0, 430.0, 150.0]}]), {})
    black = np.argwhere(pixels.max(axis=2) < 30)
    assert len(black)
    assert near(pixels, GIVEN)[:, 1].max() > black[:, 1].min()


def test_outlines_points_and_objects_without_a_box(tmp_path: Path) -> None:
    points = {"key": "7", "label": "cat", "keypoints": [50, 60, 2, float("nan"), 3, 2, 90, 95, 1, 5, 5, 0]}
    line = {"key": "8", "label": "cat", "polygons": [[10, 10, 60, 10, 60, 60, 10, 60]]}
    first, second, third = shown(catalog_of(tmp_path, [points, line]), {}, {"key": "8"}, {"key": "nobody"})
    assert len(near(first, GIVEN)) > 50
    assert len(near(second, GIVEN)) > 200
    assert third.shape[:2] == (216, SIDE)
    assert not len(near(third, GIVEN))


def test_the_mask_is_laid_over_its_image(tmp_path: Path) -> None:
    values = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    values[100:200, 100:200] = 3
    Image.fromarray(values).save(tmp_path / "mask.png")
    (pixels,) = shown(catalog_of(tmp_path, [], mask="mask.png"), {"key": ""})
    changed = np.abs(pixels - 128).max(axis=2) > 15
    assert changed[130, 110]
    assert not changed[20, 20]
    assert changed.mean() == pytest.approx(100 * 100 / (WIDTH * HEIGHT), abs=0.02)


def test_what_cannot_be_shown_is_left_out(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, [BOX])
    assert shown(catalog, {"sample": "unknown"}) == []
    (tmp_path / "图 a.png").write_text("no image")
    assert shown(catalog, {}) == []
    assert shown(catalog_of(tmp_path, [BOX], verdict="too large"), {}) == []
    broken = {**BOX, "box": [float("nan")] * 4, "polygons": [[1.0, 2.0], [1.0, float("nan"), 3.0, 4.0]], "rle": "3 4 x"}
    assert len(shown(catalog_of(tmp_path, [broken]), {"box": ["x", 1, 2, 3]}, {"box": [3.0, 3.0, 3.0, 3.0]})) == 2


def test_the_page_shows_them_with_what_was_seen(tmp_path: Path) -> None:
    case = Case(tmp_path / "case")
    catalog_of(tmp_path, [BOX]).save(case.folder / "catalog.parquet")
    entry = {"sample": "s0", "key": "7", "what": "<b>moved</b>", "box": [110.0, 105.0, 170.0, 155.0]}
    found = Finding(rule="shifted_boxes", severity="warn", message="m", evidence={"objects": [entry]}, samples=("s0",))
    case.write_audit((found,))
    text = render(case)
    assert "&lt;b&gt;moved&lt;/b&gt;" in text
    assert "as it is suggested" in text
    assert text.count('class="thumbs drawn"') == 1
