"""The harness of bench/ on fake sides with a fake clock, the table that it writes, and that every script runs."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _command
import _results
from _rounds import Calibration, Measured, Ratio, foreign_load, interval, measure, together

BENCH = Path(__file__).parents[1] / "bench"
SCRIPTS = sorted(path.stem for path in BENCH.glob("*.py") if not path.stem.startswith("_"))
USUAL = Calibration(gemm=100.0, memcpy=10.0)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a script sets for its process ends with the test."""
    monkeypatch.setenv("SNELLEN_KEEP_MEMORY", "0")


class Clock:
    """Time that passes only where a side says so; `calls` are the sides in the order in which they ran."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, []

    def __call__(self) -> float:
        return self.now

    def side(self, name: str, *seconds: float) -> Callable[[], None]:
        every = iter(seconds)
        last = seconds[-1]

        def run() -> None:
            self.calls.append(name)
            self.now += next(every, last)

        return run


def fake(
    clock: Clock, sides: dict, *, foreign: tuple[float, ...] = (), speeds: tuple[Calibration, ...] = (), rounds: int = 7
) -> Measured:
    loads, told = iter(foreign), iter(speeds)
    return measure(
        sides, rounds=rounds, warm=False, threads=1, clock=clock, calibrate=lambda: next(told, USUAL),
        watch=lambda: lambda: next(loads, 0.0),
    )  # fmt: skip


def test_sides_take_turns_and_the_ratio_is_of_each_round() -> None:
    clock = Clock()
    sides = {"ours": clock.side("ours", 1.0, 1.0, 2.0), "peer": clock.side("peer", 3.0, 4.0, 10.0)}
    measured = fake(clock, sides, rounds=3)
    assert clock.calls == ["ours", "peer", "peer", "ours", "ours", "peer"]
    found = measured.ratio("1", "fake", goal=">= 3", images=20)
    assert (found.ratio, found.low, found.high) == (4.0, 3.0, 5.0)
    assert (found.ours, found.peer, found.unit, found.rounds, found.dropped) == (20.0, 5.0, "images/s", 3, 0)
    turned = measured.ratio("1", "fake", goal="<= 1.0")
    assert turned.ratio == pytest.approx(0.25)
    assert (turned.ours, turned.peer, turned.unit) == (1.0, 4.0, "s")
    assert measured.ratio("4", "ten", goal=">= 1", times=10).ratio == 40.0


def test_every_side_is_warmed_up_once_and_not_counted() -> None:
    clock = Clock()
    sides = {"ours": clock.side("ours", 50.0, 1.0), "peer": clock.side("peer", 70.0, 2.0)}
    measured = measure(sides, rounds=2, threads=1, clock=clock, calibrate=lambda: USUAL, watch=lambda: lambda: 0.0)
    assert clock.calls[:2] == ["ours", "peer"]
    assert measured.seconds("ours").tolist() == [1.0, 1.0]


def test_a_side_may_name_the_seconds_of_its_parts() -> None:
    clock = Clock()
    sides = {"ours": lambda: {"stall": 0.5}, "peer": clock.side("peer", 2.0)}
    measured = fake(clock, sides, rounds=2)
    assert measured.seconds("ours stall").tolist() == [0.5, 0.5]


def test_a_round_beside_other_programs_is_dropped_and_made_up_for() -> None:
    clock = Clock()
    sides = {"ours": clock.side("ours", 1.0, 9.0, 1.0), "peer": clock.side("peer", 2.0)}
    measured = fake(clock, sides, foreign=(0.0, 0.5, 0.0), rounds=3)
    assert (len(measured.kept), measured.dropped) == (3, 1)
    assert measured.seconds("ours").tolist() == [1.0, 1.0, 1.0]
    assert measured.ratio("1", "fake", goal="").dropped == 1


def test_a_round_on_a_slower_machine_is_dropped() -> None:
    clock = Clock()
    slow = Calibration(gemm=60.0, memcpy=10.0)
    # Before and after each round: the second round ends on a slower machine.
    measured = fake(
        clock, {"ours": clock.side("ours", 1.0)}, speeds=(USUAL, USUAL, USUAL, slow, USUAL, USUAL), rounds=3
    )
    assert (len(measured.kept), measured.dropped) == (3, 1)
    assert measured.calibration == USUAL


def test_rounds_are_made_up_for_at_most_once_over() -> None:
    clock = Clock()
    measured = fake(clock, {"ours": clock.side("ours", 1.0)}, foreign=(0.5,) * 5, rounds=3)
    assert (len(measured.kept), measured.dropped) == (1, 5)
    with pytest.raises(RuntimeError, match="none of 6 rounds was quiet"):
        fake(clock, {"ours": clock.side("ours", 1.0)}, foreign=(0.5,) * 6, rounds=3)


def test_rounds_that_one_waits_for_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    fake(clock, {"ours": clock.side("ours", 60.0)}, foreign=(0.0, 0.5), rounds=2)
    assert capsys.readouterr().err.splitlines() == [
        "  round 1: 1 of 2 quiet, about 1 min left",
        "  round 2: 1 of 2 quiet, about 1 min left",
        "  round 3: 2 of 2 quiet, done",
    ]
    fake(clock, {"ours": clock.side("ours", 1.0)}, rounds=2)
    assert capsys.readouterr().err == ""


def test_together_adds_up() -> None:
    clock = Clock()
    parts = [fake(clock, {"ours": clock.side("ours", 1.0)}, foreign=(0.5,), rounds=2) for _ in range(2)]
    assert (len(together(parts).kept), together(parts).dropped) == (4, 2)


def test_the_interval_is_of_the_median_and_repeats() -> None:
    values = np.asarray([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 9.0])
    low, high = interval(values)
    assert 1.0 <= low < 1.3 < high <= 9.0
    assert interval(values) == (low, high)
    assert interval(np.full(7, 2.5)) == (2.5, 2.5)


def test_the_interval_covers_the_median() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        low, high = interval(random.lognormal(0, 0.1, 9))
        hits += low <= 1.0 <= high
    assert 0.90 <= hits / 200 <= 1.0


@pytest.mark.parametrize(
    ("goal", "low", "high", "verdict"),
    [
        (">= 2", 2.0, 3.0, "met"),
        (">= 2", 1.9, 3.0, "undecided"),
        (">= 2", 1.0, 1.9, "not met"),
        ("<= 1.03", 0.9, 1.03, "met"),
        ("<= 1.03", 1.0, 1.05, "undecided"),
        ("<= 1.03", 1.04, 1.05, "not met"),
        ("", 1.0, 2.0, "reported"),
    ],
)
def test_verdicts(goal: str, low: float, high: float, verdict: str) -> None:
    assert made(goal=goal, low=low, high=high).verdict == verdict


def made(*, row: str = "8", name: str = "a | b", goal: str = "<= 1.03", low: float = 1.0, high: float = 1.05) -> Ratio:
    return Ratio(
        row=row, name=name, ours=0.1234, peer=123.4, unit="s", ratio=(low + high) / 2, low=low, high=high, rounds=7,
        dropped=2, goal=goal, note="Said so.",
    )  # fmt: skip


def test_the_others_load_is_a_share() -> None:
    told = foreign_load()
    sum(range(1000))
    assert 0.0 <= told() <= 1.0


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of one script in a folder of their own."""
    monkeypatch.setattr(_results, "RESULTS", tmp_path)
    clock = Clock()
    measured = fake(clock, {"ours": clock.side("ours", 1.0)}, rounds=2)
    _results.save("overhead", [made(), made(row="3", name="step", goal=">= 1")], measured, "python bench/overhead.py")
    return tmp_path


def test_the_table(stored: Path) -> None:
    table = stored / "RESULTS.md"
    limits = stored / "limits" / "limits.json"
    limits.parent.mkdir()
    limits.write_text(json.dumps({"step": "Convolutions take 95 % of it."}))
    _results.write_table(table, results=stored, limits=limits)
    text = table.read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[1] == "| 3 | step | 0.123 s | 123 s | ≥ 1 | 1.02 [1.00, 1.05] | 7 (2) | met |"
    assert lines[2] == "| 8 | a \\| b | 0.123 s | 123 s | ≤ 1.03 | 1.02 [1.00, 1.05] | 7 (2) | undecided |"
    assert "Not measured here: 1 (" in text
    assert "8 (overhead" not in text
    assert "- **3, step**: Said so. Convolutions take 95 % of it." in text
    for word in ("`python bench/overhead.py`", "1 threads", "torch ", "timm ", "calibration 100 GFLOP/s, 10.0 GB/s"):
        assert word in text
    assert os.uname().nodename not in text
    assert str(Path.home()) not in text


def test_an_empty_table_names_every_row(tmp_path: Path) -> None:
    text = _results.render([], {})
    assert all(f"{row} ({words})" in text for row, words in _results.ROWS.items())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.01234, "0.0123"), (0.996, "0.996"), (1.0, "1.00"), (20.02, "20.02"), (345.6, "346")],
)
def test_numbers(value: float, text: str) -> None:
    assert _results.number(value) == text


def test_a_command_names_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_command.DATA, raising=False)
    monkeypatch.setattr(sys, "argv", ["epoch.py", "--data", "/some/where/clothing", "--rounds", "9", "--x=/a/b"])
    assert _command.command("epoch") == "python bench/epoch.py --data clothing --rounds 9 --x=b"
    monkeypatch.setenv(_command.DATA, "/some/where/photos")
    monkeypatch.setattr(sys, "argv", ["epoch.py"])
    assert _command.command("epoch") == "python bench/epoch.py --data photos"


@pytest.fixture
def as_script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """as_script(path, *words): run the file as the program that it is, in this process."""

    def run(path: Path, *words: str) -> None:
        monkeypatch.setattr(sys, "argv", [str(path), *words])
        monkeypatch.syspath_prepend(str(path.parent))
        runpy.run_path(str(path), run_name="__main__")

    return run


@pytest.mark.parametrize("name", [*SCRIPTS, "peers/careful_loop", "peers/fastai_loop"])
def test_every_script_says_what_it_does(name: str, as_script: Callable[..., None], capsys) -> None:
    if name.endswith("fastai_loop"):
        pytest.importorskip("fastai")
    with pytest.raises(SystemExit) as ended:
        as_script(BENCH / f"{name}.py", "--help")
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("epoch", "2 first epoch, 12 megapixels:"),
        ("step", "3 share of the best setting, test_efficientnet:"),
        ("overhead", "Final weights equal bit for bit."),
    ],
)
def test_a_quick_run_ends_and_keeps_nothing(name: str, said: str, tmp_path: Path) -> None:
    # In a copy, so that a measurement that is under way may write its results meanwhile.
    copy = shutil.copytree(BENCH, tmp_path / "bench", ignore=shutil.ignore_patterns("results", "*.md", "*.json", "__*"))
    (copy / "peers" / "__init__.py").touch()
    before = sorted(copy.rglob("*"))
    command = [sys.executable, "-B", str(copy / f"{name}.py"), "--quick", "--threads", "1"]
    clean = {key: value for key, value in os.environ.items() if key != _command.DATA}
    done = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert sorted(copy.rglob("*")) == before


def test_the_table_is_written_of_what_is_stored(tmp_path: Path) -> None:
    """Beside the ratios there are results of other kinds in that folder."""
    _results.write_table(tmp_path / "RESULTS.md")
    assert "| 8 | our loop over the bare loop |" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
