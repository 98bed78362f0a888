"""Rules about what images are like: planted faults in real images are found, real images are left alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.rules.outlying import odd_ones, robust_z
from snellen.rules.tints import Tints
from snellen.shelf import CATALOG_RULES

# Rule -> what a bench's list calls the fault.
KINDS = {
    "blank_images": "blank",
    "blurred_images": "blur",
    "bright_images": "overexposed",
    "dark_images": "dark",
    "grey_images": "grayscale",
    "noisy_images": "noise",
    "odd_aspect": "odd_aspect",
    "tiny_images": "tiny",
    "truncated_images": "truncated",
}
ALL = (*KINDS, "channel_order", "low_contrast", "odd_size", "rotated_by_exif")


def measured(folder: Path, cache: Path) -> Catalog:
    return open_pixels(read([folder]), size=160, cache=cache)[0]


def flagged(catalog: Catalog, rule: str) -> set[str]:
    """Paths of what a rule lists."""
    ids = [sample for finding in CATALOG_RULES.pick(rule)(catalog) for sample in finding.samples]
    return set(catalog.take(catalog.rows(ids)).table.column("path").to_pylist())


@pytest.mark.parametrize("name", ["stamps_cls_faults", "grocery_small_faults"])
def test_planted_faults_are_found_and_nothing_else(shared: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    root = shared(name)
    planted = defaultdict(set)
    for fault in json.loads((root / "faults.json").read_text())["faults"]:
        planted[fault["type"]].add(fault.get("path"))
    catalog = measured(root, tmp_path)
    for rule, kind in KINDS.items():
        found = flagged(catalog, rule)
        assert planted[kind], kind
        assert len(found & planted[kind]) >= 0.9 * len(planted[kind]), rule
        assert len(found & planted[kind]) >= 0.9 * len(found), rule
    for rule in set(ALL) - set(KINDS):
        assert not flagged(catalog, rule), rule


@pytest.mark.parametrize(
    "name", ["stamps_cls", "grocery_small", "fashion_mnist_small", "digits_domains", "emoji_domains"]
)
def test_real_images_raise_few_flags(shared: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    catalog = measured(shared(name), tmp_path)
    found = set().union(*(flagged(catalog, rule) for rule in ALL))
    assert len(found) <= 0.01 * len(catalog)


def test_an_exchanged_source_is_found_and_its_right_twin_is_not(shared: Callable[[str], Path], tmp_path: Path) -> None:
    """Half of the images under another root, as they are and with red and blue exchanged."""
    files = sorted((shared("grocery_small") / "train").rglob("*.jpg"))
    found = {}
    for case, exchange in (("right", False), ("wrong", True)):
        for number, file in enumerate(files):
            there = number % 3 == 0
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("RGB"))
            path = tmp_path / case / ("there" if there else "here") / file.parent.name / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[:, :, ::-1].copy() if exchange and there else pixels).save(path, quality=90)
        catalog, _ = open_pixels(
            read([tmp_path / case / "here", tmp_path / case / "there"]), size=64, cache=tmp_path / "cache"
        )
        found[case] = CATALOG_RULES.pick("channel_order")(catalog)
    assert found["right"] == []
    (finding,) = found["wrong"]
    assert finding.evidence["group"] == "there"
    assert len(finding.samples) == len([file for number, file in enumerate(files) if number % 3 == 0])


def test_tints_that_are_turned_over_are_told_from_another_light() -> None:
    """Ten classes whose images differ more than their tints do; a fifth of the images is exchanged, or something else befell it."""
    chance = np.random.default_rng(0)
    members, inside = np.split(np.arange(1050), 10), np.tile(np.arange(105) < 20, 10)
    cases = {
        "exchanged": (-1.0, 0.0),
        "same": (1.0, 0.0),
        "colder": (1.0, -0.2),
        "faded": (0.3, 0.0),
        "grey": (0.0, 0.0),
    }
    found = dict.fromkeys(cases, 0)
    for _ in range(50):
        tint = np.repeat(chance.normal(0.03, 0.1, 10), 105) + chance.normal(0, 0.12, 1050)
        for case, (strength, cast) in cases.items():
            tints = Tints.of(np.where(inside, strength * tint + cast, tint), members, inside, each=5)
            found[case] += tints.power >= 4 and tints.fit >= 1e-3
    assert found.pop("exchanged") >= 45
    assert not any(found.values()), found


def test_the_tint_of_one_class_alone_says_nothing() -> None:
    inside = np.arange(40) < 10
    tint = np.where(inside, -0.2, 0.2) + np.linspace(-0.01, 0.01, 40)
    assert Tints.of(tint, [np.arange(40)], inside, each=5).power < 1
    assert Tints.of(tint, [np.arange(40)], inside, each=20).power == 0


def test_a_turned_photo_is_told_and_warned_of_where_boxes_are(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    chance = np.random.default_rng(0)
    for number in range(4):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(chance.integers(0, 256, (40, 60, 3), dtype=np.uint8))
        image.save(path, **({"exif": exif} if number == 1 else {}))
    catalog = measured(tmp_path / "data", tmp_path / "cache")
    rule = CATALOG_RULES.pick("rotated_by_exif")
    (finding,) = rule(catalog)
    assert (finding.severity, finding.evidence["tags"]) == ("info", {"6": 1})
    assert rule(catalog.with_about({"task": "detection"}))[0].severity == "warn"


def test_robust_z_is_not_moved_by_the_odd_ones() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(5, 2, 1000), np.full(100, 1e6), [np.nan]])
    z = robust_z(values, floor=1e-3)
    assert z[:1000].std() == pytest.approx(0.9, abs=0.1)
    assert (z[1000:1100] > 1000).all()
    assert np.isnan(z[-1])
    assert np.isnan(robust_z(np.full(3, np.nan), floor=1.0)).all()


def test_what_is_usual_in_a_source_or_class_is_not_odd_there() -> None:
    rows = [
        {"id": f"s{i}", "source": "night" if i < 15 else "day", "target": "owl" if i % 2 else "cat"} for i in range(200)
    ]
    catalog = Catalog.of_rows(rows)
    dark = np.arange(200) < 10
    assert len(odd_ones(catalog, dark, dark * 9.0, least=3.0)) == 0
    elsewhere = np.isin(np.arange(200), (100, 150))
    odd = odd_ones(catalog, elsewhere, elsewhere * np.linspace(5, 9, 200), least=3.0)
    assert odd.ids == ("s150", "s100")


def test_a_catalog_of_nothing_is_no_error() -> None:
    names = (
        "low",
        "high",
        "bright",
        "blur",
        "noise",
        "chroma",
        "red",
        "blue",
        "width",
        "height",
        "orientation",
        "lost",
    )
    row = {name: float("nan") for name in names}
    catalog = Catalog.of_rows([{"id": "s0", "verdict": "unreadable", **row}])
    for rule in set(ALL) - {"blank_images"}:
        assert CATALOG_RULES.pick(rule)(catalog) == [], rule
