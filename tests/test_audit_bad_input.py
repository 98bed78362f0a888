"""Bad annotations, all in one folder, on the whole way of an audit: it ends with a page, says what it met, and changes nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen import verbs
from snellen.case import Case

NAN = float("nan")
TINY = {"model.name": "test_efficientnet", "model.weights": "none"}
SIDE = 64
BAD = [
    {"segmentation": [[1, 1, 5, 5]]},
    {"bbox": [1, NAN, 5, 5]},
    {"segmentation": {"size": [3, 4], "counts": [12]}, "bbox": [1, 1, 5, 5]},
    {"bbox": [1, 1, 0, 5]},
    {"category_id": 9, "bbox": [1, 1, 5, 5]},
]


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen images in a COCO file with objects that cannot be used, beside one of an unknown version and links that lead in a circle."""
    root = tmp_path / "bad 数据"
    images = [{"id": i, "file_name": f"{i:02d}.png", "width": SIDE, "height": SIDE} for i in range(16)]
    for image in images:
        draw(root / "images" / image["file_name"], image["id"])
    sound = [{"bbox": [4 + i, 8, 20, 16], "image_id": i} for i in range(16)]
    items = [*sound, *({"image_id": 3, **item} for item in BAD)]
    objects = [{"id": number, "category_id": 1, **item} for number, item in enumerate(items)]
    data = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "caf@"}]}
    (root / "annotations").mkdir()
    (root / "annotations/train.json").write_bytes(json.dumps(data).encode().replace(b"@", b"\xe9"))
    (root / "annotations/val.json").write_text(json.dumps({"annotations": [], "version": 9}))
    (root / "images/up").symlink_to(root)
    (root / "annotations/self").symlink_to(root / "annotations/self")
    return root


def test_the_audit_lists_it_and_ends(folder: Path, tmp_path: Path) -> None:
    before = digests(folder)
    answer = verbs.audit(folder, out=tmp_path / "case", changes=TINY)
    assert digests(folder) == before
    found = {finding.rule: finding for finding in Case(tmp_path / "case").audit if finding.looked}
    assert answer["task"] in ("instance", "detection")
    assert found["unusable_objects"].evidence["count"] == len(BAD)
    text = " ".join(finding["message"] for finding in answer["findings"])
    for said in ("unknown version", "not UTF-8"):
        assert said in text
    assert (tmp_path / "case/report.html").stat().st_size > 100_000


def test_a_table_with_a_byte_order_mark(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        draw(tmp_path / f"d/{number}.png", number)
        rows.append(f"{number}.png,{'cat' if number % 2 else 'dog'}")
    (tmp_path / "d/list.csv").write_text("\ufeffpath,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    before = digests(tmp_path / "d")
    answer = verbs.audit(tmp_path / "d/list.csv", out=tmp_path / "case", changes=TINY)
    assert answer["task"] == "classification"
    assert Case(tmp_path / "case").catalog.classes == ("cat", "dog")
    assert digests(tmp_path / "d") == before
