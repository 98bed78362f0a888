"""Every annotation format becomes the same kind of catalog: real datasets, and small ones whose numbers are known."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files import HEIGHT, WIDTH, column, draw, write
from PIL import Image, ImageOps

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.data import run_lengths
from snellen.data.read import ignored, read
from snellen.values import SnellenError


def notes(catalog: Catalog) -> dict[str, int]:
    return {note["what"]: note["count"] for note in catalog.about("notes")}


def state(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def coco(names: Sequence[str], objects: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """A COCO file of images 1, 2, … of the tests' size."""
    images = [{"id": i, "file_name": n, "width": WIDTH, "height": HEIGHT} for i, n in enumerate(names, start=1)]
    given = [{"id": i, "image_id": 1, "category_id": 1, "iscrowd": 0, **item} for i, item in enumerate(objects, 1)]
    return {"images": images, "annotations": given, "categories": [{"id": 1, "name": "cat"}], **more}


@pytest.mark.parametrize(
    ("name", "task", "kind", "splits", "objects", "classes"),
    [
        ("bccd", "detection", "COCO JSON", (205, 87, 72), 4888, ("RBC", "WBC", "Platelets")),
        ("stamps_det", "detection", "COCO JSON", (240, 60, 60), 1135, ("bird", "mammal", "fruit")),
        ("trees_deepforest", "detection", "COCO JSON", (64, 16, 8), 848, ("tree",)),
        ("openfield_keypoints", "keypoints", "COCO JSON", (78, 17, 21), 116, ("mouse",)),
        ("nuclei_dsb2018", "detection", "COCO JSON", (201, 45, 63), 12119, ("nucleus",)),
    ],
)
def test_real_datasets_with_objects(
    shared: Callable[[str], Path], name: str, task: str, kind: str, splits: tuple[int, ...], objects: int, classes: Any
) -> None:
    catalog = read([shared(name)])
    assert (catalog.task, catalog.about("format")) == (task, kind)
    assert tuple(catalog.counts("split")[split] for split in ("train", "val", "test")) == splits
    assert tuple(catalog.about("classes")[: len(classes)]) == classes
    assert set(column(catalog, "verdict")) == {"ok"}
    assert len(Objects.of(catalog)) == objects
    known = {"file_ignored", "format_ignored", "instances_ignored"}
    assert set(notes(catalog)) <= known  # A second annotator, YOLO or masks, instance maps: there and not read.


def test_coco_and_yolo_of_one_dataset_say_the_same(shared: Callable[[str], Path]) -> None:
    folder = shared("bccd")
    left, right = read([folder]), read([folder / "data.yaml"])
    assert right.about("format") == "YOLO"
    assert dict(zip(left.ids, column(left, "split"), strict=True)) == dict(
        zip(right.ids, column(right, "split"), strict=True)
    )
    right = right.take(right.rows(left.ids))
    mine, theirs = Objects.of(left), Objects.of(right)
    assert mine.label.tolist() == theirs.label.tolist()
    assert np.abs(mine.box - theirs.box).max() < 0.01  # Six decimals of 640 pixels.
    assert (mine.problem == "zero area").sum() == (theirs.problem == "zero area").sum() == 2


def test_real_masks_and_pairs(shared: Callable[[str], Path]) -> None:
    catalog = read([shared("stamps_seg")])
    assert (catalog.task, len(catalog)) == ("segmentation", 380)
    assert catalog.about("classes")["6"] == "vehicle"
    assert all(
        (Path(root) / mask).is_file()
        for root, mask in zip(column(catalog, "root"), column(catalog, "mask"), strict=True)
    )
    assert not notes(catalog)
    assert "meta_background" in catalog.table.column_names

    catalog = read([shared("nuclei_dsb2018")], task="segmentation")
    assert catalog.about("classes") == {"0": "background", "1": "nucleus"}
    assert catalog.counts("source") == {"fluorescence": 240, "stained_tissue": 69}
    assert notes(catalog) == {"instances_ignored": 309, "format_ignored": 1}

    catalog = read([shared("photos_sr") / "LRx4"])
    assert (catalog.task, catalog.counts("split")) == ("restoration", {"train": 50, "test": 12, "val": 10})
    assert column(catalog, "path")[0].replace("LRx4", "HR") == column(catalog, "pair")[0]
    assert notes(read([shared("photos_sr")])) == {"format_ignored": 2}


def test_real_datasets_with_missing_masks(shared: Callable[[str], Path]) -> None:
    catalog = read([shared("nuclei_dsb2018_faults")])
    assert catalog.about("classes") == {"0": "background", "1": "class 1"}
    assert notes(catalog) == {"mask_missing": 2, "classes_missing": 1}
    assert column(catalog, "mask").count("") == 2


def test_coco_outlines(tmp_path: Path) -> None:
    draw(tmp_path / "images/val/a.jpg", 1)
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[5:9, 10:20] = True
    size, counts = [HEIGHT, WIDTH], run_lengths.encode(mask).split(" ", 2)[2]
    plain = np.diff(np.flatnonzero(np.diff(np.r_[2, mask.reshape(-1, order="F"), 2]))).tolist()
    drawn = [
        {"segmentation": [[1, 2, 5, 2, 5, 8], [20, 20, 25, 20, 25, 25, 20, 25]], "bbox": [1, 2, 24, 23]},
        {"segmentation": {"size": size, "counts": counts}},
        {"segmentation": {"size": size, "counts": plain}, "iscrowd": 1},
        {"segmentation": [1, 1, 4, 1, 4, 6]},
    ]
    write(tmp_path / "annotations/instances_val2017.json", coco(["a.jpg"], drawn))
    catalog = read([tmp_path])
    assert (catalog.task, column(catalog, "split")) == ("instance", ["val"])
    objects = Objects.of(catalog)
    assert objects.box.tolist() == [[1, 2, 25, 25], [10, 5, 20, 9], [10, 5, 20, 9], [1, 1, 4, 6]]
    assert objects.crowd.tolist() == [False, False, True, False]
    assert [len(lines) for lines in objects.polygons()] == [2, 0, 0, 1]
    rle = objects.table.field("rle").to_pylist()
    assert rle[1] == rle[2]
    assert (run_lengths.decode(rle[1]) == mask).all()
    assert set(objects.problem) == {""}
    assert read([tmp_path], task="detection").task == "detection"
    with pytest.raises(SnellenError, match=r"task keypoints was asked for; ask for instance"):
        read([tmp_path], task="keypoints")


def test_coco_keypoints_beside_boxes(tmp_path: Path) -> None:
    draw(tmp_path / "train2017/a.jpg", 1)
    people = [{"id": 1, "name": "person", "keypoints": ["nose", "tail"]}]
    points = [{"keypoints": [3, 4, 2, 9, 12, 1]}, {"keypoints": [3, 4, 2, 0, 0, 0], "bbox": [1, 1, 9, 9]}]
    write(tmp_path / "annotations/person_keypoints_train2017.json", coco(["a.jpg"], points, categories=people))
    write(tmp_path / "annotations/instances_train2017.json", coco(["a.jpg"], [{"bbox": [1, 1, 5, 5]}]))
    assert read([tmp_path]).task == "detection"
    catalog = read([tmp_path], task="keypoints")
    objects = Objects.of(catalog)
    assert catalog.about("keypoints") == ["nose", "tail"]
    assert objects.keypoints()[1].tolist() == [[3, 4, 2], [0, 0, 0]]
    assert objects.box.tolist() == [[3, 4, 9, 12], [1, 1, 10, 10]]
    assert notes(catalog) == {"file_ignored": 1}


def test_coco_in_split_folders_and_a_file_alone(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "valid")):
        for name in ("a", "b"):  # The same names in both splits.
            draw(tmp_path / split / f"{name}.jpg", 10 * number + ord(name))
        write(tmp_path / split / "_annotations.coco.json", coco(["a.jpg", "b.jpg"], [{"bbox": [number, 1, 5, 5]}]))
    catalog = read([tmp_path])
    assert column(catalog, "path") == ["train/a.jpg", "train/b.jpg", "valid/a.jpg", "valid/b.jpg"]
    assert column(catalog, "split") == ["train", "train", "val", "val"]
    assert Objects.of(catalog).box[:, 0].tolist() == [0, 1]
    assert Objects.of(catalog).row.tolist() == [0, 2]  # An image without objects is a sample all the same.
    alone = read([tmp_path / "valid/_annotations.coco.json"])
    assert alone.ids == catalog.of("val").ids


def test_an_image_among_annotated_ones_that_no_file_names_has_no_label(tmp_path: Path) -> None:
    for number, name in enumerate(("images/a.jpg", "images/b.jpg", "images/c.jpg", "elsewhere/d.jpg")):
        draw(tmp_path / name, number)
    write(tmp_path / "annotations/all.json", coco(["a.jpg", "gone.jpg"], [{"bbox": [1, 1, 5, 5]}]))
    catalog = read([tmp_path])
    verdicts = dict(zip(column(catalog, "path"), column(catalog, "verdict"), strict=True))
    assert verdicts == {
        "images/a.jpg": "ok", "images/b.jpg": "no label", "images/c.jpg": "no label", "images/gone.jpg": "missing",
    }  # fmt: skip
    assert notes(catalog) == {"image_missing": 1, "image_unlisted": 2, "folder_ignored": 1}


def test_objects_drawn_on_stored_pixels_are_turned_with_the_image(tmp_path: Path) -> None:
    """What Pillow turns is the reference: a bright patch is found where the turned box says."""
    for turn in (5, 6, 7, 8):
        folder = tmp_path / str(turn)
        pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
        pixels[4:10, 20:36] = 255
        exif = Image.Exif()
        exif[0x0112] = turn
        (folder / "images").mkdir(parents=True)
        Image.fromarray(pixels).save(folder / "images/a.png", exif=exif)
        line = [20, 4, 36, 4, 36, 10, 20, 10]
        write(folder / "annotations/a_train.json", coco(["a.png"], [{"bbox": [20, 4, 16, 6], "segmentation": [line]}]))
        catalog = read([folder])
        x0, y0, x1, y1 = Objects.of(catalog).box[0].astype(int)
        upright = np.asarray(ImageOps.exif_transpose(Image.open(folder / "images/a.png")))[..., 0]
        assert upright.shape == (WIDTH, HEIGHT)
        assert (upright[y0:y1, x0:x1] == 255).all()
        assert (upright == 255).sum() == (x1 - x0) * (y1 - y0)
        outline = Objects.of(catalog).polygons()[0][0]
        assert (*outline.min(axis=0), *outline.max(axis=0)) == (x0, y0, x1, y1)
        assert notes(catalog) == {"image_turned": 1}


def test_yolo_detect_segment_and_pose(tmp_path: Path) -> None:
    draw(tmp_path / "det/train/images/a.jpg", 1)
    write(tmp_path / "det/train/labels/a.txt", "1 0.5 0.5 0.2 0.4\n\n0 0.25 0.5 0.5 0.2\n")
    draw(tmp_path / "det/valid/images/b.jpg", 2)
    write(tmp_path / "det/valid/labels/b.txt", "")
    write(tmp_path / "det/data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n")
    catalog = read([tmp_path / "det"])
    objects = Objects.of(catalog)
    assert column(catalog, "split") == ["train", "val"]
    assert np.allclose(objects.box, [[16, 9, 24, 21], [0, 12, 20, 18]])
    assert (objects.label.tolist(), objects.key.tolist()) == (
        ["dog", "cat"],
        [f"train/labels/a.txt:{i}" for i in (1, 3)],
    )
    assert notes(catalog) == {"label_empty": 1}

    draw(tmp_path / "seg/images/train/a.jpg", 3, turn=6)  # Shares are of the image as it is shown.
    write(tmp_path / "seg/labels/train/a.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    write(tmp_path / "seg/classes.txt", "leaf\n")
    catalog = read([tmp_path / "seg"])
    assert (catalog.task, catalog.about("classes")) == ("instance", ["leaf"])
    assert np.allclose(Objects.of(catalog).box, [[0.1 * HEIGHT, 0.1 * WIDTH, 0.5 * HEIGHT, 0.5 * WIDTH]])

    draw(tmp_path / "pose/images/a.jpg", 4)
    write(tmp_path / "pose/labels/a.txt", "0 0.5 0.5 0.5 0.5 0.25 0.5 2 0 0 0\n")
    write(tmp_path / "pose/pose.yaml", "path: .\ntrain: images\nkpt_shape: [2, 3]\nnames: {0: mouse}\n")
    catalog = read([tmp_path / "pose"])
    assert (catalog.task, catalog.about("keypoints"), column(catalog, "split")) == ("keypoints", ["0", "1"], ["train"])
    assert Objects.of(catalog).keypoints()[0].tolist() == [[10, 15, 2], [0, 0, 0]]


def test_yolo_beside_the_images_and_captions_are_no_labels(tmp_path: Path, photos: Callable[..., Path]) -> None:
    draw(tmp_path / "y/a.jpg", 1)
    draw(tmp_path / "y/b.jpg", 2)
    write(tmp_path / "y/a.txt", "2 0.5 0.5 0.2 0.4\n")
    catalog = read([tmp_path / "y"])
    assert (catalog.about("format"), catalog.about("classes")) == ("YOLO", ["0", "1", "2"])
    assert notes(catalog) == {"label_missing": 1, "classes_missing": 1}
    assert column(catalog, "verdict") == ["ok", "ok"]
    photos(tmp_path / "c", each=3)
    for image in list((tmp_path / "c").rglob("*.png")):
        write(image.with_suffix(".txt"), "a photograph of 1 cat")
    assert read([tmp_path / "c"]).task == "classification"


VOC = "<annotation><filename>{name}</filename><size><width>40</width><height>30</height></size>{objects}</annotation>"
BOX = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def test_voc(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        draw(tmp_path / f"JPEGImages/{name}.jpg", number)
        objects = BOX.format("cat", 1, 1, 40, 30) + BOX.format("dog", 5, 6, 9, 9)
        write(tmp_path / f"Annotations/{name}.xml", VOC.format(name="a.jpg", objects=objects))
    draw(tmp_path / "SegmentationClass/a.png", 5)
    write(tmp_path / "ImageSets/Main/train.txt", "a\n")
    write(tmp_path / "ImageSets/Main/val.txt", "b\n")
    catalog = read([tmp_path])
    assert (catalog.about("format"), catalog.about("classes")) == ("Pascal VOC XML", ["cat", "dog"])
    assert column(catalog, "split") == ["train", "val"]
    assert Objects.of(catalog).box[:2].tolist() == [[0, 0, 40, 30], [4, 5, 9, 9]]  # Counted from 1, the last included.
    assert notes(catalog) == {"format_ignored": 1}
    write(tmp_path / "Annotations/a.xml", VOC.format(name="a.jpg", objects=BOX.format("cat", 0, 3, 40, 30)))
    assert Objects.of(read([tmp_path])).box[0].tolist() == [0, 3, 40, 30]


def test_labelme(tmp_path: Path) -> None:
    draw(tmp_path / "train/a.jpg", 1)
    small = np.zeros((4, 6), dtype=np.uint8)
    small[1:3, 2:5] = 1
    stream = io.BytesIO()
    Image.fromarray(small).save(stream, "PNG")
    png = base64.b64encode(stream.getvalue()).decode()
    shapes = [
        {"label": "cat", "points": [[1, 1], [5, 1], [5, 6]], "shape_type": "polygon", "group_id": 3},
        {"label": "dog", "points": [[9, 8], [2, 4]], "shape_type": "rectangle"},
        {"label": "cat", "points": [[20, 20], [25, 20], [25, 26]], "shape_type": "polygon", "group_id": 3},
        {"label": "dog", "points": [[20, 10], [23, 14]], "shape_type": "circle", "group_id": None},
        {"label": "dog", "points": [[10, 12], [15, 15]], "shape_type": "mask", "mask": png},
        {"label": "cat", "points": [[10, 12]], "shape_type": "point"},
    ]
    data = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "..\\train\\a.jpg"}
    write(tmp_path / "train/a.json", {**data, "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH})
    catalog = read([tmp_path])
    objects = Objects.of(catalog)
    assert (catalog.about("format"), catalog.task, column(catalog, "split")) == ("labelme JSON", "instance", ["train"])
    assert objects.label.tolist() == ["cat", "dog", "dog", "dog", "cat"]
    assert [len(lines) for lines in objects.polygons()] == [2, 0, 1, 0, 0]
    assert objects.box[:2].tolist() == [[1, 1, 25, 26], [2, 4, 9, 8]]
    assert np.allclose(objects.box[2], [15, 5, 25, 15])  # Radius 5 around (20, 10).
    assert objects.box[3].tolist() == [12, 13, 15, 15]
    assert objects.problem.tolist() == ["", "", "", "", "shape without area (point)"]


@pytest.mark.parametrize("split", ["", "train/"])
def test_masks_in_palette_and_grey(tmp_path: Path, split: str) -> None:
    for number, name in enumerate("abc"):
        draw(tmp_path / f"images/{split}{name}.jpg", number)
    ids = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    ids[:5], ids[9:] = 2, 255
    (tmp_path / f"masks/{split}").mkdir(parents=True)
    Image.fromarray(ids).save(tmp_path / f"masks/{split}a.png")
    palette = Image.frombytes("P", (WIDTH, HEIGHT), ids.tobytes())
    palette.putpalette([10, 200, 30] * 256)
    palette.save(tmp_path / f"masks/{split}b_mask.png")
    catalog = read([tmp_path])
    assert column(catalog, "mask") == [f"masks/{split}a.png", f"masks/{split}b_mask.png", ""]
    assert set(column(catalog, "split")) == {split.rstrip("/")}
    assert catalog.about("classes") == {"0": "background", "2": "class 2", "255": "ignore"}
    assert notes(catalog) == {"mask_missing": 1, "classes_missing": 1}
    write(tmp_path / "classes.json", {"background": 0, "leaf": 2})
    assert read([tmp_path]).about("classes") == {"0": "background", "2": "leaf"}


def test_a_class_called_mask_is_a_class(tmp_path: Path) -> None:
    for number, name in enumerate(("mask/1.png", "mask/2.png", "bare/1.png", "bare/2.png")):
        draw(tmp_path / name, number)
    assert read([tmp_path]).counts() == {"bare": 2, "mask": 2}


def test_pairs_by_other_names(tmp_path: Path) -> None:
    for number, name in enumerate(("DIV2K_train_HR/0001.png", "DIV2K_train_HR/0002.png", "DIV2K_valid_HR/0801.png")):
        draw(tmp_path / name, number)
        low = name.replace("HR", "LR_bicubic/X2").replace(".png", "x2.png")
        draw(tmp_path / low, number, size=(20, 15))
    (tmp_path / "DIV2K_train_LR_bicubic/X2/0002x2.png").unlink()
    catalog = read([tmp_path])
    assert column(catalog, "pair") == ["DIV2K_train_HR/0001.png", "DIV2K_valid_HR/0801.png"]
    assert column(catalog, "split") == ["train", "val"]
    assert notes(catalog) == {"pair_unused": 1}


def test_words_that_could_be_classes_are_roles_only_when_asked(tmp_path: Path) -> None:
    for number, name in enumerate(("clean/1.png", "clean/2.png", "noisy/1.png", "noisy/2.png")):
        draw(tmp_path / name, number)
    assert read([tmp_path]).counts() == {"clean": 2, "noisy": 2}
    catalog = read([tmp_path], task="restoration")
    assert (column(catalog, "path"), column(catalog, "pair")) == (
        ["noisy/1.png", "noisy/2.png"],
        ["clean/1.png", "clean/2.png"],
    )


def test_metadata_joins_by_other_names_of_its_column(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        draw(tmp_path / f"images/{name}.jpg", number)
    write(tmp_path / "annotations/x.json", coco(["a.jpg", "b.jpg"], [{"bbox": [1, 1, 5, 5]}]))
    write(tmp_path / "metadata.csv", "\ufeffimage,split,domain,group\nimages/a.jpg,val,night,g1\nb.jpg,train,day,g2\n")
    catalog = read([tmp_path])
    assert column(catalog, "source") == ["day", "night"]  # Rows are sorted by source.
    assert column(catalog, "split") == ["train", "val"]
    assert column(catalog, "group") == ["g2", "g1"]
    assert "meta_image" not in catalog.table.column_names


def test_sources_of_one_task_are_joined_and_of_two_refused(tmp_path: Path, photos: Callable[..., Path]) -> None:
    draw(tmp_path / "one/images/a.jpg", 1)
    write(tmp_path / "one/annotations/x.json", coco(["a.jpg"], [{"bbox": [1, 1, 5, 5]}]))
    draw(tmp_path / "two/images/b.jpg", 2)
    write(tmp_path / "two/labels/b.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    write(tmp_path / "two/data.yaml", "names: [dog]\n")
    catalog = read([tmp_path / "one", tmp_path / "two"])
    assert (catalog.task, catalog.about("format")) == ("detection", "COCO JSON + YOLO")
    assert catalog.about("classes") == ["cat", "dog"]
    photos(tmp_path / "three", each=2)
    with pytest.raises(
        SnellenError, match=r"do not serve one task: .*one is for detection \(COCO JSON\); .*three is for class"
    ):
        read([tmp_path / "one", tmp_path / "three"])
    with pytest.raises(SnellenError, match="did you mean 'detection'"):
        read([tmp_path / "one"], task="detecton")
    with pytest.raises(SnellenError, match=r"no annotation for the task segmentation .* found COCO JSON"):
        read([tmp_path / "one"], task="segmentation")


def test_the_source_stays_as_it_was(tmp_path: Path) -> None:
    draw(tmp_path / "images/a.jpg", 1)
    draw(tmp_path / "masks/a.png", 2)
    write(tmp_path / "labels/a.txt", "0 0.5 0.5 0.2 0.4\n")
    write(tmp_path / "annotations/x.json", coco(["a.jpg"], [{"bbox": [1, 1, 5, 5]}]))
    before = state(tmp_path)
    catalog = read([tmp_path])
    assert state(tmp_path) == before
    assert ignored(catalog) == {".txt": 1}
    assert notes(catalog) == {"format_ignored": 2}
