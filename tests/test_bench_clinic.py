"""The clinic: seeded faults that each change something, halves dealt beforehand."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _clinic_ground
import _clinic_score as score
import clinic
from _clinic_answers import ANSWERS
from _clinic_arms import fresh, proposed
from _clinic_cells import holds, made_of, recipe_id
from _clinic_faults import FAULTS, drawn, halves, planted, wrong_labels
from _clinic_ground import HEALING, SETS, identity, recipe_of
from snellen.run import Run
from snellen.shelf import CATALOG_RULES, RUN_RULES
from snellen.store import Journal
from snellen.values import Finding, SnellenError


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of noise: 12 training, 4 validation and 4 test images each."""
    place, chance = tmp_path_factory.mktemp("clinic") / "图 small", np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4), ("test", 4)):
        for name in "abcd":
            (place / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = chance.integers(0, 255, (24, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / split / name / f"{number}.png")
    return place


@pytest.fixture
def noise(small: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """These images as one of the clinic's datasets: its name, below `small.parent`. Most of them are drawn for a seed."""
    monkeypatch.setattr(_clinic_ground, "SETS", {small.name: {split: (split,) for split in ("train", "val", "test")}})
    monkeypatch.setattr(_clinic_ground, "EACH", {"train": 10, "val": 3, "test": 4})
    _clinic_ground.drawn_from.cache_clear()
    yield small.name
    _clinic_ground.drawn_from.cache_clear()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def test_there_are_twenty_kinds_and_more_and_each_has_an_answer() -> None:
    assert len(FAULTS) >= 20
    assert set(FAULTS) == set(ANSWERS)
    assert len({fault.what for fault in FAULTS.values()}) == len(FAULTS)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_kind_changes_the_recipe_or_the_images_and_never_the_test_split(
    kind: str, small: Path, tmp_path: Path
) -> None:
    fault, before = FAULTS[kind], contents(small)
    healthy, faulty = recipe_of("healthy", 1), recipe_of(kind, 1)
    changes = healthy.diff(faulty)
    assert faulty.refused() is None
    assert not {"task", "metric", "seed"} & set(changes)
    if fault.spoil is None:
        assert changes
        assert planted(fault, small, tmp_path / "x", drawn("k")) == small
        return
    places = [planted(fault, small, tmp_path / name, drawn(kind, "noise", seed)) for name, seed in (("x", 1), ("y", 1))]
    one, again = map(contents, places)
    assert one == again, "the same seed plants the same"
    assert one != before
    assert contents(small) == before, "the images themselves are not touched"
    assert {k: v for k, v in one.items() if k.startswith("test/")} == {
        k: v for k, v in before.items() if k.startswith("test/")
    }
    assert all(
        any(path.startswith(f"{split}/{name}/") for path in one) for split in ("train", "val") for name in "abcd"
    )


def test_a_copy_that_was_not_finished_is_made_anew(small: Path, tmp_path: Path) -> None:
    fault = FAULTS["copied"]
    whole = contents(planted(fault, small, tmp_path / "x", drawn("one")))
    (tmp_path / "x.ready").unlink()
    shutil.rmtree(tmp_path / "x" / "val")
    assert contents(planted(fault, small, tmp_path / "x", drawn("one"))) == whole


def test_other_seeds_plant_other_images(small: Path, tmp_path: Path) -> None:
    places = [
        planted(FAULTS["labels_wrong"], small, tmp_path / str(s), drawn("labels_wrong", "noise", s)) for s in (1, 2)
    ]
    assert contents(places[0]).keys() != contents(places[1]).keys()


def test_halves_are_dealt_by_the_names_alone_and_every_kind_has_both() -> None:
    dealt = halves(tuple(SETS))
    assert dealt == halves(tuple(SETS))
    assert len(dealt) == len(FAULTS) * len(SETS)
    for kind in FAULTS:
        assert {dealt[kind, name] for name in SETS} == {"tuning", "report"}
    share = sum(half == "tuning" for half in dealt.values()) / len(dealt)
    assert 0.45 < share < 0.55


def test_every_seed_draws_images_of_its_own_and_what_is_compared_has_the_same(
    noise: str, small: Path, tmp_path: Path
) -> None:
    folders = [_clinic_ground.folder_of(noise, seed, small.parent, tmp_path) for seed in (0, 1, 0)]
    assert folders[0] == folders[2] != folders[1]
    one, other = (set(contents(folder).values()) for folder in folders[:2])
    assert len(one) == len(other) == 4 * (10 + 3 + 4)
    assert one != other
    healthy = identity("healthy", noise, 0, small.parent)
    assert identity("rate_high", noise, 0, small.parent) == healthy
    assert identity("healthy", noise, 1, small.parent) != healthy
    assert identity("labels_wrong", noise, 0, small.parent) != healthy


def test_the_images_of_a_healthy_training_go_and_come_back_the_same(noise: str, small: Path, tmp_path: Path) -> None:
    folder = _clinic_ground.folder_of(noise, 5, small.parent, tmp_path)
    before = contents(folder)
    _clinic_ground.let_go(noise, 5, small.parent, tmp_path)
    assert not folder.exists()
    assert contents(_clinic_ground.folder_of(noise, 5, small.parent, tmp_path)) == before


def test_there_are_as_many_healthy_trainings_as_faulty_ones_each_of_its_own_seed() -> None:
    found = clinic.cells([*FAULTS, "healthy"], list(SETS), 3, "both")
    healthy = [cell for cell in found if cell.kind == "healthy"]
    assert len(healthy) == len(found) - len(healthy)
    assert len(set(found)) == len(found)
    for name in SETS:
        seeds = sorted(cell.seed for cell in healthy if cell.data == name)
        assert seeds[:3] == [0, 1, 2], "the faulty trainings' own seeds are there to compare with"
    half = clinic.cells(["rate_high"], list(SETS), 1, "report")
    assert {cell.half for cell in half} == {"report"}
    with pytest.raises(SnellenError, match="rate_hihg"):
        clinic.cells(["rate_hihg"], list(SETS), 1, "both")


def test_seeds_of_a_kind_share_a_recipe_and_the_rules_named_in_answers_are_real_or_announced() -> None:
    assert recipe_of("rate_high", 0).id == recipe_of("rate_high", 2).id
    known = {*RUN_RULES.names(), *CATALOG_RULES.names()}
    for kind, answer in ANSWERS.items():
        assert set(answer.rules) & known, f"no rule of the house can find {kind}"


def test_healing_is_held_to_as_many_remedies_for_every_kind() -> None:
    healthy = recipe_of("healthy", 0).improve
    assert {key: getattr(healthy, key) for key in HEALING} == HEALING
    assert all(recipe_of(kind, 0).improve == healthy for kind in FAULTS)


def test_another_recipe_fault_or_draw_is_another_cell(noise: str, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, recipe, images = small.parent, ("rate_high", noise, 0), ("labels_wrong", noise, 0)
    before = {key: made_of(key, root) for key in (recipe, images)}
    assert before == {key: made_of(key, root) for key in (recipe, images)}
    assert made_of(("rate_high", noise, 1), root) != before[recipe]
    with monkeypatch.context() as patch:
        patch.setitem(FAULTS, "labels_wrong", replace(FAULTS["labels_wrong"], spoil=wrong_labels(0.34)))
        assert made_of(images, root) != before[images]
        assert made_of(recipe, root) == before[recipe]
        patch.setitem(FAULTS, "rate_high", replace(FAULTS["rate_high"], patch={"optim.lr": 3e-2}))
        recipe_id.cache_clear()
        assert made_of(recipe, root) != before[recipe]
    recipe_id.cache_clear()
    assert {key: made_of(key, root) for key in (recipe, images)} == before
    monkeypatch.setattr(_clinic_ground, "EACH", {"train": 9, "val": 3, "test": 4})
    _clinic_ground.drawn_from.cache_clear()
    assert made_of(recipe, root) != before[recipe]


def test_a_record_of_another_recipe_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clinic, "RESULTS", tmp_path / "clinic.jsonl")
    monkeypatch.setattr(clinic, "made_of", lambda key, root: "now")
    given = SimpleNamespace(kinds="rate_high", sets="clothing", seeds=1, half="both", minutes=1.0, data=tmp_path)
    item = {"part": "look", "kind": "rate_high", "data": "clothing", "seed": 0}
    for made, left in (("before", 1), ("now", 0)):
        Journal(clinic.RESULTS).append({**item, "made_of": made})
        assert len(list(clinic._left(given, "look"))) == left
    assert len(list(clinic._left(given, "arms"))) == 1
    # Without the dataset the recipe alone can be compared.
    assert holds({**item, "recipe": recipe_id("rate_high")}, tmp_path)
    assert not holds({**item, "recipe": "another"}, tmp_path)
    assert not holds(item, tmp_path)
    assert not holds({**item, "kind": "gone", "recipe": recipe_id("rate_high")}, tmp_path)


def test_random_remedies_change_the_recipe_and_none_is_asked_for_samples_it_has_not() -> None:
    recipe = recipe_of("healthy", 0)
    found = proposed(recipe, [])
    names = {remedy.name for remedy in found}
    assert {"lower_lr", "cutmix", "weight_decay", "longer"} <= names
    assert not {"drop_leaked", "drop_suspect_labels"} & names
    assert all(recipe.change(remedy.patch).id != recipe.id for remedy in found)
    noisy = Finding(rule="label_noise", severity="warn", message="1", samples=("s0",))
    assert "drop_suspect_labels" in {remedy.name for remedy in proposed(recipe, [noisy])}


def test_what_is_said_of_the_healthy_data_too_is_not_the_faults() -> None:
    one = Finding(rule="near_duplicates", severity="warn", message="2", samples=("a", "b"))
    more = Finding(rule="near_duplicates", severity="warn", message="3", samples=("a", "b", "c"))
    assert fresh([one], [one]) == {}
    assert fresh([more], [one]) == {"near_duplicates": "warn"}
    # A copy of an image that is said of too is no further image.
    twice = Finding(rule="near_duplicates", severity="warn", message="3", samples=("a", "b", "b~1"))
    assert fresh([twice], [one]) == {}


def test_a_cell_is_trained_examined_and_tested(noise: str, small: Path, tmp_path: Path) -> None:
    """The whole way on noise: no figure means anything, but every file is there."""
    found = _clinic_ground.ground("healthy", noise, 0, small.parent, tmp_path)
    recipe = recipe_of("too_short", 0).change({"model.weights": "none", "data.size": 32, "data.eval_size": 32})
    lab = clinic.lab_of(found, tmp_path / "cell")
    told = clinic.look(lab, recipe)
    assert told["n"] == 16
    assert len(score.unpacked(told)) == 16
    assert told["cpu"]["train"] == pytest.approx(lab.spent, abs=0.01)
    run = Run.open(next((tmp_path / "cell" / "runs").iterdir()))
    assert run.predictions("test").correct.mean() == pytest.approx(told["test"], abs=1e-3)
    assert not (run.folder / "checkpoints").exists()
    _clinic_ground.let_go(noise, 0, small.parent, tmp_path)
    _clinic_ground._heard.cache_clear()
    again = _clinic_ground.heard("healthy", noise, 0, small.parent, tmp_path)
    assert [(f.rule, f.severity) for f in again] == [(f.rule, f.severity) for f in found.findings]
