"""The clinic's figures, of made records: what counts as found and healed, the page, and what a failed cell leaves."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _clinic_score as score
import clinic
from _clinic_page import page
from snellen.store import Journal
from snellen.values import SnellenError


def record(kind: str, seed: int, found: dict[str, str], right: list[int], **more: Any) -> dict[str, Any]:
    bits = np.asarray(right)
    return {
        "part": "look", "kind": kind, "data": "clothing", "seed": seed, "half": "both" if kind == "healthy" else "report",
        "found": found, "audit": {}, "n": len(bits), "right": np.packbits(bits).tobytes().hex(),
        "test": float(bits.mean()), "cpu": {"train": 10.0, "rules": 0.1}, **more,
    }  # fmt: skip


GOOD, BAD = [1] * 90 + [0] * 10, [1] * 40 + [0] * 60


def arms(kind: str, seed: int, heal: list[int]) -> dict[str, Any]:
    def arm(right: list[int]) -> dict[str, Any]:
        return {key: record(kind, seed, {}, right)[key] for key in ("n", "right", "test")}

    adopted = {"remedy": "lower_lr", "metric": "log_loss", "decision": "adopt"}
    adopted["test"] = {"log_loss": [0.2, 0.1, 0.3], "accuracy": [-0.02, -0.05, -0.01]}
    back = {"remedy": "clip", "metric": "accuracy", "decision": "withdrawn"}
    return {
        "part": "arms", "kind": kind, "data": "clothing", "seed": seed, "half": "report",
        "nothing": {**arm(BAD), "runs": 20, "seconds": 80.0, "most": 20, "capped": True},
        "random": {**arm(BAD), "runs": 8, "seconds": 91.0, "most": 20, "capped": False},
        "heal": {**arm(heal), "runs": 7, "seconds": 90.0, "verdicts": [adopted, back]},
        "improve": {"remedies": 2, "seeds": 3}, "least": 0.1,
    }  # fmt: skip


MADE = [
    record("healthy", 0, {}, GOOD),
    record("healthy", 1, {"rate_too_high": "warn", "overconfident": "info"}, GOOD),
    record("rate_high", 0, {"rate_too_high": "warn", "underfitting": "warn"}, BAD),
    record("rate_high", 1, {"plateau": "warn"}, BAD),
    record("leaked", 0, {}, GOOD, audit={"leakage": "block"}),
    arms("rate_high", 0, GOOD),
    arms("rate_high", 1, BAD),
]


def test_detection_counts_right_wrong_and_what_is_also_true() -> None:
    looks = score.looks(MADE, "report")
    told = score.detection(looks)
    assert (told["rate_high"]["n"], told["rate_high"]["named"]) == (2, 1)
    assert told["rate_high"]["wrong"] == {"plateau": 1}, "underfitting is beside the point, not wrong"
    assert told["rate_high"]["elsewhere"] == 1
    assert told["leaked"]["named"] == 1
    all_ = score.totals(looks)
    assert all_["recall"].middle == pytest.approx(2 / 3)
    assert all_["precision"].middle == pytest.approx(2 / 4)
    assert all_["precision_faulty"].middle == pytest.approx(2 / 3)
    assert all_["recall"].low < 2 / 3 < all_["recall"].high


def test_false_alarms_are_those_of_healthy_trainings_and_info_is_none() -> None:
    told = score.alarms(MADE)
    assert (told["n"], told["warn"], told["block"]) == (2, 0.5, 0.0)
    assert told["by"] == {"rate_too_high on clothing": 1}


def test_healed_is_within_the_interval_of_the_healthy_training() -> None:
    rows = score.healing(MADE)
    assert [row["within"]["heal"] for row in rows] == [True, False]
    assert score.healed(rows, "heal").middle == 0.5
    assert score.healed(rows, "nothing").middle == 0.0
    effect = score.gain(rows, "nothing")
    assert (effect.n, effect.middle) == (1, pytest.approx(0.25)), "seeds of a cell are no independent cases"
    bad = score.hurt(rows)
    assert (bad["n"], bad["surely"], bad["surely_accuracy"]) == (2, 0, 2)
    assert (bad["remedies"], bad["withdrawn"]) == (["lower_lr"], 2), "what was taken back is not adopted"


def test_intervals_at_the_ends() -> None:
    assert score.share(0, 10).low == 0.0
    assert score.share(10, 10).high == 1.0
    assert score.share(10, 10).low == pytest.approx(0.6915, abs=1e-3)
    assert score.mean([1.0]).low == -np.inf
    assert score.mean([1.0, 3.0]).n == 2


def test_the_page_is_written_of_whatever_is_there() -> None:
    text = page(MADE)
    assert "rate × 100 | 1 of 2 | rate_too_high" in text
    assert "Not measured: " in text
    assert "2 healthy trainings, each on images drawn for it" in text
    assert "the looks of 2 remedies with 3 seeds each" in text
    assert "They train 20 times at the most, with seconds left over then: of 2 cells nothing in 2, random in 0." in text
    assert "| lower_lr | 7, 20+, 8 |" in text
    assert "taken back in the end, and not among them: 2." in text
    assert "Not measured" in page([])


def test_spoiled_masks_stand_beside_the_clinic() -> None:
    row = {
        "scenario": "rate", "right": ["rate_too_high"], "nothing": 0.2, "healed": 0.3, "effect": 0.1, "low": 0.05, "high": 0.15,
        "verdicts": [{"remedy": "lower_lr", "decision": "adopt", "effect": 0.1}, {"remedy": "clip", "decision": "undecided", "effect": None}], "seconds": 200.4, "budget": "5m", "control_runs": 3,
    }  # fmt: skip
    text = page([], {"size": 96, "rows": [row]})
    assert (
        "| rate | rate_too_high | lower_lr (adopt); 1 not, for want of time | 0.200 | 0.300 | +10.0 [+5.0, +15.0] | - | - | 200 s of 5m, 3 runs |"
        in text
    )
    well = {
        "healthy": 0.35,
        "healthy_n": 40,
        "healthy_seeds": 3,
        "healed_seeds": 2,
        "first_behind": [-0.2, -0.25, -0.15],
        "healed_behind": [-0.01, -0.03, 0.01],
    }
    text = page([], {"size": 96, "rows": [{**row, **well}]})
    assert "| 0.350 | -20.0 [-25.0, -15.0]; -1.0 [-3.0, +1.0] (3 seeds × 40 images; 2) | 200 s" in text
    assert "## Masks" not in page([])


def test_a_torn_last_line_is_survived_and_the_last_record_of_a_cell_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "clinic.jsonl")
    journal.append(*MADE[:3])
    journal.append({**MADE[0], "test": 0.5})
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-30])
    assert len(journal.read()) == 3
    journal.append({**MADE[0], "test": 0.6})
    found = clinic.latest(journal.read())
    assert len(found) == 3
    assert next(item["test"] for item in found if item["kind"] == "healthy" and item["seed"] == 0) == 0.6


def clinic_with(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: str) -> None:
    for name in ("RESULTS", "TABLE", "DENSE"):
        monkeypatch.setattr(clinic, name, folder / name.lower())
    about = ["--seeds", "1", "--sets", "clothing", "--data", str(folder), "--work", str(folder / "work")]
    monkeypatch.setattr(sys, "argv", ["clinic.py", *more, *about])


def test_a_cell_that_fails_is_named_at_the_end_and_in_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, looked = ["rate_low"], []

    def ground_of(cell: Any, given: Any) -> Any:
        if cell.kind in broken:
            raise SnellenError("these images cannot be read")
        looked.append(cell.kind)
        return SimpleNamespace(findings=())

    clinic_with(monkeypatch, tmp_path, "look", "--kinds", "rate_low,rate_high")
    monkeypatch.setattr(clinic, "made_of", lambda key, root: "now")
    monkeypatch.setattr(clinic, "_ground", ground_of)
    monkeypatch.setattr(clinic, "lab_of", lambda found, place: None)
    monkeypatch.setattr(clinic, "look", lambda lab, recipe: record("rate_high", 0, {}, BAD))
    assert clinic.main() == 1
    said = capsys.readouterr().err
    assert "rate_low-clothing-s0: these images cannot be read" in said
    assert said.rstrip().endswith("1 failed: rate_low-clothing-s0")
    assert "rate × 100 | 0 of 1" in clinic.TABLE.read_text(encoding="utf-8")
    broken.clear()
    assert clinic.main() == 0
    assert looked == ["rate_high", "rate_low"], "what is done is not done again"


def test_data_that_is_missing_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic_with(monkeypatch, tmp_path, "look", "--kinds", "rate_low")
    assert clinic.main() == 2
    assert "holds no folder clothing" in capsys.readouterr().err
