"""Which transforms change the class: a 6 turned upside down is a 9, and a 0 stays a 0."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.rules.catalog.augment_changes_class import augment_changes_class
from snellen.shelf import TASKS
from snellen.train.features import embed
from snellen.train.job import normal_of
from snellen.train.machine import Setting
from snellen.train.semantics import TRANSFORMS, measure_transforms
from snellen.train.source import Samples
from snellen.values import FrozenMap

SIDE = 48


@pytest.fixture(scope="module")
def digits() -> tuple[Catalog, Pixels, object]:
    """Real digits, 400 of them, with the embedding that the audit stores."""
    found = load_digits()
    rows = np.concatenate([np.flatnonzero(found.target == digit)[:40] for digit in range(10)])
    small = (255 - found.images[rows] * 255 / 16).astype(np.uint8)
    array = np.repeat(np.kron(small, np.ones((1, 6, 6), np.uint8))[..., None], 3, axis=3)
    table = [
        {"id": f"d{i}", "content": f"c{i}", "path": f"{i}.png", "target": str(found.target[row])}
        | {"split": "test" if place % 10 == 9 else "train"}
        for i, (place, row) in enumerate((n % 40, row) for n, row in enumerate(rows))
    ]
    catalog = Catalog.of_rows(table)
    # Test images have no pixels here: whoever reads them fails.
    index = {f"c{i}": i for i, row in enumerate(table) if row["split"] == "train"}
    pixels = Pixels(array, FrozenMap(index))
    model = TASKS.pick("classification")().model(Recipe(), ("a", "b")).eval()
    train = catalog.of("train")
    samples = Samples.of(train, np.zeros(len(train), np.int64), pixels)
    points = np.zeros((len(catalog), 1280), np.float16)
    points[catalog.column("split").astype(str) == "train"] = embed(
        model, samples.plain(SIDE, *normal_of(model)), Setting()
    )
    return catalog.with_columns({"embedding": points}), pixels, model


def test_a_turned_nine_is_a_six(digits) -> None:
    catalog, pixels, model = digits
    found = measure_transforms(catalog, pixels, model, Setting(), size=SIDE)
    entries = found.about("transforms")
    assert {entry["transform"] for entry in entries} == set(TRANSFORMS)
    assert all(entry["kept"] + entry["moved"] <= entry["n"] <= 12 for entry in entries)
    pairs = {
        (finding.evidence["transform"], frozenset((finding.evidence["class"], finding.evidence["to"])))
        for finding in augment_changes_class(found)
    }
    assert ("turn", frozenset("69")) in pairs
    # What looks alike from all sides changes into nothing.
    assert not {"0", "8"} & set().union(*(names for _, names in pairs))
    again = measure_transforms(catalog, pixels, model, Setting(), size=SIDE)
    assert again.about("transforms") == entries


def test_too_few_images_say_nothing(digits) -> None:
    catalog, pixels, model = digits
    few = catalog.of("train").take(np.asarray([0, 1, 2, 40, 41, 42]))
    assert measure_transforms(few, pixels, model, Setting(), size=SIDE).about("transforms") == []
