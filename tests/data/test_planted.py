"""What is planted in the demo's data is what the audit finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from snellen.data.duplicates import near_clusters
from snellen.data.pixels import open_pixels
from snellen.data.planted import FOUND_BY, PACKED, RARE, RARE_IMAGES, plant
from snellen.data.read import read
from snellen.shelf import CATALOG_RULES
from snellen.values import SnellenError


def test_the_audit_finds_what_was_planted_and_no_more(tmp_path: Path) -> None:
    planted = plant(tmp_path / "images", seed=3)
    counts = {kind: len(paths) for kind, paths in planted.items()}
    assert counts.pop("label_flip") == pytest.approx(75, abs=3)
    once = {"truncated": 2, "unreadable": 3, "blank": 4, "rare_class": 1}
    assert counts == {**once, "exact_duplicate": 15, "exact_leak": 12, "near_leak": 8}
    catalog, _ = open_pixels(read([tmp_path / "images"]), size=32, cache=tmp_path / "cache")
    catalog = catalog.with_columns({"near": near_clusters(catalog)})
    path = dict(zip(catalog.ids, catalog.table.column("path").to_pylist(), strict=True))
    for rule in {*FOUND_BY.values()} - {"label_noise", "class_imbalance"}:
        (finding,) = CATALOG_RULES.pick(rule)(catalog)
        expected = {item for kind, by in FOUND_BY.items() if by == rule for item in planted[kind]}
        assert {path[sample] for sample in finding.samples} == expected
    (finding,) = CATALOG_RULES.pick("class_imbalance")(catalog)
    assert finding.evidence["smallest"] == RARE
    assert finding.evidence["fewest"] == RARE_IMAGES


def test_names_say_nothing_and_the_list_lies_outside(tmp_path: Path) -> None:
    planted = plant(tmp_path / "images")
    files = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert all(path.name.startswith("img_") and path.suffix == ".png" for path in files)
    assert json.loads((tmp_path / "images-planted.json").read_text()) == planted
    flipped = sorted(int(path.split("_")[-1][:5]) for path in planted["label_flip"])
    assert flipped[0] < 200
    assert flipped[-1] > len(files) - 200


def test_the_seed_decides(tmp_path: Path) -> None:
    first, again, other = (plant(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again
    assert first != other
    for path in first["near_leak"]:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SnellenError, match="not empty"):
        plant(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_packed_images_are_licensed_and_small() -> None:
    assert "The MIT License" in PACKED.with_suffix(".LICENSE").read_text(encoding="utf-8")
    assert PACKED.stat().st_size < 1_000_000
    with np.load(PACKED) as packed:
        assert packed["images"].shape == (2000, 28, 28)
        assert np.bincount(packed["splits"]).tolist() == [1000, 400, 600]
