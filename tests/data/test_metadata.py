"""metadata.csv: which image a line is about, and that a line without one is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from files import column
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.read import read
from snellen.report.words import Words
from snellen.shelf import CATALOG_RULES


def draw_all(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, format="PNG")


def notes(catalog: Catalog) -> dict[str, list[str]]:
    return {note["what"]: note["examples"] for note in catalog.about("notes")}


def test_paths_written_on_windows(tmp_path: Path) -> None:
    draw_all(tmp_path, "cat/001.png", "cat/a\\b.png", "dog/002.png")
    lines = ["cat\\001.png,patient7,test", "cat/a\\b.png,patient9,val", ".\\dog\\002.png,patient8,train"]
    (tmp_path / "metadata.csv").write_text("\n".join(["path,group,split", *lines]))
    catalog = read([tmp_path])
    assert column(catalog, "path") == ["cat/001.png", "cat/a\\b.png", "dog/002.png"]
    assert column(catalog, "group") == ["patient7", "patient9", "patient8"]
    assert column(catalog, "split") == ["test", "val", "train"]
    assert notes(catalog) == {}


def test_a_name_of_several_images_is_none_of_them(tmp_path: Path) -> None:
    names = ["cam1/0001.png", "cam1/0002.png", "cam2/0001.png"]
    draw_all(tmp_path, *names, "elsewhere/d.png", "elsewhere/e.png")
    images = [{"id": place, "file_name": name} for place, name in enumerate(names)]
    document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    # Images that are there and have no annotation are not what the note is about.
    lines = ["0001.png,test,g1", "0002.png,val,g2", "elsewhere/d.png,test,g3", "e.png,test,g4", "gone.png,test,g5"]
    (tmp_path / "metadata.csv").write_text("\n".join(["image,split,group", *lines]))
    catalog = read([tmp_path])
    assert column(catalog, "path") == names
    assert column(catalog, "split") == ["", "val", ""]
    assert column(catalog, "group") == ["", "g2", ""]
    assert notes(catalog) == {"folder_ignored": ["elsewhere: 2 images"], "metadata_unused": ["0001.png", "gone.png"]}


def test_lines_without_an_image_are_told_in_both_languages(tmp_path: Path) -> None:
    draw_all(tmp_path, "cat/1.png", "dog/2.png")
    lines = ["cat/1.png,train", "dog/1.png,test", "bird/7.png,test"]
    (tmp_path / "metadata.csv").write_text("\n".join(["path,split", *lines]))
    catalog = read([tmp_path])
    assert column(catalog, "split") == ["train", ""]
    (finding,) = CATALOG_RULES.pick("annotation_notes")(catalog)
    assert finding.severity == "warn"
    assert finding.message.startswith("Lines of metadata.csv name no image that is there")
    assert finding.message.endswith("Found 2 times, such as dog/1.png, bird/7.png.")
    assert "图像不存在" in Words.load("zh").finding(finding)
