"""Gates: the score on its right side, nothing passed that was not measured, and what is exported anew judged anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from snellen import ending, verbs
from snellen.case import Case
from snellen.recipe import Gates, Recipe
from snellen.report.headline import gate_message
from snellen.report.words import Words
from snellen.run import Run
from snellen.ship.gates import gates
from snellen.show_answer import _scores


@pytest.mark.parametrize(
    ("metric", "low", "high", "limit", "guess", "passed"),
    [
        ("accuracy", 0.8, 0.9, None, 0.5, True),
        ("accuracy", 0.4, 0.9, None, 0.5, False),
        ("accuracy", 0.8, 0.9, 0.85, 0.5, False),
        # A log loss is measured as it is, and guessed with its sign turned: less is better.
        ("log_loss", 1.8, 2.2, None, -1.4, False),
        ("log_loss", 0.2, 0.3, None, -1.4, True),
        ("log_loss", 0.2, 0.3, 0.25, -1.4, False),
        ("log_loss", 0.2, 0.3, 0.5, -1.4, True),
    ],
)
def test_the_score(metric: str, low: float, high: float, limit: float | None, guess: float, passed: bool) -> None:
    test = {"value": (low + high) / 2, "low": low, "high": high, "n": 50}
    found = gates(Gates(score=limit), metric, test, guess, [], [])[0]
    assert found["passed"] is passed
    assert f"{found['value']:.3f}" in gate_message(found, Words.load("zh"))


def test_what_has_no_interval_is_not_passed() -> None:
    one = {"value": 1.0, "low": None, "high": None, "n": 1}
    found = gates(Gates(), "psnr_gain", one, 0.0, [], [])[0]
    assert not found["passed"]
    assert "its interval needs two images of the test split or more, and there are 1" in found["message"]
    assert gate_message(found, Words.load("zh"))


def test_a_limit_without_a_test_split_is_not_passed() -> None:
    assert not gates(Gates(score=0.95), "accuracy", None, 0.0, [], [])[0]["passed"]
    assert [gate["name"] for gate in gates(Gates(), "accuracy", None, 0.0, [], [])] == ["blocking_findings"]


def test_a_new_export_is_judged_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(tmp_path)
    Recipe().resolve().save(tmp_path / "runs" / "r" / "recipe.yaml")
    old = {"name": "parity_onnx", "passed": True, "value": 0.0, "limit": 1e-3, "message": ""}
    score = {"name": "score_accuracy", "passed": True, "value": 0.9, "limit": 0.5, "message": ""}
    case.write("final", {"run": "r", "gates": [score, old], "artifacts": [], "latency": []})
    other = {"format": "onnx", "parity": {"max_abs": 1.0}, "ok": False, "path": "model.onnx"}
    monkeypatch.setattr(ending, "export", lambda case, run: ([other], []))
    assert isinstance(Run.open(tmp_path / "runs" / "r"), Run)
    verbs.ship(tmp_path)
    found = {gate["name"]: gate["passed"] for gate in case.read("final")["gates"]}
    assert found == {"score_accuracy": True, "parity_onnx": False}


def test_names_of_classes_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    row = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    rows = {"iou_病变 [2级]": row, "iou_[/b]": row, "iou_c": {**row, "low": None, "high": None}}
    _scores(Console(width=120), rows, Words.load("en"))
    told = capsys.readouterr().out
    assert "[2级]" in told
    assert "[/b]" in told
    assert "–" in told
