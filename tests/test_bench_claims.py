"""The claims: pairs of recipes that differ in what is claimed, verification as on LFW, what is kept of an arm and when, the table."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _claim_arms
import claims
from _claim_arms import ASKED, FOLDER, Ground, _packed, by_group, keep, kept, pairs, predictions, recipe_of, spaced
from _claims import BY_NAME, CLAIMS, RUNGS
from snellen import store
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.shelf import OPTIMIZERS
from snellen.tasks._retrieval import PAIRS, best_threshold
from snellen.train.machine import Setting
from snellen.values import SnellenError

NOTHING = Ground(Catalog.of_rows([]), Catalog.of_rows([]), Pixels(np.zeros((0, 32, 32, 3), np.uint8)), ())
# What is the same of all arms here: of one kind, and of a claim's data.
KIND = {"epochs": 3, "train": 100, "n": 400, "precision": "fp32", "torch": "2", "threads": 1}
ARM = {
    **KIND, "claim": "cosine", "side": "base", "seed": 0, "data": "cifar10_12k", "measure": "rows", "recipe": "base",
}  # fmt: skip
TOLD = {"seconds": 1.0, "right": _packed(np.ones(4, bool)), "targets": "0 1 0 1", "numbers": {"accuracy": 1.0}}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_is_a_pair_of_recipes_that_differ(claim) -> None:
    if claim.name == "adamw" and "adam" not in OPTIMIZERS.names():
        pytest.skip("there is no Adam on the shelf")
    base, candidate = (recipe_of(claim, patch, NOTHING, 5) for patch in (claim.base, claim.candidate))
    assert base.diff(candidate)
    assert base.metric == claim.metric
    assert claim.published
    assert claim.source


def test_adam_gets_a_decay_that_is_usual_for_it() -> None:
    claim = BY_NAME["adamw"]
    base, candidate = (recipe_of(claim, patch, NOTHING, 5) for patch in (claim.base, claim.candidate))
    assert (base.optim.name, base.optim.weight_decay) == ("adam", 5e-4)
    assert (candidate.optim.name, candidate.optim.weight_decay) == ("adamw", 0.05)
    assert set(base.diff(candidate)) == {"optim.name", "optim.weight_decay"}
    assert "5e-4" in claim.note


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
    rows = predictions({"right": _packed(right), "targets": spaced(targets)})
    assert np.array_equal(rows.correct, right)
    assert np.array_equal(rows.targets, targets)


def test_what_was_asked_is_written_once_for_all_arms_of_a_data(tmp_path: Path) -> None:
    first = {"data": "digits", "targets": "0 1 1", "groups": "0 0 1", "right": _packed(np.ones(3, bool))}
    every = [first, {**first, "right": _packed(np.zeros(3, bool))}, {**first, "targets": "0 1 0"}]
    for place, told in enumerate(every):
        keep(tmp_path / f"{place}.json", told)
    assert [kept(tmp_path / f"{place}.json") for place in range(3)] == every
    assert len(list((tmp_path / FOLDER).iterdir())) == 2
    assert not set(ASKED) & set(store.read_json(tmp_path / "0.json"))


def test_the_groups_of_an_arm_make_up_its_accuracy() -> None:
    found = by_group({"right": _packed(np.asarray([1, 1, 0, 1], bool)), "targets": "0 1 0 1", "groups": "0 0 0 1"})
    assert found.tolist() == [1.0, 0.5]
    assert found.mean() == 0.75


def _file(folder: Path, name: str, seed: int, shares: tuple[float, float], epochs: int = 3) -> None:
    chance = np.random.default_rng(seed)
    easy = np.random.default_rng(99).random(400)
    for side, share in zip(claims.SIDES, shares, strict=True):
        right = easy + chance.normal(0, 0.05, 400) < share
        told = {
            **KIND, "claim": name, "side": side, "seed": seed, "data": BY_NAME[name].data, "measure": BY_NAME[name].measure,
            "epochs": epochs, "recipe": side, "seconds": 1.0, "right": _packed(right), "targets": spaced(np.arange(400) % 10),
            "numbers": {"accuracy": float(right.mean()), "intra_class": 1 - share, "intra_over_inter": 1.0},
        }  # fmt: skip
        keep(folder / claims.file_name(told), told)


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
    assert "Adam 5e-4, added to the gradient" in lines["adamw"]


def test_arms_are_pairs_only_where_they_were_made_alike(tmp_path: Path) -> None:
    _file(tmp_path, "cutmix", 0, (0.6, 0.8))
    (path,) = tmp_path.glob("cutmix-candidate-*.json")
    assert len(claims._pairs(tmp_path, BY_NAME["cutmix"])) == 1
    keep(path, {**kept(path), "torch": "3"})
    assert claims._pairs(tmp_path, BY_NAME["cutmix"]) == []


def _verified(seed: int) -> tuple[dict, dict]:
    """Both arms on pairs of images of four classes, of which one alone is helped, in every seed."""
    groups = np.arange(400) % 4
    right = np.random.default_rng(99).random(400) + np.random.default_rng(seed).normal(0, 0.05, 400) < 0.7
    about = {
        **ARM,
        "claim": "arcface_verification",
        "measure": "verification",
        "data": "fashion_mnist_small",
        "seed": seed,
    }
    both = []
    for side, told in zip(claims.SIDES, (right, right | (groups == 0)), strict=True):
        asked = {"targets": spaced(np.arange(400) // 4 % 2), "groups": spaced(groups)}
        numbers = {"accuracy": float(told.mean())}
        both.append(
            {**about, "side": side, "recipe": side, "seconds": 1.0, "right": _packed(told), **asked, "numbers": numbers}
        )
    return both[0], both[1]


def test_pairs_of_images_are_not_taken_for_independent(tmp_path: Path) -> None:
    claim, pairs = BY_NAME["arcface_verification"], [_verified(seed) for seed in range(5)]
    arms = [list(side) for side in zip(*pairs, strict=True)]
    by_class, by_pair = claims._by_class(arms), claims._by_image(claim, arms)
    assert (by_class.seeds, by_class.samples) == (5, 4)
    assert by_class.effect == pytest.approx(by_pair.effect)
    assert by_class.candidate == pytest.approx(np.mean([arm["numbers"]["accuracy"] for arm in arms[1]]))
    # One class of four says little about the next; as so many pairs it would look proven.
    assert by_pair.low > 0
    assert by_class.low < 0 < by_class.high
    for told in (one for pair in pairs for one in pair):
        keep(tmp_path / claims.file_name(told), told)
    (line,) = (line for line in claims.table(tmp_path).splitlines() if line.startswith("| arcface_verification"))
    assert "not independent" in line
    assert line.endswith("5 × 4 classes | open |")


def test_arms_that_were_measured_alike_are_known(tmp_path: Path) -> None:
    _file(tmp_path, "cutmix", 0, (0.6, 0.8))
    found = claims._known(tmp_path, ARM)
    assert found is not None
    assert (found["claim"], found["side"]) == ("cutmix", "base")
    others = ({"epochs": 4}, {"seed": 1}, {"train": 50}, {"n": 50}, {"precision": "bf16"}, {"recipe": "other"})
    assert all(claims._known(tmp_path, {**ARM, **other}) is None for other in others)


@pytest.mark.parametrize("other", [{"train": 50}, {"precision": "bf16"}, {"epochs": 4}, {"seed": 1}], ids=str)
def test_other_settings_have_other_files_and_other_trainings(other: dict) -> None:
    assert claims.file_name({**ARM, **other}) != claims.file_name(ARM)
    assert claims.work_name({**ARM, **other}) != claims.work_name(ARM)


def test_an_arm_that_is_known_is_not_measured(tmp_path: Path) -> None:
    def never() -> dict:
        raise AssertionError("measured again")

    told = claims._arm(ARM, tmp_path, tmp_path / "work", lambda: TOLD)
    assert claims._arm(ARM, tmp_path, tmp_path / "work", never) == told
    other = {**ARM, "claim": "label_smoothing", "side": "candidate"}
    assert claims._arm(other, tmp_path, tmp_path / "work", never)["right"] == told["right"]
    assert kept(tmp_path / claims.file_name(other))["side"] == "candidate"


def test_an_arm_outlives_an_interruption_of_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def stopped_at_the_second(claim, recipe, found, folder: Path, cache: Path, setting: Setting) -> dict:
        asked.append(recipe.optim.name)
        folder.mkdir(parents=True, exist_ok=True)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return TOLD

    monkeypatch.setattr(claims, "arm", stopped_at_the_second)
    claim, results, work = BY_NAME["adamw"], tmp_path / "results", tmp_path / "work"
    catalog = Catalog.of_rows([{"id": f"{i}", "path": f"{i}", "target": "a", "split": "train"} for i in range(4)])
    found = Ground(catalog, catalog, NOTHING.pixels, ())
    about = {**claims._about(claim, found, 3, Setting()), "seed": 0}
    with pytest.raises(KeyboardInterrupt):
        claims._seed(claim, found, about, results, work, Setting())
    assert [store.read_json(path)["side"] for path in results.glob("*.json")] == ["base"]
    # The training that was stopped is there to go on from; that of the written arm is gone.
    assert len(list(work.iterdir())) == 1
    claims._seed(claim, found, about, results, work, Setting())
    assert asked == ["adam", "adamw", "adamw"]
    assert len(claims._pairs(results, claim)) == 1
    assert list(work.iterdir()) == []


def test_a_wrong_name_gets_a_hint() -> None:
    with pytest.raises(SnellenError, match=r"did you mean.*cutmix"):
        claims._named("cutmx")
