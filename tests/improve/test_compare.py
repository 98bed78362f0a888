"""Comparisons: paired by seed, one look, one verdict for each arm but the first, all in the ledger."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snellen.case import Case
from snellen.improve.compare import Arm, compare, convergence
from snellen.improve.lab import Lab
from snellen.train.machine import Setting
from snellen.values import SnellenError

sys.path.append(str(Path(__file__).parents[1] / "train"))

import tiny

SHORT = {"stages": [{"name": "head", "unfreeze": "head", "epochs": 3, "lr_scale": 5.0}], "augment.mixup": 0.0}


def lab(folder: Path, *, deadline: float | None = None, told: list[str] | None = None) -> Lab:
    catalog, pixels = tiny.material()

    def watch(event: object) -> None:
        if told is not None and isinstance(event, dict) and "notice" in event:
            told.append(str(event["notice"]))

    return Lab(Case(folder), catalog, pixels, Setting(), folder / "cache", watch, lambda: False, deadline)


def arms(*rates: float) -> list[Arm]:
    return [Arm(name=f"lr {rate:g}", recipe=tiny.recipe({**SHORT, "optim.lr": rate})) for rate in rates]


@pytest.fixture(autouse=True)
def one_thread() -> object:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_arms_are_paired_with_the_first(tmp_path: Path) -> None:
    here = lab(tmp_path / "case")
    found = compare(here, arms(3e-2, 1e-6, 1e-2), seeds=2, experiment="compare-optimizers")
    assert [item.arm.name for item in found] == ["lr 0.03", "lr 1e-06", "lr 0.01"]
    assert found[0].verdict is None
    for item in found:
        assert [run.recipe.seed for run in item.runs] == [0, 1]
        assert len(item.curves) == 2
        assert all(len(curve) == 3 for curve in item.curves)
    ledger = here.case.verdicts
    assert [(v.remedy, v.finding, v.seeds, v.looks) for v in ledger] == [
        ("lr 1e-06", "compare-optimizers", 2, 1), ("lr 0.01", "compare-optimizers", 2, 1)
    ]  # fmt: skip
    worse = ledger[0]
    # Two arms share 5 %: each interval is of 1 - 2 × 0.05 / 2.
    assert worse.level == pytest.approx(0.95)
    assert worse.effect is not None
    assert worse.effect == pytest.approx(found[1].score - found[0].score)
    assert worse.effect < 0
    assert worse.low <= worse.effect <= worse.high
    # Again: nothing is trained, nothing is entered twice.
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "case" / "runs").rglob("*.parquet")}
    again = compare(here, arms(3e-2, 1e-6, 1e-2), seeds=2, experiment="compare-optimizers")
    assert [item.scores for item in again] == [item.scores for item in found]
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "case" / "runs").rglob("*.parquet")}
    assert here.case.verdicts == ledger


def test_speed_is_told_at_a_level_that_all_reach(tmp_path: Path) -> None:
    found = compare(lab(tmp_path / "case"), arms(3e-2, 1e-4), seeds=2, experiment="speed")
    speeds = convergence(found)
    assert set(speeds) == {"lr 0.03", "lr 0.0001"}
    assert len({row["level"] for row in speeds.values()}) == 1
    for row in speeds.values():
        assert row["missed"] in (0, 1, 2)
        assert row["epochs"] is None or 1 <= row["epochs"] <= 3


def test_a_seed_that_does_not_fit_is_left_out_for_all(tmp_path: Path) -> None:
    told: list[str] = []
    found = compare(lab(tmp_path / "case", deadline=0.0, told=told), arms(3e-2, 1e-2), seeds=3, experiment="short")
    assert [len(item.runs) for item in found] == [1, 1]
    assert found[1].verdict is not None
    assert found[1].verdict.decision != "adopt"
    assert any("seed 2 of 3 needs about" in text for text in told)


@pytest.mark.parametrize(
    ("given", "seeds", "says"),
    [((1e-2,), 2, "two arms or more"), ((1e-2, 1e-2), 2, "are the same recipe"), ((1e-2, 2e-2), 0, "a seed or more")],
)
def test_what_cannot_be_compared(
    given: tuple[float, ...], seeds: int, says: str, tmp_path: Path, recorded: Callable[..., object]
) -> None:
    with pytest.raises(SnellenError, match=says):
        compare(lab(tmp_path), arms(*given), seeds=seeds, experiment="none")
    assert not (tmp_path / "runs").exists()
