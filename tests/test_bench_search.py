"""The search's bench: what settings are worth is reckoned off the clock, over seeds; incumbents, rounds, the table. Nothing is trained."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import search
from search import GRID, JUDGES, SIDES, WARM, Judge, Tell, kept_round, one_round, point, watched

BEST, LUCKY, OTHER = GRID[0], GRID[1], point(2e-3, 0.1, 0.1)


class Clock:
    """Time that passes only where a side says so; `calls` tells who was asked, in order."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, []

    def __call__(self) -> float:
        return self.now

    def side(self, name: str, *told: tuple[float, dict, float]) -> Callable[[Tell], None]:
        """A search whose trials take some seconds each."""

        def run(tell: Tell) -> None:
            self.calls.append(name)
            for seconds, setting, score in told:
                self.now += seconds
                tell(setting, score)

        return run

    def judge(self) -> Judge:
        """BEST is worth 0.8 and all else 0.7, whichever seed is asked."""

        def score(setting: dict, seed: int) -> float:
            self.calls.append("judge")
            self.now += 100.0
            return 0.8 if setting == BEST else 0.7

        return Judge(score, range(2))


def test_a_setting_is_worth_its_mean_over_seeds_reckoned_once() -> None:
    asked = []

    def score(setting: dict, seed: int) -> float:
        asked.append(seed)
        return 100 * setting["lr"] + (0.1 if seed % 2 else -0.1)

    judge = Judge(score, JUDGES)
    assert judge.worth(OTHER) == judge.worth(dict(reversed(OTHER.items()))) == pytest.approx(0.2)
    assert asked == list(JUDGES)
    assert judge.best == pytest.approx(0.3)
    assert not judge.near(OTHER)


def test_near_is_half_a_point_below_the_best_of_the_grid() -> None:
    worth = {2.5e-3: 0.695, 2.4e-3: 0.6949}
    judge = Judge(lambda setting, seed: worth.get(setting["lr"], 0.7), range(3))
    assert judge.near(point(2.5e-3, 0.0, 0.0))
    assert not judge.near(point(2.4e-3, 0.0, 0.0))


def test_those_who_judge_have_no_seed_of_a_search() -> None:
    assert len(JUDGES) == 20
    assert min(JUDGES) > 900
    assert max(JUDGES) < WARM


def test_the_incumbent_is_the_best_by_its_own_scores() -> None:
    clock = Clock()
    trials = [(1.0, LUCKY, 0.5), (1.0, BEST, 0.5), (1.0, OTHER, -math.inf), (2.0, BEST, 0.6), (1.0, OTHER, 0.1)]
    whole, found = watched(clock.side("grid", *trials), clock)
    assert whole == 6.0
    assert found == [(1.0, 1, LUCKY), (5.0, 4, BEST)]


@pytest.mark.parametrize(("seed", "order"), [(0, ["sure", "ours", "grid"]), (1, ["grid", "ours", "sure"])])
def test_sides_take_turns_and_are_judged_off_the_clock(seed: int, order: list[str]) -> None:
    clock = Clock()
    sides = {
        "grid": clock.side("grid", (1.0, BEST, 0.6), (1.0, LUCKY, 0.9)),
        "ours": clock.side("ours", (2.0, BEST, 0.0)),
        "sure": clock.side("sure", (3.0, BEST, 0.0)),
        "tpe": clock.side("tpe", (1.0, LUCKY, 0.9), (1.0, BEST, 0.8)),
    }
    told = one_round(sides, clock.judge(), clock, seed)
    assert clock.calls[:4] == [*order, "tpe"]
    assert set(clock.calls[4:]) == {"judge"}
    assert told["whole"] == {"grid": 2.0, "ours": 2.0, "sure": 3.0, "tpe": 2.0}
    # A lucky score hides the better setting from the search; it does not make the lucky one better.
    assert told["seconds"] == {"grid": 1.0, "ours": 2.0, "sure": 3.0, "tpe": None}
    assert told["trials"] == {"grid": 1, "ours": 1, "sure": 1, "tpe": None}
    assert told["ends"] == {"grid": False, "ours": True, "sure": True, "tpe": False}
    assert told["worth"]["grid"] == 0.7
    assert told["best"] == 0.8


def made(ours: float | None, grid: float | None) -> dict:
    seconds = {"grid": grid, "ours": ours, "sure": 6.0, "tpe": None}
    return {
        "best": 0.8, "whole": dict.fromkeys(SIDES, 8.0), "seconds": seconds, "trials": {"grid": 9, "tpe": None},
        "worth": dict.fromkeys(SIDES, 0.8), "ends": dict.fromkeys(SIDES, True),
    }  # fmt: skip


def test_the_table_tells_who_was_never_there() -> None:
    given = argparse.Namespace(clock="cpu", epochs=15)
    rounds = [made(2.0, 4.0), made(2.0, 8.0), made(None, 3.0)]
    lines = search.summary(rounds, 4.0, 10.0, given, "resnet18").splitlines()
    cells = {line.split(" | ")[0].removeprefix("| "): line.removesuffix(" |").split(" | ")[1:] for line in lines}
    assert cells[SIDES["ours"]] == ["2.00", "1", "2 of 3", "8.00", "3 of 3"]
    assert cells[SIDES["grid"]] == ["4.00", "3.0 (2.0 to 4.0)", "3 of 3", "8.00", "3 of 3"]
    assert cells[SIDES["tpe"]] == ["never", "-", "0 of 3", "8.00", "3 of 3"]
    assert "grid 9, tpe never" in lines[-1]


def test_a_round_that_was_measured_otherwise_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "ROUNDS", tmp_path)
    asked = []

    def make() -> dict:
        asked.append(1)
        return made(2.0, 4.0)

    about = {"data": "clothing", "seed": 0, "judges": 20, "precision": "fp32"}
    first = kept_round(about, make)
    assert kept_round(about, make) == first
    assert len(asked) == 1
    # As those of an older bench are, whose files do not say how many judged.
    kept_round({**about, "judges": 30}, make)
    assert len(asked) == 2


def test_warming_up_tells_nobody() -> None:
    clock = Clock()
    search.warm_up({name: clock.side(name, (1.0, BEST, 0.5)) for name in SIDES})
    assert clock.calls == list(SIDES)
