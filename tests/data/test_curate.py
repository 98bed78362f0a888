"""What annotators agreed on goes to other tools, with the sizes of its images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from files import HEIGHT, WIDTH, draw

from snellen.curate import agree, export

CAT, DOG = ([2, 3, 10, 10], [4, 5, 12, 9])


def annotated(path: Path, boxes: list[tuple[int, list[int]]]) -> Path:
    """A COCO file of a.jpg and b.jpg with these boxes (number of the image, box)."""
    images = [{"id": number, "file_name": f"{name}.jpg"} for number, name in enumerate("ab", start=1)]
    drawn = [{"id": n, "image_id": image, "category_id": 1, "bbox": box} for n, (image, box) in enumerate(boxes)]
    document = {"images": images, "annotations": drawn, "categories": [{"id": 1, "name": "cat"}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def decided(file: Path, decision: str) -> Path:
    lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    file.write_text("".join(json.dumps({**line, "decision": decision}) + "\n" for line in lines), encoding="utf-8")
    return file


def test_a_consensus_of_boxes_is_exported(tmp_path: Path) -> None:
    draw(tmp_path / "data/images/a.jpg", 1, turn=1)
    draw(tmp_path / "data/images/b.jpg", 2, turn=6)
    one = annotated(tmp_path / "data/annotations/instances_one.json", [(1, CAT), (2, DOG)])
    other = annotated(tmp_path / "data/annotations/instances_two.json", [(1, CAT), (2, DOG), (1, [25, 15, 8, 8])])
    assert agree([one, other], out=tmp_path / "out")["disputes"] == 1
    agree([one, other], out=tmp_path / "out", decisions=decided(tmp_path / "out/disputes.jsonl", "nothing"))
    told = export(tmp_path / "out", to="coco", out=tmp_path / "coco")
    assert (told["samples"], told["objects"], told["left_out"]) == (2, 2, {})
    document = json.loads((tmp_path / "coco/annotations/instances.json").read_text(encoding="utf-8"))
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in document["images"]}
    assert sizes == {"images/a.jpg": (WIDTH, HEIGHT), "images/b.jpg": (HEIGHT, WIDTH)}
    assert [item["bbox"] for item in document["annotations"]] == [CAT, DOG]
