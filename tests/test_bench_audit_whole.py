"""AUDIT.md of all scripts, what makes an audit of a folder sound, and the made-up catalogs of the growth curve."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _audit_whole
import audit_folders
import audit_scale
from peers import decode_only
from snellen import store
from snellen.catalog import Catalog
from snellen.data.pixels import open_pixels
from snellen.data.read import read

WELL = {
    "exit": 0, "files": 9, "seconds": 2.0, "changed": [], "task": "classification", "images": 8, "peak_bytes": 5e8,
    "findings": {"block": 1, "warn": 2, "info": 0}, "rules": ["leakage"], "unseen": [], "page_bytes": 400_000,
}  # fmt: skip
FAILED = {"exit": 1, "files": 3, "seconds": 1.0, "changed": ["a.png"], "error": "no"}


def test_the_page_holds_what_was_stored(tmp_path: Path) -> None:
    ratio = {
        "name": "pixels", "ours": 1.1, "peer": 1.0, "unit": "s", "goal": "<= 1.15", "ratio": 1.1, "low": 1.0, "high": 1.2,
        "verdict": "undecided", "note": "n",
    }  # fmt: skip
    rows = [{"images": count, "near": count / 1000, "found": 0.5, "known": 1.0, "pairs": 7} for count in (1000, 2000)]
    steps = {"steps": ["near", "copies"], "rows": rows, "slopes": {"near": 1.0, "copies": None}, "note": "Material."}
    store.write_json(tmp_path / "audit_folders.json", {"folders": {"b": FAILED, "a": WELL}})
    store.write_json(tmp_path / "audit_pass.json", {"ratios": [ratio]})
    store.write_json(tmp_path / "audit_scale.json", steps)
    _audit_whole.write_page(tmp_path, tmp_path / "AUDIT.md")
    page = (tmp_path / "AUDIT.md").read_text(encoding="utf-8")
    assert "| a | 8 | classification | 0 | 2.00 | 250 | 0.5 | 1 / 2 / 0 | 0 | 0.4 | yes |" in page
    assert "| b | - | - | 1 | 1.00 | - | - | - | - | - | NO, 1 of 3 |" in page
    assert "| pixels | 1.10 s | 1.00 s | ≤ 1.15 | 1.10 [1.00, 1.20] | undecided |" in page
    assert "| 1000 | 1.00 | - | 7 | 50.0% | 100.0% |" in page
    assert "| slope | 1.00 | - |" in page


def test_an_audit_is_sound_with_a_page_and_an_untouched_folder(tmp_path: Path) -> None:
    assert audit_folders.sound(WELL)
    assert not audit_folders.sound(FAILED)
    assert not audit_folders.sound(WELL | {"page_bytes": 0})
    assert not audit_folders.sound(WELL | {"changed": ["x"]})
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"1")
    before = audit_folders.hashes(tmp_path)
    (tmp_path / "deep" / "a").write_bytes(b"2")
    assert before.keys() == audit_folders.hashes(tmp_path).keys() == {"deep/a"}
    assert before != audit_folders.hashes(tmp_path)


def test_a_blend_is_the_same_every_time_and_copies_are_like_their_source(tmp_path: Path, photos) -> None:
    catalog, pixels = open_pixels(read([photos(tmp_path / "images", each=10)]), size=64, cache=tmp_path / "cache")
    base = catalog.usable()
    made, drawn, source = audit_scale.enlarged(base, pixels.gather(pixels.rows_of(base)), 200)
    assert isinstance(made, Catalog)
    assert (len(made), len(source)) == (200, 10)
    rows = drawn.rows_of(made)
    assert (drawn.gather(rows[[5, 7]])[1] == drawn.gather(rows[[7]])[0]).all()
    copies, sources = (made.column("thumb")[part].astype(np.float64) for part in (np.arange(10), source))
    for copy, original in zip(copies, sources, strict=True):
        assert np.corrcoef(copy, original)[0, 1] > 0.95


def test_the_slope_is_of_the_last_three_sizes() -> None:
    rows = [{"images": count, "near": count**1.5} for count in (10, 100, 1000, 10_000)] + [{"images": 10**5}]
    assert audit_scale.slope(rows, "near") == pytest.approx(1.5)
    assert audit_scale.slope(rows, "copies") is None


def test_a_pair_has_one_key_whichever_comes_first() -> None:
    assert audit_scale.keys(np.asarray([[3, 1], [1, 3], [0, 2]]), 10).tolist() == [13, 13, 2]


def test_decoding_alone_writes_what_is_stored(tmp_path: Path, photos) -> None:
    catalog, pixels = open_pixels(read([photos(tmp_path / "images", each=4)]), size=32, cache=tmp_path / "cache")
    files = catalog.paths()
    assert decode_only.decode(files, 32, tmp_path / "peer.npy") == len(files)
    theirs = np.load(tmp_path / "peer.npy")
    assert (theirs == pixels.gather(pixels.rows_of(catalog))).all()
    assert decode_only.decode(files, 32, None) == len(files)
