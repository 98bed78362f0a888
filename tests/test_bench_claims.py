"""The claims: pairs of recipes that differ in what is claimed, verification as on LFW, the table."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _claim_arms
import claims
from _claim_arms import Ground, pairs, predictions, recipe_of
from _claims import BY_NAME, CLAIMS, RUNGS
from snellen import store
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.shelf import OPTIMIZERS
from snellen.tasks._retrieval import PAIRS, best_threshold
from snellen.values import SnellenError

NOTHING = Ground(Catalog.of_rows([]), Catalog.of_rows([]), Pixels(np.zeros((0, 32, 32, 3), np.uint8)), ())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_is_a_pair_of_recipes_that_differ(claim) -> None:
    if claim.name == "adamw" and "adam" not in OPTIMIZERS.names():
        pytest.skip("there is no Adam on the shelf")
    base, candidate = (recipe_of(claim, patch, NOTHING, 5) for patch in (claim.base, claim.candidate))
    assert base.diff(candidate)
    assert base.metric == claim.metric
    assert claim.published
    assert claim.source


def test_the_rungs_of_the_ladder_stand_on_each_other() -> None:
    ladder = [BY_NAME[f"ladder_{name}"] for name, *_ in RUNGS]
    for below, above in pairwise(ladder):
        assert recipe_of(above, above.base, NOTHING, 5).id == recipe_of(below, below.candidate, NOTHING, 5).id


def test_the_tail_is_as_long_as_stated() -> None:
    rows = [
        {"id": f"{name}{i}", "path": f"{name}{i}", "target": name, "split": "train"}
        for name in "abc"
        for i in range(100)
    ]
    catalog = Catalog.of_rows(rows)
    dropped = _claim_arms._tail(catalog, 25)
    kept = catalog.without(dropped).counts()
    assert kept == {"a": 100, "b": 20, "c": 4}
    assert _claim_arms._tail(catalog, 1) == ()


def test_the_threshold_is_the_best_one() -> None:
    chance = np.random.default_rng(1)
    same = chance.random(60) < 0.5
    alike = chance.normal(0, 1, 60) + same
    best = max(float(((alike >= limit) == same).mean()) for limit in alike)
    assert ((alike >= best_threshold(alike, same)) == same).mean() == best


def test_pairs_are_half_of_one_class_and_always_the_same() -> None:
    targets = np.repeat(np.arange(4), 30)
    left, right, same = pairs(targets)
    assert (left != right).all()
    assert 2 * same.sum() == len(same) == PAIRS
    assert np.array_equal(targets[left] == targets[right], same)
    assert np.array_equal(pairs(targets)[0], left)


def test_what_is_kept_of_an_arm_tells_which_images_were_right() -> None:
    right, targets = np.arange(13) % 3 > 0, np.arange(13) % 4
    rows = predictions({"right": _claim_arms._packed(right), "targets": targets.tolist()})
    assert np.array_equal(rows.correct, right)
    assert np.array_equal(rows.targets, targets)


def _file(folder: Path, name: str, seed: int, shares: tuple[float, float], epochs: int = 3) -> None:
    chance = np.random.default_rng(seed)
    easy = np.random.default_rng(99).random(400)
    arms = {}
    for side, share in zip(("base", "candidate"), shares, strict=True):
        right = easy + chance.normal(0, 0.05, 400) < share
        arms[side] = {
            "recipe": side, "seconds": 1.0, "right": _claim_arms._packed(right), "targets": (np.arange(400) % 10).tolist(),
            "numbers": {"accuracy": float(right.mean()), "intra_class": 1 - share, "intra_over_inter": 1.0},
        }  # fmt: skip
    about = {
        "claim": name, "seed": seed, "data": BY_NAME[name].data, "measure": BY_NAME[name].measure, "epochs": epochs,
        "train": 100, "n": 400, "precision": "fp32", "torch": "2", "threads": 1,
    }  # fmt: skip
    store.write_json(folder / f"{name}-s{seed}.json", {**about, **arms})


def test_the_table_says_what_held_and_what_did_not(tmp_path: Path) -> None:
    for seed in range(5):
        _file(tmp_path, "cutmix", seed, (0.6, 0.8))
        _file(tmp_path, "cosine", seed, (0.8, 0.6))
        _file(tmp_path, "center_digits", seed, (0.7, 0.7))
    _file(tmp_path, "adamw", 0, (0.6, 0.8))
    _file(tmp_path, "cutmix", 7, (0.1, 0.9), epochs=1)  # Of another length: it is not mixed in.
    lines = {line.split(":")[0].removeprefix("| "): line for line in claims.table(tmp_path).splitlines() if "×" in line}
    assert lines["cutmix"].endswith("5 × 400 | held |")
    assert lines["cosine"].endswith("5 × 400 | did not hold |")
    assert lines["center_digits"].endswith("| open |")
    assert lines["adamw"].endswith("(only 1 seeds) |")
    text = claims.table(tmp_path)
    assert "intra-class distance | 0.3 → 0.3 | +0.00" in text
    assert "Not measured: label_smoothing" in text


def test_arms_that_were_measured_alike_are_known(tmp_path: Path) -> None:
    _file(tmp_path, "cutmix", 0, (0.6, 0.8))
    about = {
        "claim": "cosine", "seed": 0, "data": "cifar10_12k", "measure": "rows", "epochs": 3, "train": 100, "n": 400,
        "precision": "fp32", "torch": "2", "threads": 1,
    }  # fmt: skip
    assert set(claims._known(tmp_path, about)) == {"base", "candidate"}
    assert claims._known(tmp_path, {**about, "epochs": 4}) == {}
    assert claims._known(tmp_path, {**about, "seed": 1}) == {}


def test_a_wrong_name_gets_a_hint() -> None:
    with pytest.raises(SnellenError, match=r"did you mean.*cutmix"):
        claims._named("cutmx")
