"""What drops samples is trained only where that changes the training and leaves something to compare."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snellen.catalog import Catalog
from snellen.improve.pointless import pointless
from snellen.recipe import Recipe

ROWS = [
    ("a", "cat", "train"),
    ("b", "cat", "train"),
    ("c", "狗", "train"),
    ("d", "狗", "train"),
    ("e", "cat", "val"),
    ("f", "狗", "val"),
]


def _said(*drop: str) -> str:
    rows = [{"id": name, "path": f"{name}.png", "target": target, "split": split} for name, target, split in ROWS]
    lab: Any = SimpleNamespace(catalog=Catalog.of_rows(rows))
    return pointless(lab, Recipe(), Recipe().change({"data.drop": drop}))


def test_only_what_is_trained_on_can_be_left_out() -> None:
    assert _said() == ""
    assert _said("a", "c", "e") == ""
    assert _said("e", "f") == "none of the samples that it would leave out is trained on"


def test_a_class_is_not_left_without_an_image() -> None:
    assert _said("c", "d") == "it would leave a class without an image to train on"
    assert _said("a", "b", "c", "d") == "it would leave a class without an image to train on"


def test_what_drops_nothing_is_none_of_its_business(tmp_path: Path) -> None:
    nothing: Any = None
    assert pointless(nothing, Recipe(), Recipe().change({"optim.lr": 1e-3})) == ""
