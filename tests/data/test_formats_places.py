"""Which image an annotation is about, and which split a list gives it: names that are alike are not the same file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from files import HEIGHT, WIDTH, column, draw, write

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.data.exports import export
from snellen.data.read import read

XML = "<annotation><filename>{name}.jpg</filename><object><name>{label}</name>{box}</object></annotation>"
BOX = "<bndbox><xmin>{}</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"


def notes(catalog: Catalog) -> dict[str, list[str]]:
    """The examples by what was noted."""
    return {note["what"]: note["examples"] for note in catalog.about("notes")}


def coco(names: list[str], x: int = 3) -> str:
    """A COCO file with one box on every image, from `x` on."""
    images = [{"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT} for i, name in enumerate(names)]
    drawn = [{"id": i, "image_id": i, "category_id": 1, "bbox": [x, 2, 6, 6]} for i in range(len(names))]
    return json.dumps({"images": images, "annotations": drawn, "categories": [{"id": 1, "name": "cat"}]})


def coco_beside(folder: Path, x: int) -> None:
    write(folder / "_annotations.coco.json", coco(["a.jpg", "b.jpg"], x))


def voc_beside(folder: Path, x: int) -> None:
    for name in "ab":
        write(folder / f"{name}.xml", XML.format(name=name, label="cat", box=BOX.format(x + 1)))


def labelme_beside(folder: Path, x: int) -> None:
    for name in "ab":
        shape = {"label": "cat", "points": [[x, 2], [9, 8]], "shape_type": "rectangle"}
        write(folder / f"{name}.json", json.dumps({"version": "5.4.1", "shapes": [shape], "imagePath": f"{name}.jpg"}))


def two_folders(root: Path, names: tuple[str, str], annotate: Callable[[Path, int], None]) -> Path:
    """Two folders with images of the same names, each with its own annotations; boxes begin at 3 and at 4."""
    for number, folder in enumerate(names):
        for name in "ab":
            draw(root / folder / f"{name}.jpg", 10 * number + ord(name))
        annotate(root / folder, 3 + number)
    return root


@pytest.mark.parametrize("annotate", [coco_beside, voc_beside, labelme_beside])
@pytest.mark.parametrize(("names", "splits"), [(("train", "valid"), ("train", "val")), (("one", "two"), ("", ""))])
def test_a_missing_image_keeps_its_annotation(
    tmp_path: Path, names: tuple[str, str], splits: tuple[str, str], annotate: Callable[[Path, int], None]
) -> None:
    two_folders(tmp_path, names, annotate)
    (tmp_path / names[0] / "a.jpg").unlink()
    catalog = read([tmp_path])
    assert column(catalog, "path") == [f"{folder}/{name}.jpg" for folder in names for name in "ab"]
    assert column(catalog, "split") == [split for split in splits for _ in "ab"]
    assert column(catalog, "verdict") == ["missing", "ok", "ok", "ok"]
    objects = Objects.of(catalog)
    assert (objects.row.tolist(), objects.box[:, 0].tolist()) == ([0, 1, 2, 3], [3, 3, 4, 4])
    assert notes(catalog) == {"image_missing": [f"{names[0]}/a.jpg"]}


@pytest.mark.parametrize("annotate", [coco_beside, voc_beside, labelme_beside])
def test_images_of_a_split_that_is_gone_are_not_those_of_another(
    tmp_path: Path, annotate: Callable[[Path, int], None]
) -> None:
    two_folders(tmp_path, ("train", "valid"), annotate)
    for name in "ab":
        (tmp_path / f"train/{name}.jpg").unlink()
    catalog = read([tmp_path])
    assert sorted(column(catalog, "verdict")) == ["missing", "missing", "ok", "ok"]
    there = catalog.usable()
    assert (column(there, "path"), column(there, "split")) == (["valid/a.jpg", "valid/b.jpg"], ["val", "val"])
    assert Objects.of(there).box[:, 0].tolist() == [4, 4]
    assert len(notes(catalog)["image_missing"]) == 2


def test_a_second_annotator_may_call_the_images_by_their_names_alone(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        draw(tmp_path / f"images/{name}.jpg", number)
    write(tmp_path / "annotations.json", coco(["images/a.jpg", "images/b.jpg"]))
    write(tmp_path / "annotator_B/instances.json", coco(["a.jpg", "b.jpg"], 5))
    catalog = read([tmp_path])
    assert column(catalog, "verdict") == ["ok", "ok"]
    assert Objects.of(catalog).box[:, 0].tolist() == [3, 3]
    assert notes(catalog) == {"file_ignored": ["annotator_B/instances.json"]}


def test_voc_lists_name_files_with_blanks_and_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("IMG 001", "IMG 002", "c", "d")):
        draw(tmp_path / f"JPEGImages/{name}.jpg", number)
        write(tmp_path / f"Annotations/{name}.xml", XML.format(name=name, label="cat", box=BOX.format(4)))
    write(tmp_path / "ImageSets/Main/train.txt", "IMG 001\nnot there 1\n")
    write(tmp_path / "ImageSets/Main/test.txt", "IMG 002 \nnot there 2\n")
    write(tmp_path / "ImageSets/Main/val.txt", "c  1\nJPEGImages\\d.jpg\n")
    catalog = read([tmp_path])
    assert column(catalog, "split") == ["train", "test", "val", "val"]
    assert notes(catalog) == {}


@pytest.mark.parametrize("place", ["images", "JPEGImages/images"])
def test_an_export_to_voc_is_read_with_its_splits(tmp_path: Path, place: str) -> None:
    for number, name in enumerate("ab"):
        draw(tmp_path / f"data/images/{name}.jpg", number)
    write(tmp_path / "data/annotations/all.json", coco(["a.jpg", "b.jpg"]))
    sized = {"split": ["train", "val"], "width": [WIDTH] * 2, "height": [HEIGHT] * 2}
    export(read([tmp_path / "data"]).with_columns(sized), tmp_path / "out", to="voc")
    shutil.copytree(tmp_path / "data/images", tmp_path / "out" / place)
    again = read([tmp_path / "out"])
    assert (again.about("format"), column(again, "split")) == ("Pascal VOC XML", ["train", "val"])
    assert Objects.of(again).box.tolist() == [[3, 2, 9, 8]] * 2
    assert notes(again) == {}


def test_yolo_lists_of_absolute_and_windows_paths(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        draw(tmp_path / f"images/{name}.jpg", number)
        write(tmp_path / f"labels/{name}.txt", "0 0.5 0.5 0.2 0.4\n")
    write(tmp_path / "data.yaml", "train: train.txt\nval: val.txt\nnames: [cat]\n")
    # An image that another list names at its place is not what a name alone means.
    write(tmp_path / "train.txt", f"{tmp_path / 'images/a.jpg'}\nold/b.jpg\n")
    write(tmp_path / "val.txt", "images\\b.jpg\nD:\\set\\images\\c.jpg\n/elsewhere/gone.jpg\n")
    catalog = read([tmp_path])
    assert (catalog.about("format"), column(catalog, "split")) == ("YOLO", ["train", "val", "val"])
    assert notes(catalog) == {
        "image_missing": ["train.txt: old/b.jpg", "val.txt: /elsewhere/gone.jpg"],
        "image_moved": ["val.txt: D:\\set\\images\\c.jpg"],
    }


def test_voc_files_in_the_encoding_that_they_state(tmp_path: Path) -> None:
    head = '<?xml version="1.0" encoding="gb2312"?>\n'
    # The third states an encoding that it does not have.
    for name, label, encoding in (("a", "cat", "ascii"), ("b", "猫", "gbk"), ("c", "狗", "utf-8")):
        draw(tmp_path / f"{name}.jpg", ord(name))
        write(tmp_path / f"{name}.xml", (head + XML.format(name=name, label=label, box=BOX.format(4))).encode(encoding))
    catalog = read([tmp_path])
    assert catalog.about("classes") == ["cat", "狗", "猫"]
    assert column(catalog, "verdict") == ["ok"] * 3
    assert notes(catalog) == {}
    text = head + XML.format(name="b", label="@", box=BOX.format(4))
    write(tmp_path / "b.xml", text.encode().replace(b"@", b"\xff\xff"))
    assert set(notes(read([tmp_path]))) == {"name_not_utf8"}
