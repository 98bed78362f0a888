"""Small cases of every task for the review page, with names that try to break out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from snellen.annotations import objects_column
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.values import Finding

SCRIPT = "</script><script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(2)>"
LINES = "two\nlines"
PLAIN = "plain"
CLASSES = (SCRIPT, IMAGE, LINES, PLAIN)
WIDTH, HEIGHT = 80, 60


def _photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((WIDTH, HEIGHT)).save(path)


def _rows(folder: Path, count: int) -> list[dict[str, Any]]:
    data = folder / "data <b>of"
    for i in range(count):
        _photo(data / f"photo <{i}>.png", i)
    return [{"id": f"s{i}", "root": str(data), "path": f"photo <{i}>.png", "split": "train"} for i in range(count)]


def _case(folder: Path, catalog: Catalog, *findings: Finding) -> Case:
    case = Case(folder / "case <i>one")
    catalog.save(case.folder / "catalog.parquet")
    case.write_audit(findings)
    return case


def classification(folder: Path, *, count: int = 8) -> Case:
    """`count` samples of hostile classes, two doubted labels of which one has a suggestion, and a file that is gone."""
    rows = _rows(folder, count)
    for i, row in enumerate(rows):
        row |= {"target": CLASSES[i % len(CLASSES)], "suggested": PLAIN if i == 0 else ""}
    rows.append({**rows[0], "id": "gone", "path": "gone.png", "verdict": "missing"})
    doubt = Finding(rule="label_noise", severity="warn", message=f"Doubted: {SCRIPT} {IMAGE}", samples=("s0", "s1"))
    gone = Finding(rule="unreadable_images", severity="block", message="1 file is gone.", samples=("gone", "unknown"))
    blind = Finding(rule="leakage", severity="info", message="Not looked at.", samples=("s3",), looked=False)
    return _case(folder, Catalog.of_rows(rows), doubt, gone, blind)


OBJECTS = [
    [
        {"key": "a", "label": "cat", "box": [10, 10, 40, 40]},
        {"key": "b", "label": "dog", "box": [30, 5, 70, 50]},
        {"key": "b", "label": "dog", "box": [2, 2, 2, 8], "problem": "zero area"},
    ],
    [{"key": "c", "label": "cat", "polygons": [[5, 5, 40, 5, 40, 40]], "box": [5, 5, 40, 40]}],
    [],
]


def detection(folder: Path) -> Case:
    """Three images, and a finding about a box that is shifted, a wrong class and an object that is missing."""
    named = [
        {"sample": "s0", "key": "a", "what": "shifted", "box": [0.0, 10.0, 30.0, 40.0]},
        {"sample": "s1", "key": "c", "what": "another class", "label": "dog"},
        {"sample": "s2", "key": "", "what": "missing", "box": [20.0, 20.0, 50.0, 50.0]},
    ]
    found = Finding(
        rule="boxes", severity="warn", message="3 boxes.", evidence={"objects": named}, samples=("s0", "s1", "s2")
    )
    catalog = Catalog.of_rows(_rows(folder, 3)).with_columns({"objects": objects_column(OBJECTS)})
    return _case(folder, catalog.with_about({"task": "detection", "classes": ["cat", "dog"]}), found)


def keypoints(folder: Path) -> Case:
    """One image with one animal of three points, of which one is hidden and one was not given."""
    drawn = [[{"key": "k", "label": "mouse", "box": [10, 10, 60, 50], "keypoints": [12, 12, 2, 30, 30, 1, 0, 0, 0]}]]
    catalog = Catalog.of_rows(_rows(folder, 1)).with_columns({"objects": objects_column(drawn)})
    return _case(
        folder, catalog.with_about({"task": "keypoints", "classes": ["mouse"], "keypoints": ["nose", "ear", IMAGE]})
    )


def segmentation(folder: Path) -> Case:
    """A palette mask of two classes and an unknown id, a mask of another size, and one that is not there."""
    rows = _rows(folder, 3)
    for i, shape in enumerate(((HEIGHT, WIDTH), (30, 30))):
        values = np.zeros(shape, dtype=np.uint8)
        values[5:20, 5:20], values[20:25, 20:25] = 1, 9
        mask = Image.fromarray(values, mode=None).convert("P")
        mask.putpalette([value for number in range(256) for value in (number, 0, 255 - number)])
        mask.putdata(values.reshape(-1).tolist())
        mask.save(Path(rows[i]["root"]) / f"mask{i}.png")
        rows[i]["mask"] = f"mask{i}.png"
    rows[2]["mask"] = ""
    return _case(
        folder, Catalog.of_rows(rows).with_about({"task": "segmentation", "classes": {"0": "background", "1": IMAGE}})
    )


def multilabel(folder: Path) -> Case:
    """Two images with several labels, of which the first lacks one, as a rule says."""
    rows = _rows(folder, 2)
    rows[0]["labels"], rows[1]["labels"] = ["sky", "sea"], ["sand"]
    lacking = {"missing": [{"sample": "s0", "labels": ["sand", "sky"]}]}
    found = Finding(rule="missing_labels", severity="warn", message="1 label.", evidence=lacking, samples=("s0",))
    about = {"task": "multilabel", "classes": ["sand", "sea", "sky"]}
    return _case(folder, Catalog.of_rows(rows).with_about(about), found)
