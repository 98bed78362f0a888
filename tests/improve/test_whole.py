"""Search over whole recipes: what a study survives, who goes on, and that resuming changes nothing."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from pathlib import Path

import pytest

from snellen.case import Case
from snellen.improve.lab import Lab
from snellen.improve.search import Searched
from snellen.improve.spans import Span, grid, parsed, usual
from snellen.improve.study import Study, Trial, proposed
from snellen.improve.whole import WAIT, _next, rungs_of, search_whole
from snellen.recipe import Recipe
from snellen.train.loop import Interrupted
from snellen.train.machine import Setting
from snellen.values import SnellenError

sys.path.append(str(Path(__file__).parents[1] / "train"))

import tiny

RANGES = {"optim.lr": Span(1e-4, 3e-2, log=True), "model.dropout": Span(values=(0.0, 0.3))}
STEPS = (1, 3, 9)


@pytest.fixture(autouse=True)
def one_thread() -> object:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lab(folder: Path) -> Lab:
    return Lab(Case(folder), *tiny.material(), Setting(), folder / "cache", lambda event: None, lambda: False, None)


def recipe() -> Recipe:
    stages = [
        {"name": "head", "unfreeze": "head", "epochs": 1, "lr_scale": 5.0},
        {"name": "all", "unfreeze": "all", "epochs": 3},
    ]
    return tiny.recipe({"stages": stages, "augment.mixup": 0.0})


# ---- Ranges


def test_ranges_are_read_as_written() -> None:
    found = parsed(["optim.lr=1e-5:1e-2:log", "train.batch=32,64", "model.dropout=0.1:0.5", "seed=7"], Recipe())
    assert found["optim.lr"] == Span(1e-5, 1e-2, log=True)
    assert found["train.batch"].values == (32, 64)
    assert all(isinstance(value, int) for value in found["train.batch"].values)
    assert found["model.dropout"].points == pytest.approx((0.1, 0.3, 0.5))
    assert len(grid(usual(Recipe()))) == 27


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("optim.lr", "is not of the form KEY=LOW:HIGH"),
        ("optim.lr=1e-2:1e-5", "is not of the form"),
        ("optim.lr=0:1:log", "is not of the form"),
        ("optim.lr=a:b", "is not of the form"),
        ("optim.lrr=1e-5:1e-2", "did you mean 'lr'"),
        ("model.dropout=0.1:1.5", "less than 1"),
        ("train.batch=32.5,64", "integer"),
    ],
)
def test_what_is_no_range_is_refused(text: str, says: str) -> None:
    with pytest.raises(SnellenError, match=says):
        parsed([text], Recipe())


# ---- The study


def test_a_study_survives_a_torn_record(tmp_path: Path) -> None:
    study = Study(tmp_path)
    with study.alone():
        study.ask({}, 9)
        study.ask({"optim.lr": 1e-3}, 1)
    study.tell(1, 1, 0.5, "")
    file = tmp_path / "study.jsonl"
    whole = file.read_bytes()
    for end in range(len(whole.splitlines(keepends=True)[-1])):
        file.write_bytes(whole[: len(whole) - end])
        trials = study.trials()
        assert [trial.number for trial in trials] == [0, 1]
    study.tell(1, 1, 0.5, "")
    assert study.trials()[1].rungs == {1: 0.5}


def test_a_study_is_about_one_question(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.check({"recipe": "a", "ranges": {"x": (1, 2)}})
    study.check({"recipe": "a", "ranges": {"x": (1, 2)}})
    with pytest.raises(SnellenError, match="a search with other ranges"):
        study.check({"recipe": "a", "ranges": {"x": (1, 3)}})


def test_what_another_process_trains_is_left_alone_and_taken_up_when_it_is_gone(tmp_path: Path) -> None:
    study = Study(tmp_path)

    def fresh(trials: object) -> dict[str, float]:
        return {"optim.lr": 1e-3}

    first = _next(study, STEPS, 1, fresh, left=math.inf)
    assert (first.number, first.goal, dict(first.patch)) == (0, 9, {})
    with study.claim(0) as ours:
        assert ours
        with study.claim(0) as again:
            assert not again
        second = _next(study, STEPS, 1, fresh, left=math.inf)
        assert (second.number, second.goal) == (1, 1)
        with study.claim(1):
            assert _next(study, STEPS, 1, fresh, left=math.inf) == WAIT
    # Whoever held it has ended, whichever way: it is begun, not told, and free.
    assert _next(study, STEPS, 1, fresh, left=math.inf).number == 0


def test_the_best_third_goes_on(tmp_path: Path) -> None:
    study = Study(tmp_path)
    with study.alone():
        study.ask({}, 9)
    study.tell(0, 9, 0.4, "complete")

    def fresh(trials: list) -> dict[str, float]:
        return {"optim.lr": 10.0 ** -len(trials)}

    order = []
    while (trial := _next(study, STEPS, 9, fresh, left=math.inf)) is not None:
        order.append((trial.number, trial.goal))
        study.tell(trial.number, trial.goal, 1 - trial.number / 100, "complete" if trial.goal == 9 else "")
    # The first is the best: of three it goes on at once, and of nine those that came second and third.
    assert order[:4] == [(1, 1), (2, 1), (3, 1), (1, 3)]
    assert [number for number, goal in order if goal == 1] == list(range(1, 10))
    assert [number for number, goal in order if goal == 3] == [1, 2, 3]
    assert [number for number, goal in order if goal == 9] == [1]


def test_time_that_is_over_begins_nothing_new(tmp_path: Path) -> None:
    study = Study(tmp_path)
    assert _next(study, STEPS, 9, lambda trials: {}, left=0.0).number == 0
    study.tell(0, 9, 0.4, "complete")
    assert _next(study, STEPS, 9, lambda trials: {}, left=0.0) is None


def test_tpe_is_told_of_all_trials(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    study = Study(tmp_path)
    with study.alone():
        study.ask({}, 9)
    study.tell(0, 9, 0.4, "complete")
    for _ in range(14):
        with study.alone():
            patch = proposed(study.trials(), RANGES, seed=0)
            number = study.ask(patch, 1)
        assert RANGES["optim.lr"].low <= patch["optim.lr"] <= RANGES["optim.lr"].high
        assert patch["model.dropout"] in (0.0, 0.3)
        # Low rates are good: it must come to ask for them.
        good = -math.log(patch["optim.lr"])
        study.tell(number, 1, good, ("broken", "", "complete")[number % 3] if number > 2 else "")
    assert len({trial.patch["optim.lr"] for trial in study.trials()[1:]}) == 14
    assert proposed(study.trials(), RANGES, seed=0) == proposed(study.trials(), RANGES, seed=0)


# ---- The search


def told(found: Searched) -> list:
    return [(c.number, dict(c.patch), c.epochs, c.score) for c in found.candidates]


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    assert rungs_of(4) == (1, 4)
    at_once = search_whole(lab(tmp_path / "a"), recipe(), ranges=RANGES, method="spread", count=4, seeds=2)
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps == 20

    stopped = dataclasses.replace(lab(tmp_path / "b"), stop=stop)
    with pytest.raises(Interrupted):
        search_whole(stopped, recipe(), ranges=RANGES, method="spread", count=4, seeds=2)
    resumed = search_whole(lab(tmp_path / "b"), recipe(), ranges=RANGES, method="spread", count=4, seeds=2)
    assert told(resumed) == told(at_once)
    assert resumed.best == at_once.best
    epochs = [candidate.epochs for candidate in at_once.candidates]
    # The own recipe and the best of three, and of four where that is another, were trained to the end, the others for an epoch.
    assert epochs[0] == 4
    assert 1 <= sum(done == 4 for done in epochs[1:]) <= 2
    assert set(epochs) == {1, 4}
    assert at_once.candidates[0].patch == {}
    assert (at_once.effect is None) is (at_once.patch == {})
    assert not (tmp_path / "a" / "test_opened.json").exists()
    again = search_whole(lab(tmp_path / "a"), recipe(), ranges=RANGES, method="spread", count=4, seeds=2)
    assert told(again) == told(at_once)
    with pytest.raises(SnellenError, match="a search with other method, count"):
        search_whole(lab(tmp_path / "a"), recipe(), ranges=RANGES, method="grid", seeds=2)


def test_without_time_the_own_recipe_is_the_answer(tmp_path: Path) -> None:
    hurried = dataclasses.replace(lab(tmp_path), deadline=time.monotonic())
    found = search_whole(hurried, recipe(), ranges=RANGES, method="grid", seeds=3)
    assert found.patch == {}
    assert [candidate.number for candidate in found.candidates] == [0]
    assert found.seeds == 1


def test_methods_have_names(tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="no method of searching is named 'gird'; did you mean 'grid'"):
        search_whole(lab(tmp_path), recipe(), method="gird")


def test_a_range_of_whole_numbers_gives_whole_numbers() -> None:
    spans = parsed(["train.batch=16:64", "model.dropout=0:0.5", "optim.lr=1e-5:1e-2:log"], Recipe())
    assert [spans["train.batch"].at(share) for share in (0.0, 0.37, 1.0)] == [16, 34, 64]
    assert [spans[key].whole for key in ("train.batch", "model.dropout", "optim.lr")] == [True, False, False]
    pytest.importorskip("optuna")
    trial = Trial(
        number=0, patch={key: span.at(0.4) for key, span in spans.items()}, rungs={1: 0.5}, goal=1, ended="complete"
    )
    found = proposed([trial], spans, seed=0)
    assert isinstance(found["train.batch"], int)
    Recipe().change(found).resolve()
