"""How a command ends early or badly: Ctrl-C, a failed gate."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import SMALL, call

import result_schema
from snellen import verbs
from snellen.case import Case

FAST = (*SMALL, "--model", "test_efficientnet", "--set", "model.weights=none")


def test_ctrl_c_saves_and_resume_goes_on(
    few: Path, elsewhere: Path, probed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from snellen.progress import Watcher

    def press(watcher: Watcher, event: Mapping[str, Any]) -> None:
        if event.get("stage") == "last":
            signal.raise_signal(signal.SIGINT)

    words = ("train", few, "--out", "case", "--json", *FAST, "--set", "data.val=0.3")
    with monkeypatch.context() as patch:
        patch.setattr(Watcher, "__call__", press)
        stopped = call(*words)
    assert stopped.exit_code == 130, (stopped.stderr, stopped.exception)
    assert stopped.stdout == ""
    assert "everything is saved. Go on with the same command and --resume" in " ".join(stopped.stderr.split())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    (run,) = Case(elsewhere / "case").runs
    assert not run.done
    went_on = call(*words, "--resume")
    assert went_on.exit_code == 0, (went_on.stderr, went_on.exception)
    result_schema.check(json.loads(went_on.stdout))
    assert run.done
    assert [record["stage"] for record in run.signals("loss")] == ["head", "head", "last", "all"]


def test_a_failed_gate_is_exit_code_1(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gates = [{"name": "score", "passed": False, "message": "too low", "value": 0.1, "limit": 0.9}]
    answer = {
        "task": "classification", "run": "r", "report": "r/report.html", "seconds": 1.0, "test": {}, "val_test": {},
        "findings": [], "verdicts": [], "artifacts": [], "gates": gates,
    }  # fmt: skip
    monkeypatch.setattr(verbs, "run", lambda **given: answer)
    failed = call("run", few, "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout) == answer
    assert "too low" in call("run", few).stdout
