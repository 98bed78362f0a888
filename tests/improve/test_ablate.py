"""The ladder of techniques: what is compared with what, what is refused, and what a short budget leaves out."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from snellen.case import Case
from snellen.improve.ablate import FULL, HEAD, LADDER, WITHOUT, ablate, rungs, told
from snellen.improve.lab import Lab
from snellen.improve.techniques import ALL, technique
from snellen.opening import with_defaults
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.train.machine import Setting
from snellen.values import SnellenError

sys.path.append(str(Path(__file__).parents[1] / "train"))

import tiny

PLAIN = Recipe()
DEFAULT = TASKS.constant("classification", "ABLATES")
SHORT = {"stages": [{"name": "head", "unfreeze": "head", "epochs": 2, "lr_scale": 5.0}], "augment.mixup": 0.0}


@pytest.fixture
def recipe() -> Recipe:
    return tiny.recipe(SHORT)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    folder = tmp_path / "case"
    return Lab(Case(folder), *tiny.material(), Setting(), folder / "cache", lambda event: None, lambda: False, None)


@pytest.fixture(autouse=True)
def one_thread() -> object:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def named(*names: str) -> list:
    return [technique(name) for name in names]


def test_rungs_stand_on_each_other_and_all_but_the_last_are_left_out() -> None:
    found = rungs(PLAIN, named(*DEFAULT))
    ladder = [rung for rung in found if rung.kind == LADDER]
    assert [rung.technique.name for rung in ladder] == list(DEFAULT)
    for below, above in pairwise(ladder):
        assert below.having.id == above.without.id
    base, full = ladder[0].without, ladder[-1].having
    assert (base.augment.parts, base.augment.cutmix, base.loss.name) == ((), 0.0, "cross_entropy")
    assert base.stages[0].schedule.name == "step"
    assert base.loss.settings["smoothing"] == 0.0
    assert (full.augment.cutmix, full.augment.mixup, full.loss.name) == (1.0, 0.4, "focal")
    assert full.loss.settings["smoothing"] == 0.1
    left = [rung for rung in found if rung.kind == WITHOUT]
    assert [rung.technique.name for rung in left] == list(DEFAULT[:-1])
    assert {rung.having.id for rung in left} == {full.id}
    assert len({rung.without.id for rung in found}) == len(DEFAULT) + len(left)


def test_the_recipes_own_augmentation_is_what_augment_adds() -> None:
    recipe = PLAIN.change({"augment.parts": [{"name": "rotate"}]})
    (rung,) = rungs(recipe, named("augment"))
    assert [part.name for part in rung.having.augment.parts] == ["rotate"]
    assert rung.without.augment.parts == ()


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_every_technique_can_be_added_alone_and_tells_its_source(one) -> None:
    (rung,) = rungs(PLAIN, [one])
    assert rung.without.diff(rung.having)
    assert rung.without.refused() is rung.having.refused() is None
    assert one.claim
    assert one.source.startswith("SPEC ")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("cutmax",), "no technique is named 'cutmax'; did you mean 'cutmix'"),
        (("mixup", "mixup"), "each once"),
        (("cutmix", "arcface"), "the margin belongs to one class"),
        (("focal", "class-balanced"), "focal is undone by a technique after it"),
        (("balanced-sampling", "class-balanced"), "class_balanced"),
    ],
)
def test_what_cannot_be_is_refused(names: tuple[str, ...], says: str) -> None:
    with pytest.raises(SnellenError, match=says):
        rungs(PLAIN, named(*names))


def test_label_smoothing_needs_a_loss_that_smooths() -> None:
    with pytest.raises(SnellenError, match="has no setting smoothing"):
        rungs(PLAIN.change({"loss": {"name": "arcface", "settings": {}}}), named("label-smoothing"))


def test_it_trains_compares_and_goes_on(lab: Lab, recipe: Recipe) -> None:
    chosen = named("label-smoothing", "clipping")
    found = ablate(lab, recipe, chosen, seeds=2)
    assert found.how == FULL
    assert not found.left
    assert [(item.rung.technique.name, item.rung.kind) for item in found.measured] == [
        ("label-smoothing", LADDER), ("clipping", LADDER), ("label-smoothing", WITHOUT),
    ]  # fmt: skip
    for item in found.measured:
        assert item.verdict.low <= item.verdict.effect <= item.verdict.high
        assert item.verdict.effect == pytest.approx(item.after - item.before)
        assert math.isfinite(item.cost)
    runs = len(list((lab.case.folder / "runs").iterdir()))
    assert runs == 2 * 4
    again = ablate(lab, recipe, chosen, seeds=2)
    assert told(again)["rows"] == told(found)["rows"]
    assert len(list((lab.case.folder / "runs").iterdir())) == runs
    assert len(lab.case.verdicts) == 3
    assert not (lab.case.folder / "test_opened.json").exists()


def test_a_short_budget_is_told_and_spent_on_heads(lab: Lab, recipe: Recipe) -> None:
    hurried = dataclasses.replace(lab, deadline=time.monotonic())
    found = ablate(hurried, recipe, named("label-smoothing", "mixup"), seeds=2)
    assert found.how == HEAD
    assert [item.rung.technique.name for item in found.measured] == ["label-smoothing"]
    assert found.measured[0].cost is None
    assert set(found.left) == {"label-smoothing, left out", "mixup"}
    assert told(found)["rows"][1]["cost"] is None
    with pytest.raises(SnellenError, match="does not hold two trainings"):
        ablate(hurried, recipe, named("mixup"), seeds=2)


def test_the_names_of_techniques_are_told_by_the_command() -> None:
    text = (Path(__file__).parents[2] / "src" / "snellen" / "cli_experiments.py").read_text(encoding="utf-8")
    assert ", ".join(one.name for one in ALL) in text


@pytest.mark.parametrize("task", TASKS.names())
def test_what_a_task_is_ablated_by_can_be_had(task: str) -> None:
    recipe = with_defaults(Recipe().change({"task": task}), {"task": task}).change(
        {"stages.all.schedule": {"name": "poly"}}
    )
    names = TASKS.constant(task, "ABLATES")
    ladder = [rung for rung in rungs(recipe, named(*names)) if rung.kind == LADDER]
    assert [rung.technique.name for rung in ladder] == list(names)


def test_mixes_of_labels_are_refused_where_an_image_has_none() -> None:
    masks = with_defaults(Recipe().change({"task": "segmentation"}), {"task": "segmentation"})
    with pytest.raises(SnellenError, match="mix labels of whole images, and segmentation has none; set both to 0"):
        rungs(masks, named("augment", "cutmix"))
