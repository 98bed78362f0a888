"""Bad annotations are listed, not fatal: the reading goes on, and what cannot be used says why."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files import HEIGHT, WIDTH, draw, write
from PIL import Image

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.data import run_lengths
from snellen.data.read import ignored, read
from snellen.examine import audit
from snellen.values import SnellenError

NAN = float("nan")


def notes(catalog: Catalog) -> dict[str, Any]:
    """The examples by what was noted."""
    return {note["what"]: note["examples"] for note in catalog.about("notes")}


def problems(catalog: Catalog) -> list[str]:
    return list(Objects.of(catalog).problem)


def column(catalog: Catalog, name: str) -> list[Any]:
    return list(catalog.table.column(name).to_pylist())


def coco(folder: Path, objects: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    """A folder of one image with a COCO file."""
    draw(folder / "images/a.jpg", 1)
    data = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": i, "image_id": 1, "category_id": 1, **item} for i, item in enumerate(objects, 1)],
        "categories": [{"id": 1, "name": "cat"}],
    }
    write(folder / "annotations/train.json", {**data, **more})
    return folder


SOUND = {"bbox": [1, 1, 5, 5]}


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"segmentation": [[1, 1, 5, 5]]}, "polygon with two points"),
        ({"segmentation": [[1, 1, 5, 5, 5]], **SOUND}, "polygon with an odd number of values"),
        ({"segmentation": [[1, 1, 5, 5, NAN, 7]]}, "not a number"),
        ({"bbox": [1, NAN, 5, 5]}, "not a number"),
        ({"bbox": [1, "x", 5, 5]}, "not a number"),
        ({"bbox": [1, 1, float("inf"), 5]}, "not a number"),
        ({"bbox": [1, 1, 10**400, 5]}, "not a number"),
        ({"bbox": [1, 1, 0, 5]}, "zero area"),
        ({"bbox": [1, 1, -4, 5]}, "negative size"),
        ({"bbox": [1, 1, 5]}, "box of 3 numbers"),
        ({}, "no box and no outline"),
        ({**SOUND, "category_id": 7}, "unknown class"),
        ({"segmentation": {"size": [3, 4], "counts": [12]}, **SOUND}, "run lengths of another size"),
        ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [1, 2, 3]}, **SOUND}, "run lengths of another size"),
        ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": "\u0001"}, **SOUND}, "run lengths that cannot be read"),
        ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [-1, "x"]}, **SOUND}, "run lengths that cannot be read"),
        ({"segmentation": {"size": "big"}, **SOUND}, "outline of no known form"),
        ({"segmentation": [[1, 1, 5, 1, 5, 5], [2, 2, 3, 3]]}, ""),
        ({"bbox": [-5, -5, 100, 100]}, ""),  # Outside the image, but a box.
    ],
)
def test_an_object_that_cannot_be_used_stays_with_its_problem(tmp_path: Path, item: Any, problem: str) -> None:
    catalog = read([coco(tmp_path, [item, SOUND])])
    assert problems(catalog) == [problem, ""]
    assert Objects.of(catalog).key.tolist() == ["1", "2"]
    assert not problem or [found.evidence["verdicts"] for found in audit(catalog) if found.rule == "unusable_objects"]


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([1, 1, 2, NAN, 5, 2], "not a number"),
        ([1, 1, 2, NAN, 5, 0], ""),  # Of a point that is not labelled nothing is asked.
        ([1, 1, 2], "keypoints of another number"),
        ([1, 1, 2, 4, 5], "keypoints of another number"),
        ([1, 1, 2, 4, 5, 9], "unknown visibility"),
    ],
)
def test_keypoints(tmp_path: Path, points: Any, problem: str) -> None:
    people = [{"id": 1, "name": "mouse", "keypoints": ["nose", "tail"]}]
    catalog = read([coco(tmp_path, [{**SOUND, "keypoints": points}], categories=people)])
    assert (catalog.task, problems(catalog)) == ("keypoints", [problem])


def test_unknown_version_is_listed_beside_what_can_be_read(tmp_path: Path) -> None:
    coco(tmp_path, [SOUND])
    write(tmp_path / "annotations/val.json", {"annotations": [], "categories": [], "version": 9})
    write(
        tmp_path / "annotations/test.json", '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 1, '
    )
    catalog = read([tmp_path])
    assert notes(catalog)["file_unknown"] == ["annotations/val.json: no list 'images'"]
    said = notes(catalog)["file_corrupt"][0]
    assert said.startswith("annotations/test.json: ")
    assert "at line 1, column 73 (character 72)" in said
    warned = [finding.message for finding in audit(catalog) if finding.rule == "annotation_notes"]
    assert any(message.startswith("Annotation files are of an unknown version. Found 1 time") for message in warned)


def test_nothing_usable_is_an_error_that_names_file_and_place(tmp_path: Path) -> None:
    coco(tmp_path, [SOUND])
    write(tmp_path / "annotations/train.json", '{"images": [],\n "annotations": [')
    with pytest.raises(
        SnellenError, match=r"looks like COCO JSON.*annotations/train.json: Expecting value at line 2, column 18"
    ):
        read([tmp_path])
    write(tmp_path / "annotations/train.json", {"images": [{"id": 1, "file_name": "no.jpg"}], "annotations": []})
    with pytest.raises(SnellenError, match="not one annotated image of it can be used"):
        read([tmp_path])


def test_a_broken_file_leaves_the_next_format(tmp_path: Path) -> None:
    coco(tmp_path, [SOUND])
    write(tmp_path / "annotations/train.json", '{"images": [')
    write(tmp_path / "labels/a.txt", "0 0.5 0.5 0.2 0.4")
    catalog = read([tmp_path])
    assert catalog.about("format") == "YOLO"
    assert set(notes(catalog)) == {"file_corrupt", "classes_missing"}


def test_circular_links(tmp_path: Path) -> None:
    coco(tmp_path, [SOUND])
    (tmp_path / "images/up").symlink_to(tmp_path)
    (tmp_path / "annotations/self").symlink_to(tmp_path / "annotations/self")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/back").symlink_to(tmp_path)
    catalog = read([tmp_path])
    assert ignored(catalog)["link to a folder above"] == 2
    assert "images/a.jpg" in column(catalog, "path")


def test_a_hundred_thousand_objects_on_one_image(tmp_path: Path) -> None:
    items = [{"bbox": [n % 35, n % 25, 3, 4], "segmentation": [[1, 1, 5, 1, 5, 5]]} for n in range(100_000)]
    catalog = read([coco(tmp_path, items)])
    assert len(Objects.of(catalog)) == 100_000
    lines = "".join(f"0 0.5 0.{n % 9 + 1} 0.1 0.1\n" for n in range(100_000))
    draw(tmp_path / "yolo/images/a.jpg")
    write(tmp_path / "yolo/labels/a.txt", lines)
    assert Objects.of(read([tmp_path / "yolo"])).usable.sum() == 100_000


@pytest.mark.parametrize("where", ["../../etc/passwd", "/etc/passwd", "..\\..\\etc\\passwd", "C:\\photos\\b.jpg"])
def test_a_path_that_leaves_the_folder_is_listed_and_not_followed(tmp_path: Path, where: str) -> None:
    draw(tmp_path / "b.jpg", 9)  # Beside the folder: it could be reached.
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": where}]
    catalog = read([coco(tmp_path / "data", [SOUND, {**SOUND, "image_id": 2}], images=images)])
    assert column(catalog, "path") == ["images/a.jpg"]
    assert notes(catalog)["image_outside"] == [f"annotations/train.json: {where}"]
    assert notes(catalog)["object_without_image"] == ["annotations/train.json: image id 2"]


def test_a_path_from_another_machine_finds_the_file_of_that_name(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "/data/someone/images/a.jpg"}]
    catalog = read([coco(tmp_path, [SOUND], images=images)])
    assert column(catalog, "path") == ["images/a.jpg"]
    assert "image_moved" in notes(catalog)


def test_doubled_ids_and_entries_of_no_form(tmp_path: Path) -> None:
    draw(tmp_path / "images/b.jpg", 2)
    entries = [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}, {"id": 2}, "x"]
    items = [SOUND, {**SOUND, "image_id": 9}, {**SOUND, "id": 1}]
    categories = [{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}, "y"]
    coco(tmp_path, items, images=entries, categories=categories)
    catalog = read([tmp_path])
    assert problems(catalog) == ["image id of several images"] * 2
    assert column(catalog, "verdict") == ["ok", "no label"]
    expected = {"image_id_twice", "image_unnamed", "object_without_image", "class_twice", "image_unlisted"}
    assert set(notes(catalog)) == expected


def test_an_image_listed_twice_has_the_objects_of_both(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "images/a.jpg"}]
    catalog = read([coco(tmp_path, [SOUND, {**SOUND, "image_id": 2}], images=images)])
    assert (len(catalog), problems(catalog)) == (1, ["", ""])
    assert set(notes(catalog)) == {"image_twice"}


def test_a_stated_size_that_is_not_the_files(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.jpg", "width": 400, "height": 300}]
    whole = run_lengths.encode(np.ones((300, 400), dtype=bool)).split(" ", 2)[2]
    runs = {"size": [300, 400], "counts": whole}
    catalog = read([coco(tmp_path, [SOUND, {"segmentation": runs}], images=images)])
    assert notes(catalog)["size_differs"] == ["images/a.jpg: 400 x 300 stated, 40 x 30 there"]
    assert problems(catalog) == ["", "run lengths of another size"]


def test_class_names_that_are_not_utf8(tmp_path: Path) -> None:
    text = json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **SOUND}],
                       "categories": [{"id": 1, "name": "caf@"}]})  # fmt: skip
    draw(tmp_path / "c/images/a.jpg")
    write(tmp_path / "c/annotations/x.json", text.encode().replace(b"@", b"\xe9"))
    draw(tmp_path / "y/images/a.jpg")
    write(tmp_path / "y/labels/a.txt", "0 0.5 0.5 0.2 0.4")
    write(tmp_path / "y/classes.txt", b"caf\xe9\n")
    draw(tmp_path / "z/images/a.jpg")
    write(tmp_path / "z/labels/a.txt", "0 0.5 0.5 0.2 0.4")
    write(tmp_path / "z/data.yaml", b"names: ['caf\xe9']\n")
    draw(tmp_path / "v/a.jpg")
    box = b"<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    write(tmp_path / "v/a.xml", b"<annotation><object><name>caf\xe9</name>" + box + b"</object></annotation>")
    for folder in "cyzv":
        catalog = read([tmp_path / folder])
        assert catalog.about("classes") == ["caf\\xe9"], folder
        assert "name_not_utf8" in notes(catalog), folder
        catalog.save(tmp_path / "catalog.parquet")
    draw(tmp_path / "m/images/a.jpg")
    draw(tmp_path / "m/masks/a.png")
    write(tmp_path / "m/classes.json", b'["background", "caf\xe9"]')
    assert read([tmp_path / "m"]).about("classes") == {"0": "background", "1": "caf\\xe9"}


def test_a_byte_order_mark(tmp_path: Path) -> None:
    coco(tmp_path, [SOUND])
    file = tmp_path / "annotations/train.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert problems(read([tmp_path])) == [""]
    write(tmp_path / "t.csv", "\ufeffpath,label\nimages/a.jpg,cat\nimages/b.jpg,dog\n")
    assert column(read([tmp_path / "t.csv"]), "verdict") == ["ok", "missing"]


def test_yolo_lines(tmp_path: Path) -> None:
    draw(tmp_path / "images/a.jpg", 1)
    draw(tmp_path / "images/b.jpg", 2)
    lines = ["0 0.5 0.5 0.2", "7 0.5 0.5 0.2 0.2", "0 1.5 0.5 0.2 0.2", "0 -0.5 0.5 0.2 0.2", "x 0.5 0.5 0.2 0.2"]
    lines += ["0 0.5 nan 0.2 0.2", "0 0.5 y 0.2 0.2", "0 0.5 0.5 0 0.2", "0 0.5 0.5 0.2 0.2 0.9", "0 0.5 0.5 0.2 0.2"]
    write(tmp_path / "labels/a.txt", "\n".join(lines))
    write(tmp_path / "labels/stray.txt", "0 0.5 0.5 0.2 0.2")
    write(tmp_path / "data.yaml", "names: [cat, dog]\n")
    catalog = read([tmp_path])
    assert problems(catalog) == [
        "line of 4 numbers", "unknown class", "share above 1", "share below 0", "unknown class",
        "not a number", "not a number", "zero area", "", "",
    ]  # fmt: skip
    said = notes(catalog)
    assert said["line_corrupt"][:2] == ["labels/a.txt:1: 4 numbers", "labels/a.txt:3: a share above 1"]
    assert said["class_unknown"] == ["labels/a.txt:2: class 7", "labels/a.txt:5: class x"]
    assert said["label_missing"] == ["images/b.jpg"]
    assert said["label_without_image"] == ["labels/stray.txt"]
    assert said["line_confidence"] == ["labels/a.txt:9"]


def test_data_yaml(tmp_path: Path) -> None:
    draw(tmp_path / "d/images/a.jpg", 1)
    write(tmp_path / "d/labels/a.txt", "0 0.5 0.5 0.2 0.2")
    write(tmp_path / "d/data.yaml", "names: [cat\ntrain: images\n")
    assert set(notes(read([tmp_path / "d"]))) == {"file_corrupt", "classes_missing"}
    write(
        tmp_path / "d/data.yaml",
        "path: ../../elsewhere\ntrain: images\nval: images\ntest: ../../../secret\nnames: {0: cat}\n",
    )
    catalog = read([tmp_path / "d"])
    assert column(catalog, "split") == ["train"]
    assert set(notes(catalog)) == {"split_twice", "image_outside"}


XML = "<annotation><filename>{name}</filename><object><name>cat</name>{box}</object></annotation>"
BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>{}</ymax></bndbox>"
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
READS = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("head", [BOMB, READS])
def test_voc_with_entities_is_refused(tmp_path: Path, head: str) -> None:
    for number, name in enumerate("ab"):
        draw(tmp_path / f"{name}.jpg", number)
        write(tmp_path / f"{name}.xml", XML.format(name=f"{name}.jpg", box=BOX.format(9)))
    text = XML.format(name="&a;", box=BOX.format(9))
    write(tmp_path / "b.xml", head + text)
    for encoding in ("utf-8", "utf-16"):
        write(tmp_path / "b.xml", (head + text).encode(encoding))
        catalog = read([tmp_path])
        assert notes(catalog)["file_corrupt"] == ["b.xml: a document type (with entities) is refused"]
        assert column(catalog, "verdict") == ["ok", "no label"]


def test_voc_faults(tmp_path: Path) -> None:
    draw(tmp_path / "a.jpg", 1)
    boxes = [BOX.format("nan"), BOX.format(""), BOX.format(0), ""]
    write(
        tmp_path / "a.xml",
        XML.format(name="a.jpg", box="</object><object>".join(f"<name>cat</name>{box}" for box in boxes)),
    )
    write(tmp_path / "gone.xml", XML.format(name="gone.jpg", box=BOX.format(9)))
    write(tmp_path / "cut.xml", "<annotation><object>")
    write(tmp_path / "out.xml", XML.format(name="../../secret.jpg", box=BOX.format(9)))
    write(tmp_path / "other.xml", "<svg/>")
    catalog = read([tmp_path])
    assert problems(catalog)[:4] == ["not a number", "not a number", "zero area", "no box and no outline"]
    assert column(catalog, "verdict") == ["ok", "missing"]
    assert set(notes(catalog)) == {"image_missing", "file_corrupt", "image_outside", "file_unknown"}


def test_labelme_faults(tmp_path: Path) -> None:
    draw(tmp_path / "a.jpg", 1)
    shapes = [
        {"label": "cat", "points": [[1, 1], [2, 2]], "shape_type": "polygon"},
        {"label": "cat", "points": [[1, 1], [NAN, 2], [3, 4]]},
        {"label": "", "points": [[1, 1], [2, 5]], "shape_type": "rectangle"},
        {"label": "cat", "points": [[1, 1], [2, 5]], "shape_type": "mask", "mask": "no png"},
        {"label": "cat"},
    ]
    write(tmp_path / "a.json", {"version": "99.0", "shapes": shapes, "imagePath": "a.jpg"})
    write(tmp_path / "b.json", '{"version": "5.0", "shapes": [')
    write(tmp_path / "c.json", {"version": "5.0", "shapes": [], "imagePath": "/etc/c.jpg"})
    catalog = read([tmp_path])
    expected = ["polygon with two points", "not a number", "no class", "mask that cannot be read"]
    assert problems(catalog) == expected
    assert notes(catalog)["file_unknown"] == ["a.json: version '99.0'"]
    assert set(notes(catalog)) == {"file_unknown", "object_unreadable", "file_corrupt", "image_outside"}


def test_mask_folders(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        draw(tmp_path / f"images/{name}.jpg", number)
    Image.fromarray(np.zeros((HEIGHT, WIDTH), dtype=np.uint8)).save(draw(tmp_path / "masks/a.png"))
    write(tmp_path / "masks/b.png", "no image")
    draw(tmp_path / "masks/stray.png")
    draw(tmp_path / "masks/c.jpg")
    write(tmp_path / "classes.json", '{"0": "background", ')
    catalog = read([tmp_path])
    assert column(catalog, "mask") == ["masks/a.png", "masks/b.png", "masks/c.jpg"]
    assert catalog.about("classes") == {"0": "background"}
    assert set(notes(catalog)) == {"mask_without_image", "mask_lossy", "classes_corrupt", "classes_missing"}
    write(tmp_path / "classes.json", "3")
    assert "classes_corrupt" in notes(read([tmp_path]))


def test_names_of_files_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    try:
        draw(tmp_path / f"images/{name}.jpg")
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    draw(tmp_path / "images/a.jpg", 1)
    draw(tmp_path / f"masks/{name}.png")
    draw(tmp_path / "masks/a.png")
    catalog = read([tmp_path])
    assert column(catalog, "verdict") == ["ok", "name is not UTF-8"]
    assert notes(catalog)["name_not_utf8"] == ["masks/caf\\xe9.png"]
    catalog.save(tmp_path / "catalog.parquet")


def test_pipes_and_folders_in_place_of_annotations_do_not_block(tmp_path: Path) -> None:
    coco(tmp_path, [SOUND])
    os.mkfifo(tmp_path / "annotations/pipe.json")
    os.mkfifo(tmp_path / "images/pipe.jpg")
    (tmp_path / "annotations/folder.json").mkdir()
    os.mkfifo(tmp_path / "images/pipe.txt")
    os.mkfifo(tmp_path / "notes.xml")
    catalog = read([tmp_path])
    verdicts = dict(zip(column(catalog, "path"), column(catalog, "verdict"), strict=True))
    assert verdicts == {"images/a.jpg": "ok", "images/pipe.jpg": "not a file"}
