"""Exports are read back by other readers: faster-coco-eval, XML and JSON parsers, and pixels painted by another library."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as coco_masks

from snellen.annotations import Objects, objects_column
from snellen.catalog import Catalog
from snellen.data.exports import Exported, export, names
from snellen.data.exports._outline import borders, joined
from snellen.data.silhouette import Silhouette, of_outlines, of_run_lengths
from snellen.values import SnellenError

RING = np.zeros((12, 16), dtype=np.uint8)
RING[2:10, 3:13] = 1
RING[4:8, 6:10] = 0
RING[10, 13] = 1  # Touches the ring by a corner only.
SQUARE, CORNER = [2.0, 1, 8, 1, 8, 7, 2, 7], [10.0, 8, 15, 8, 15, 11]


def run_lengths(mask: np.ndarray) -> str:
    found = coco_masks.encode(np.asfortranarray(mask))
    return f"{mask.shape[0]} {mask.shape[1]} {found['counts'].decode()}"


DRAWN: list[list[dict[str, Any]]] = [
    [
        {"key": "7", "label": "bird & <bee>", "box": [2, 1, 8, 7], "polygons": [SQUARE], "keypoints": [3, 2, 2, 7, 6, 1]},
        {"key": "8", "label": "猫", "box": [2, 1, 15, 11], "polygons": [SQUARE, CORNER], "keypoints": [4.5, 2, 2, 0, 0, 0]},
        {"key": "9", "label": "猫", "box": [3, 2, 14, 11], "rle": run_lengths(RING), "keypoints": [4, 4, 2, 5, 5, 2]},
    ],
    [],
    [
        {"key": "1", "label": "猫", "box": [3, 3, 3, 9], "problem": "zero area"},
        {"key": "2", "label": "猫", "box": [-2.5, 4, 6, 20], "polygons": [[-2.5, 4, 6, 4, 6, 20, -2.5, 20]], "keypoints": [1, 5, 2, 2, 6, 2]},
        {"key": "3", "label": "猫", "box": [0, 0, 16, 12], "crowd": True, "rle": run_lengths(RING), "keypoints": [1, 1, 2, 2, 2, 2]},
    ],
    [{"key": "4", "label": "bird & <bee>", "box": [1, 1, 5, 5]}],
]  # fmt: skip
PATHS = ["train/a b.jpg", "train/b.jpg", "val/c.d.jpg", "val/broken.jpg"]


def catalog_of(task: str) -> Catalog:
    splits, verdicts = ["train", "train", "val", "val"], ["ok", "ok", "ok", "truncated"]
    rows = [
        {
            "id": f"id{place}",
            "path": path,
            "root": "photos",
            "split": split,
            "verdict": verdict,
            "width": 16,
            "height": 12,
        }
        for place, (path, split, verdict) in enumerate(zip(PATHS, splits, verdicts, strict=True))
    ]
    about = {"task": task, "classes": ["bird & <bee>", "猫"], "keypoints": ["beak", "tail"]}
    return Catalog.of_rows(rows).with_columns({"objects": objects_column(DRAWN)}).with_about(about)


def whole_catalog(task: str, **columns: list[Any]) -> Catalog:
    rows = [{"id": f"id{place}", "path": path, "root": "photos"} for place, path in enumerate(PATHS[:3])]
    return Catalog.of_rows(rows).with_columns({"split": ["train", "val", ""], **columns}).with_about({"task": task})


def read_coco(file: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(file))


def test_coco_is_what_others_read(tmp_path: Path) -> None:
    done = export(catalog_of("instance"), tmp_path / "out", to="coco")
    train, val = (read_coco(tmp_path / "out" / "annotations" / f"instances_{name}.json") for name in ("train", "val"))
    assert [item["file_name"] for item in train.loadImgs(train.getImgIds())] == PATHS[:2]
    assert [item["name"] for item in train.loadCats(train.getCatIds())] == ["bird & <bee>", "猫"]
    items = train.loadAnns(train.getAnnIds())
    assert [item["bbox"] for item in items] == [[2, 1, 6, 6], [2, 1, 13, 10], [3, 2, 11, 9]]
    assert [item["area"] for item in items] == [36, 43.5, RING.sum()]
    assert (train.annToMask(items[2]) == RING).all()
    assert train.annToMask(items[0]).sum() == 36
    (kept, crowd) = val.loadAnns(val.getAnnIds())
    assert (kept["bbox"], kept["iscrowd"], crowd["iscrowd"]) == ([-2.5, 4, 8.5, 16], 0, 1)
    assert (done.samples, done.objects) == (3, 5)
    # The object of the truncated image has no outline, which is seen first.
    assert dict(done.left_out) == {"object: no outline": 1, "object: zero area": 1, "sample: truncated": 1}
    assert set(done.files) == {path for path in (tmp_path / "out").rglob("*") if path.is_file()}


def test_coco_keypoints(tmp_path: Path) -> None:
    export(catalog_of("keypoints"), tmp_path / "out", to="coco")
    train = read_coco(tmp_path / "out" / "annotations" / "instances_train.json")
    assert train.loadCats(1)[0]["keypoints"] == ["beak", "tail"]
    assert [(item["keypoints"], item["num_keypoints"]) for item in train.loadAnns(train.getAnnIds())] == [
        ([3, 2, 2, 7, 6, 1], 2), ([4.5, 2, 2, 0, 0, 0], 1), ([4, 4, 2, 5, 5, 2], 2),
    ]  # fmt: skip


def test_yolo_boxes_are_shares_of_the_sides(tmp_path: Path) -> None:
    done = export(catalog_of("detection"), tmp_path / "out", to="yolo")
    settings = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text(encoding="utf-8"))
    assert settings["names"] == {0: "bird & <bee>", 1: "猫"}
    assert (tmp_path / "out" / settings["train"]).read_text(encoding="utf-8").split("\n") == [
        "./images/train/a b.jpg", "./images/train/b.jpg", "",
    ]  # fmt: skip
    lines = (tmp_path / "out" / "labels" / "train" / "a b.txt").read_text(encoding="utf-8").splitlines()
    rows = np.asarray([line.split() for line in lines], dtype=float)
    assert rows[:, 0].tolist() == [0, 1, 1]
    centre, size = rows[:, 1:3] * (16, 12), rows[:, 3:] * (16, 12)
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    assert np.allclose(boxes, [item["box"] for item in DRAWN[0]], atol=1e-6)
    assert (tmp_path / "out" / "labels" / "train" / "b.txt").read_text(encoding="utf-8") == ""
    cut = np.asarray((tmp_path / "out" / "labels" / "val" / "c.d.txt").read_text(encoding="utf-8").split(), dtype=float)
    assert np.allclose(cut, [1, 3 / 16, 8 / 12, 6 / 16, 8 / 12])
    assert dict(done.changed) == {"object: cut to the image": 1}
    assert dict(done.left_out) == {
        "object: a crowd": 1, "object: its image is left out": 1, "object: zero area": 1, "sample: truncated": 1,
    }  # fmt: skip


def test_yolo_outlines_hold_parts_and_holes_in_one_line(tmp_path: Path) -> None:
    export(catalog_of("instance"), tmp_path / "out", to="yolo")
    lines = (tmp_path / "out" / "labels" / "train" / "a b.txt").read_text(encoding="utf-8").splitlines()
    outlines = [np.asarray(line.split()[1:], dtype=float).reshape(-1, 2) * (16, 12) for line in lines]
    assert np.allclose(outlines[0].reshape(-1), SQUARE, atol=1e-6)
    both = of_outlines([outlines[1]])
    parts = of_outlines([np.reshape(line, (-1, 2)) for line in (SQUARE, CORNER)])
    assert both.shared(parts) == both.area == parts.area
    ring = of_outlines([outlines[2].round(6)])
    assert (ring.pixels == RING[ring.top :, ring.left :][: ring.pixels.shape[0], : ring.pixels.shape[1]]).all()
    assert ring.area == RING.sum()


def test_yolo_pose(tmp_path: Path) -> None:
    export(catalog_of("keypoints"), tmp_path / "out", to="yolo")
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text(encoding="utf-8"))["kpt_shape"] == [2, 3]
    first = (tmp_path / "out" / "labels" / "train" / "a b.txt").read_text(encoding="utf-8").splitlines()[0]
    points = np.asarray(first.split()[5:], dtype=float).reshape(-1, 3) * (16, 12, 1)
    assert np.allclose(points, [[3, 2, 2], [7, 6, 1]], atol=1e-6)


def test_yolo_labels_lie_where_the_trainer_looks(tmp_path: Path) -> None:
    catalog = catalog_of("detection").take([0, 1]).with_columns({"path": ["set/images/train/a.jpg", "deep/x.png"]})
    export(catalog, tmp_path / "out", to="yolo")
    listed = (tmp_path / "out" / "train.txt").read_text(encoding="utf-8").splitlines()
    labels = [line.replace("/images/", "/labels/").rsplit(".", 1)[0] + ".txt" for line in listed]
    assert labels == ["./set/labels/train/a.txt", "./labels/deep/x.txt"]
    assert all((tmp_path / "out" / name).is_file() for name in labels)


def test_voc_counts_pixels_from_one(tmp_path: Path) -> None:
    export(catalog_of("detection"), tmp_path / "out", to="voc")
    root = ElementTree.parse(tmp_path / "out" / "Annotations" / "train" / "a b.xml").getroot()
    assert (root.findtext("folder"), root.findtext("filename"), root.findtext("size/width")) == (
        "train",
        "a b.jpg",
        "16",
    )
    items = [
        (item.findtext("name"), [float(side.text or "nan") for side in item.find("bndbox") or ()])
        for item in root.iter("object")
    ]
    assert items == [("bird & <bee>", [3, 2, 8, 7]), ("猫", [3, 2, 15, 11]), ("猫", [4, 3, 14, 11])]
    assert (tmp_path / "out" / "ImageSets" / "Main" / "val.txt").read_text(encoding="utf-8") == "val/c.d\n"


def test_cvat(tmp_path: Path) -> None:
    export(catalog_of("instance"), tmp_path / "shapes", to="cvat")
    root = ElementTree.parse(tmp_path / "shapes" / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [item.findtext("name") for item in root.iter("label")] == ["bird & <bee>", "猫"]
    assert [(item.get("name"), item.get("subset"), item.get("width")) for item in root.iter("image")] == [
        (path, path.split("/")[0], "16") for path in PATHS[:3]
    ]
    ring = [item for item in root.iter("polygon") if item.get("label") == "猫"][1]
    points = [tuple(map(float, point.split(","))) for point in (ring.get("points") or "").split(";")]
    assert of_outlines([np.asarray(points)]).area == RING.sum()

    export(catalog_of("keypoints"), tmp_path / "points", to="cvat")
    image = next(ElementTree.parse(tmp_path / "points" / "annotations.xml").getroot().iter("image"))
    box, skeleton = image.findall("box")[1], image.findall("skeleton")[1]
    assert [float(box.get(side) or "nan") for side in ("xtl", "ytl", "xbr", "ybr")] == [2, 1, 15, 11]
    assert box.get("group_id") == skeleton.get("group_id")
    assert [(p.get("label"), p.get("points"), p.get("outside"), p.get("occluded")) for p in skeleton] == [
        ("beak", "4.5,2", "0", "0"), ("tail", "0,0", "1", "0"),
    ]  # fmt: skip


def test_labelstudio(tmp_path: Path) -> None:
    export(catalog_of("keypoints"), tmp_path / "out", to="labelstudio")
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text(encoding="utf-8"))
    assert [task["data"]["path"] for task in tasks] == PATHS[:3]
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=train/a%20b.jpg"
    result = tasks[0]["annotations"][0]["result"]
    box = next(item for item in result if item["type"] == "rectanglelabels")["value"]
    assert np.allclose([box["x"] * 0.16, box["y"] * 0.12, box["width"] * 0.16, box["height"] * 0.12], [2, 1, 6, 6])
    seen = [(item["value"]["keypointlabels"], item["parentID"]) for item in result if item["type"] == "keypointlabels"]
    assert seen == [(["beak"], "0"), (["tail"], "0"), (["beak"], "1"), (["beak"], "2"), (["tail"], "2")]
    setup = ElementTree.parse(tmp_path / "out" / "config.xml").getroot()
    tags = {item.get("name"): [label.get("value") for label in item] for item in setup}
    assert tags == {"image": [], "label": ["bird & <bee>", "猫"], "points": ["beak", "tail"]}
    assert {item["from_name"] for item in result} <= set(tags)


def test_fiftyone(tmp_path: Path) -> None:
    export(catalog_of("detection"), tmp_path / "boxes", to="fiftyone")
    labels = json.loads((tmp_path / "boxes" / "labels.json").read_text(encoding="utf-8"))
    images = json.loads((tmp_path / "boxes" / "data.json").read_text(encoding="utf-8"))
    assert labels["labels"].keys() == images.keys()
    assert [Path(path).as_posix() for path in images.values()] == [f"photos/{path}" for path in PATHS[:3]]
    found = [
        (labels["classes"][item["label"]], np.asarray(item["bounding_box"]) * (16, 12, 16, 12))
        for item in labels["labels"]["id0"]
    ]
    assert [name for name, _ in found] == ["bird & <bee>", "猫", "猫"]
    assert np.allclose([box for _, box in found], [[2, 1, 6, 6], [2, 1, 13, 10], [3, 2, 11, 9]])

    export(whole_catalog("classification", target=["cat", "dog", "cat"]), tmp_path / "classes", to="fiftyone")
    labels = json.loads((tmp_path / "classes" / "labels.json").read_text(encoding="utf-8"))
    assert {name: labels["classes"][place] for name, place in labels["labels"].items()} == {
        "id0": "cat",
        "id1": "dog",
        "id2": "cat",
    }


@pytest.mark.parametrize(
    ("task", "column", "values", "written"),
    [
        ("classification", "target", ["cat", 'a "b", c', "cat"], ["cat", 'a "b", c', "cat"]),
        ("multilabel", "labels", [["sea", "sky"], [], ["sky"]], ["sea|sky", "", "sky"]),
        ("segmentation", "mask", ["m/1.png", "", "m/3.png"], ["m/1.png", "", "m/3.png"]),
        ("restoration", "pair", ["hr/1.png", "hr/2.png", "hr/3.png"], ["hr/1.png", "hr/2.png", "hr/3.png"]),
    ],
)  # fmt: skip
def test_lists_of_whole_images(tmp_path: Path, task: str, column: str, values: list[Any], written: list[str]) -> None:
    done = export(whole_catalog(task, **{column: values}), tmp_path / "out", to="imagefolder")
    with (tmp_path / "out" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    name = {"target": "label"}.get(column, column)
    assert [(row["path"], row[name], row["split"]) for row in rows] == list(
        zip(PATHS[:3], written, ["train", "val", ""], strict=True)
    )
    assert done.samples == 3


def test_classes_of_whole_images_go_to_annotation_tools(tmp_path: Path) -> None:
    several = whole_catalog("multilabel", labels=[["sea", "sky"], [], ["sky"]])
    export(several, tmp_path / "cvat", to="cvat")
    images = list(ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot().iter("image"))
    assert [[tag.get("label") for tag in image] for image in images] == [["sea", "sky"], [], ["sky"]]
    export(several, tmp_path / "studio", to="labelstudio")
    tasks = json.loads((tmp_path / "studio" / "tasks.json").read_text(encoding="utf-8"))
    chosen = [[item["value"]["choices"] for item in task["annotations"][0]["result"]] for task in tasks]
    assert chosen == [[["sea", "sky"]], [], [["sky"]]]


@pytest.mark.parametrize(
    ("task", "to", "able"),
    [("segmentation", "coco", "imagefolder"), ("instance", "voc", "coco, cvat, labelstudio, yolo"),
     ("classification", "yolo", "cvat, fiftyone, imagefolder, labelstudio")],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_refused_with_those_that_can(
    tmp_path: Path, task: str, to: str, able: str
) -> None:
    with pytest.raises(SnellenError, match=f"{to} cannot hold {task} labels; exports that can: {able}$"):
        export(catalog_of("detection").with_about({"task": task}), tmp_path / "out", to=to)
    assert not (tmp_path / "out").exists()


def test_refusals(tmp_path: Path) -> None:
    catalog = catalog_of("detection")
    with pytest.raises(SnellenError, match="no export 'coc'; did you mean 'coco'"):
        export(catalog, tmp_path, to="coc")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(SnellenError, match="is not empty"):
        export(catalog, tmp_path / "full", to="coco")
    with pytest.raises(SnellenError, match="lies inside the data"):
        export(catalog.with_columns({"root": [str(tmp_path)] * 4}), tmp_path / "out", to="coco")
    with pytest.raises(SnellenError, match="1 paths are there twice"):
        export(catalog.with_columns({"path": ["a.jpg", "a.jpg", "b.jpg", "c.jpg"]}), tmp_path / "out", to="coco")
    with pytest.raises(SnellenError, match="differ in the suffix only"):
        export(catalog.with_columns({"path": ["a.jpg", "a.png", "b.jpg", "c.jpg"]}), tmp_path / "out", to="yolo")
    with pytest.raises(SnellenError, match="no image sizes"):
        export(catalog.drop_columns(["width"]), tmp_path / "out", to="voc")


@pytest.mark.parametrize("seed", range(20))
def test_borders_enclose_exactly_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.random((9, 13)) < rng.uniform(0.2, 0.9)
    lines = borders(Silhouette(2, 1, pixels))
    again = of_outlines([joined(lines)])
    whole = np.zeros((12, 15), dtype=bool)
    whole[again.top : again.top + again.pixels.shape[0], again.left : again.left + again.pixels.shape[1]] = again.pixels
    assert (whole[2:11, 1:14] == pixels).all()
    assert whole.sum() == pixels.sum()


def test_pixels_of_outlines_are_those_of_others() -> None:
    rng = np.random.default_rng(0)
    differing = total = 0
    for _ in range(30):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        line = np.stack(
            [80 + rng.uniform(20, 70, 9) * np.cos(angles), 60 + rng.uniform(15, 50, 9) * np.sin(angles)], axis=1
        )
        ours = of_outlines([line])
        theirs = coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects([line.reshape(-1).tolist()], 120, 160)))
        mine = np.zeros((120, 160), dtype=bool)
        mine[ours.top : ours.top + ours.pixels.shape[0], ours.left : ours.left + ours.pixels.shape[1]] = ours.pixels
        differing, total = differing + int((mine != theirs.astype(bool)).sum()), total + ours.area
    assert differing < 0.02 * total  # Along the border only.


def test_run_lengths_are_those_of_others() -> None:
    mask = (np.random.default_rng(1).random((37, 23)) < 0.4).astype(np.uint8)
    assert (of_run_lengths(run_lengths(mask)).pixels == mask.astype(bool)).all()
    with pytest.raises(SnellenError, match="run lengths"):
        of_run_lengths("5 5 11")


def of_stamps(folder: Path) -> Catalog:
    """The training split of the stamps as a catalog, read by a few lines of its own."""
    document = json.loads((folder / "annotations" / "instances_train.json").read_text(encoding="utf-8"))
    labels = {item["id"]: item["name"] for item in document["categories"]}
    drawn: dict[int, list[dict[str, Any]]] = {item["id"]: [] for item in document["images"]}
    for item in document["annotations"]:
        x, y, width, height = item["bbox"]
        drawn[item["image_id"]].append(
            {"key": str(item["id"]), "label": labels[item["category_id"]], "box": [x, y, x + width, y + height]}
        )
    rows = [
        {
            "id": item["file_name"],
            "path": f"images/train/{item['file_name']}",
            "split": "train",
            "width": item["width"],
            "height": item["height"],
        }
        for item in document["images"]
    ]
    about = {"task": "detection", "classes": list(labels.values())}
    return Catalog.of_rows(rows).with_columns({"objects": objects_column(list(drawn.values()))}).with_about(about)


def test_the_stamps_come_back_whole(tmp_path: Path, shared: Callable[[str], Path]) -> None:
    catalog = of_stamps(shared("stamps_det"))
    for name in names():
        if name != "imagefolder":
            done = export(catalog, tmp_path / name, to=name)
            assert isinstance(done, Exported)
            assert (done.samples, done.objects, dict(done.left_out)) == (240, 792, {})
    theirs = read_coco(shared("stamps_det") / "annotations" / "instances_train.json")
    ours = read_coco(tmp_path / "coco" / "annotations" / "instances_train.json")
    assert boxes(ours) == boxes(theirs)
    yolo = sum(
        len((tmp_path / "yolo" / "labels" / "train" / f"{Path(i).stem}.txt").read_text(encoding="utf-8").splitlines())
        for i in catalog.ids
    )
    assert yolo == 792
    for file in sorted((shared("stamps_det") / "labels" / "train").glob("*.txt"))[:50]:
        own = (
            np.loadtxt(tmp_path / "yolo" / "labels" / "train" / file.name, ndmin=2)
            if file.stat().st_size
            else np.zeros((0, 5))
        )
        given = np.loadtxt(file, ndmin=2) if file.stat().st_size else np.zeros((0, 5))
        assert own.shape == given.shape
        assert np.allclose(own, given, atol=1e-5)
    objects = Objects.of(catalog)
    found = Counter(
        item.findtext("name")
        for file in (tmp_path / "voc").rglob("*.xml")
        for item in ElementTree.parse(file).getroot().iter("object")
    )
    assert found == Counter(objects.label.tolist())
    tasks = json.loads((tmp_path / "labelstudio" / "tasks.json").read_text(encoding="utf-8"))
    assert sum(len(task["annotations"][0]["result"]) for task in tasks) == 792
    assert sum(1 for _ in ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot().iter("box")) == 792


def boxes(document: COCO) -> list[tuple[str, str, tuple[float, ...]]]:
    images = {item["id"]: Path(item["file_name"]).name for item in document.dataset["images"]}
    labels = {item["id"]: item["name"] for item in document.dataset["categories"]}
    items = document.dataset["annotations"]
    return sorted(
        (images[item["image_id"]], labels[item["category_id"]], tuple(map(float, item["bbox"]))) for item in items
    )
