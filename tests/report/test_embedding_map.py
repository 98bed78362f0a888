"""The embedding map: what is drawn of a catalog, and how it behaves in a browser."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.report import embedding_map as drawn
from snellen.report import page
from snellen.report.embedding_map import embedding_map
from snellen.report.words import Words
from snellen.values import Finding

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def picture(shade: int) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (drawn.SIDE, drawn.SIDE), (shade, 80, 255 - shade)).save(sink, "JPEG")
    return sink.getvalue()


def mapped(catalog: Catalog) -> Catalog:
    """The catalog with what the measurement adds, a picture for every image but the first."""
    count, chance = len(catalog), np.random.default_rng(0)
    pictures = [None, *(picture(i % 256) for i in range(count - 1))]
    return catalog.with_columns(
        {
            "map_pca": chance.normal(0, 1, (count, 2)).astype(np.float32),
            "map_tsne": chance.normal(0, 30, (count, 2)).astype(np.float32),
            "map_picture": pa.array(pictures, type=pa.binary()),
            "suggested": [""] * (count - 1) + ["hat"],
            "label_quality": [0.9] * (count - 1) + [0.01],
        }
    )


def many(count: int, classes: int = 3) -> Catalog:
    rows = [
        {"id": f"s{i}", "path": f"{i}.jpg", "target": f"class {i % classes:02d}", "split": ("train", "val")[i % 5 == 0]}
        for i in range(count)
    ]
    return mapped(Catalog.of_rows(rows))


def data(catalog: Catalog, findings: tuple[Finding, ...] = ()) -> dict[str, Any]:
    made = embedding_map(catalog, findings, Words.load("en"))
    assert made is not None
    return made[0]["map"]


def test_points_groups_texts_and_pictures_belong_together() -> None:
    found = data(many(60), (Finding(rule="label_noise", severity="warn", message="1", samples=("s3", "s59")),))
    assert [item["name"] for item in found["places"]] == ["t-SNE", "PCA"]
    assert [item["name"] for item in found["colours"]] == ["Class", "Split", "Finding"]
    for item in found["colours"]:
        assert len(item["of"]) == len(found["text"]) == 60
        assert len(item["labels"]) == len(item["shades"]) == max(item["of"]) + 1
    kinds = found["colours"][2]
    assert kinds["labels"][0].startswith("none")
    assert [row for row, group in enumerate(kinds["of"]) if group] == [3, 59]
    assert found["text"][59] == "class 02<br>looks like hat<br>59.jpg"
    assert found["tiles"][0] == -1
    assert max(abs(value) for value in found["places"][0]["x"]) <= 1000
    json.dumps(found)


def test_a_large_set_is_sampled_with_what_was_found_in_it() -> None:
    catalog = many(drawn.MOST + 300)
    named = tuple(f"s{i}" for i in range(1900, 2250))
    finding = Finding(rule="label_noise", severity="warn", message="1", samples=named)
    made = embedding_map(catalog, (finding,), Words.load("en"))
    assert made is not None
    assert made[1] == 300
    texts = made[0]["map"]["text"]
    assert len(texts) == drawn.MOST
    assert {f"{i}.jpg" for i in range(1900, 2250)} <= {text.split("<br>")[-1] for text in texts}


def test_more_classes_than_colours_share_one() -> None:
    found = data(many(200, classes=40))["colours"][0]
    assert len(found["labels"]) == len(drawn.SHADES)
    assert found["labels"][0] == "29 others (145)"


def test_without_a_layout_there_is_no_map() -> None:
    assert embedding_map(many(60).drop_columns(["map_pca", "map_tsne"]), (), Words.load("en")) is None
    assert embedding_map(many(2), (), Words.load("en")) is None
    assert data(many(60).drop_columns(["map_picture"]))["sheet"] is None


@pytest.fixture
def case(maker: ModuleType, tmp_path: Path) -> Case:
    made = maker.make_audited(tmp_path)
    mapped(made.catalog).save(made.folder / "catalog.parquet")
    return made


def test_hostile_names_stay_text(case: Case, maker: ModuleType) -> None:
    text = page.render(case)
    assert 'data-figure="map"' in text
    assert all(name not in text for name in maker.HOSTILE if "<" in name)
    assert "图像分布图" in page.render(case, lang="zh") or "Map of the images" in page.render(case, lang="zh")


@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed")
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome is on the path")
def test_the_map_in_a_browser(case: Case, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        view = browser.new_page(viewport={"width": 1280, "height": 900})
        view.on("console", lambda message: wrong.append(message.text))
        view.on("pageerror", lambda error: wrong.append(str(error)))
        view.goto(page.write(case, out=tmp_path / "r.html").as_uri())
        plot = view.locator('[data-figure="map"]')
        plot.locator(".points path").first.wait_for(state="attached")
        usable = len(case.catalog.usable())
        assert plot.locator(".points path").count() == usable
        before = plot.locator(".points path").nth(5).bounding_box()
        view.get_by_role("button", name="PCA").click()
        assert plot.locator(".points path").nth(5).bounding_box() != before
        assert view.get_by_role("button", name="PCA").get_attribute("aria-pressed") == "true"
        view.get_by_role("button", name="Split").click()
        assert plot.locator(".legendtext").count() == 3
        plot.scroll_into_view_if_needed()
        for point in range(1, 12):
            place = plot.locator(".points path").nth(point).bounding_box()
            assert place is not None
            view.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
            view.wait_for_timeout(120)
            if view.locator(".peek").is_visible():
                break
        assert view.locator(".peek").is_visible()
        assert view.locator(".peek img").get_attribute("src").startswith("data:image/jpeg;base64,")
        browser.close()
    assert wrong == []
