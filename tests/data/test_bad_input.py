"""Bad input gives a clear message or a listed finding; nothing hangs, and the source folder stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.formats.notes import plain_text
from snellen.data.pixels import open_pixels
from snellen.data.read import ignored, read
from snellen.data.split import split
from snellen.examine import audit
from snellen.values import Finding, SnellenError


def state(folder: Path) -> dict[str, object]:
    """Every name below the folder with its kind, bytes and time of change."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (info.st_mode, info.st_mtime_ns, info.st_size, data)
    return found


def draw(path: Path, seed: int) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    suffix = "PNG" if path.suffix == ".png" else "JPEG"
    Image.fromarray(small).resize((60, 60), Image.Resampling.BICUBIC).save(path, suffix)
    return path.read_bytes()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes in three splits."""
    root = tmp_path / "data"
    seed = 0
    for part, count in (("train", 6), ("val", 2), ("test", 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                seed += 1
                draw(root / part / name / f"{number}.jpg", seed)
    return root


def look(root: Path, cache: Path) -> tuple[Catalog, dict[str, Finding]]:
    """The whole way of the data room, and what its rules say by name."""
    before = state(root)
    catalog, _ = open_pixels(read([root]), size=32, cache=cache)
    catalog = catalog.with_columns({"near": near_clusters(catalog)})
    catalog = split(catalog, val=0.2, test=0.2, seed=0)
    # Rules that need embeddings say that they have not looked.
    found = [finding for finding in audit(catalog) if finding.looked]
    assert state(root) == before
    return catalog, {finding.rule: finding for finding in found}


def named(catalog: Catalog, finding: Finding) -> set[str]:
    rows = catalog.take(catalog.rows(finding.samples))
    return set(rows.table.column("path").to_pylist())


def test_sound_data_raises_only_that_it_is_small(data: Path, tmp_path: Path) -> None:
    catalog, found = look(data, tmp_path / "cache")
    assert set(found) == {"tiny_classes"}
    assert len(catalog.usable()) == 20


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(SnellenError, match="holds no images"):
        read([tmp_path / "data"])
    (tmp_path / "data" / "cat").mkdir()
    with pytest.raises(SnellenError, match=r"holds no images .* expected class folders"):
        read([tmp_path / "data"])


def test_one_class(tmp_path: Path) -> None:
    draw(tmp_path / "data" / "cat" / "1.jpg", 1)
    draw(tmp_path / "data" / "cat" / "2.jpg", 2)
    with pytest.raises(SnellenError, match=r"only the class 'cat' .* needs two or more"):
        read([tmp_path / "data"])


def test_a_class_only_in_validation(data: Path, tmp_path: Path) -> None:
    draw(data / "val" / "bird" / "1.jpg", 99)
    catalog, found = look(data, tmp_path / "cache")
    assert found["class_only_outside_train"].severity == "block"
    assert named(catalog, found["class_only_outside_train"]) == {"val/bird/1.jpg"}
    assert catalog.classes == ("cat", "dog")


def test_text_file_named_jpg(data: Path, tmp_path: Path) -> None:
    (data / "train" / "cat" / "text.jpg").write_text("no image")
    catalog, found = look(data, tmp_path / "cache")
    assert named(catalog, found["unreadable_images"]) == {"train/cat/text.jpg"}
    assert "1 not an image" in found["unreadable_images"].message


def test_truncated_jpeg(data: Path, tmp_path: Path) -> None:
    whole = draw(data / "train" / "cat" / "cut.jpg", 98)
    (data / "train" / "cat" / "cut.jpg").write_bytes(whole[: int(0.6 * len(whole))])
    catalog, found = look(data, tmp_path / "cache")
    assert named(catalog, found["truncated_images"]) == {"train/cat/cut.jpg"}
    assert 0 < found["truncated_images"].evidence["lost_max"] <= 1


def test_huge_header(data: Path, tmp_path: Path) -> None:
    image = Image.new("L", (1, 1))
    image.save(data / "train" / "cat" / "huge.png")
    raw = bytearray((data / "train" / "cat" / "huge.png").read_bytes())
    raw[16:24] = (30_000).to_bytes(4, "big") * 2
    raw[29:33] = zlib.crc32(bytes(raw[12:29])).to_bytes(4, "big")
    (data / "train" / "cat" / "huge.png").write_bytes(raw)
    catalog, found = look(data, tmp_path / "cache")
    assert named(catalog, found["unreadable_images"]) == {"train/cat/huge.png"}
    assert "too large" in found["unreadable_images"].message


def test_folder_named_like_an_image_dangling_link_and_pipe(data: Path, tmp_path: Path) -> None:
    (data / "train" / "cat" / "x.jpg").mkdir()
    (data / "train" / "dog" / "lost.jpg").symlink_to("nowhere.jpg")
    (data / "val" / "dog" / "empty.jpg").touch()
    os.mkfifo(data / "val" / "dog" / "pipe.jpg")
    catalog, found = look(data, tmp_path / "cache")
    finding = found["unreadable_images"]
    assert dict(finding.evidence["verdicts"]) == {"a folder": 1, "dangling link": 1, "empty file": 1, "not a file": 1}
    assert len(named(catalog, finding)) == 4
    assert len(catalog.usable()) == 20


def test_names_with_spaces_chinese_and_newline(data: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("a b.jpg", "猫 图.jpg", "line\nbreak.jpg", "quote'\"<b>.jpg", "ünï.JPG")):
        draw(data / "train" / "山 羊\n" / name, 200 + number)
    catalog, found = look(data, tmp_path / "cache")
    assert "unreadable_images" not in found
    assert catalog.classes == ("cat", "dog", "山 羊\n")
    assert len(catalog.usable()) == 25
    catalog.save(tmp_path / "catalog.parquet")
    assert Catalog.load(tmp_path / "catalog.parquet").paths() == catalog.paths()


def test_a_name_that_is_not_utf8(data: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        draw(data / "train" / "cat" / name, 97)
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    catalog, found = look(data, tmp_path / "cache")
    assert dict(found["unreadable_images"].evidence["verdicts"]) == {"name is not UTF-8": 1}
    assert named(catalog, found["unreadable_images"]) == {"train/cat/caf\\xe9.jpg"}


def test_half_of_a_surrogate_pair_is_shown(tmp_path: Path) -> None:
    assert plain_text("caf\ud83d") == "caf\\ud83d"
    assert plain_text("caf\udce9") == "caf\\xe9"
    draw(tmp_path / "data" / "images" / "a.jpg", 96)
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "\ud83d.jpg"}]
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "\ud83d"}]}
    (tmp_path / "data" / "annotations.json").write_text(json.dumps(document))
    catalog = read([tmp_path / "data"])
    assert catalog.about("classes") == ["\\ud83d"]
    assert catalog.column("path").tolist() == ["images/a.jpg", "images/\\ud83d.jpg"]
    assert catalog.column("verdict").tolist() == ["ok", "name is not UTF-8"]
    catalog.save(tmp_path / "catalog.parquet")


def test_a_folder_that_may_not_be_opened(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "train" / "lost+found").mkdir()
    listed = os.listdir

    def refuse(folder: Any = ".") -> list[str]:
        if Path(folder).name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "listdir", refuse)
    catalog = read([data])
    assert (len(catalog), catalog.classes) == (20, ("cat", "dog"))
    assert ignored(catalog) == {"folder that may not be opened": 1}


def test_every_file_bad(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.jpg").write_text(name)
    catalog, found = look(tmp_path / "data", tmp_path / "cache")
    assert len(catalog.usable()) == 0
    assert found["unreadable_images"].evidence["count"] == 2
