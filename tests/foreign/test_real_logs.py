"""Logs that the real libraries wrote (see make_logs.py): what is read of them, and what the run rules say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from snellen.cli import app
from snellen.foreign.found import read_log
from snellen.second_opinion import second_opinion

LOGS = Path(__file__).parent / "logs"
FILES = {
    "lightning": "metrics.csv", "transformers": "trainer_state.json", "keras": "keras.csv", "fastai": "history.csv",
    "timm": "summary.csv", "ultralytics": "results.csv", "mmengine": "scalars.json",
    "tensorboard": "events.out.tfevents.1700000000.machine",
}  # fmt: skip
# What a file names itself, and how many epochs make_logs.py trained.
FRAMEWORK = {name: name for name in FILES} | {"tensorboard": ""}
EPOCHS = {"over": 40, "diverging": 12}


def found(path: Path, classes: int | None = None) -> dict[str, str]:
    """Rules that found something → message."""
    return {
        item["rule"]: item["message"] for item in second_opinion(path, classes=classes)["findings"] if item["looked"]
    }


@pytest.mark.parametrize("name", FILES)
def test_over_fitting_is_seen(name: str) -> None:
    opinion = second_opinion(LOGS / "over" / name / FILES[name])
    findings = {item["rule"]: item for item in opinion["findings"]}
    assert findings["overfitting"]["evidence"]["grade"] == "severe"
    assert opinion["log"]["framework"] == FRAMEWORK[name]
    assert {"diverging", "nonfinite", "underfitting", "collapsed"}.isdisjoint(
        rule for rule, item in findings.items() if item["looked"]
    )
    assert any(item["remedy"] == "dropout" for item in opinion["advice"])


@pytest.mark.parametrize("name", FILES)
def test_divergence_is_seen(name: str) -> None:
    path = LOGS / "diverging" / name / FILES[name]
    assert {"diverging", "nonfinite"} & set(found(path)), found(path)
    assert "overfitting" not in found(path)
    assert "rate_too_high" in found(path, classes=10)


@pytest.mark.parametrize("kind", EPOCHS)
@pytest.mark.parametrize("name", FILES)
def test_epochs_and_curves_are_all_there(name: str, kind: str) -> None:
    reading = read_log(LOGS / kind / name / FILES[name])
    expected = {"ultralytics": {"over": 20, "diverging": 6}}.get(name, EPOCHS)[kind]
    assert reading.epochs == expected
    assert {"train", "val", "val_accuracy"} <= set(reading.columns)


def test_a_folder_is_read_as_its_file() -> None:
    for name, file in FILES.items():
        if name != "keras":
            folder, alone = read_log(LOGS / "over" / name), read_log(LOGS / "over" / name / file)
            assert folder.signals == alone.signals


def test_keras_history_tells_what_its_table_tells() -> None:
    table, history = (read_log(LOGS / "over/keras" / name) for name in ("keras.csv", "history.json"))
    losses = [[(item["train"], item["val"]) for item in r.signals if item["meter"] == "loss"] for r in (table, history)]
    assert len(losses[0]) == len(losses[1]) == 40
    for one, other in zip(*losses, strict=True):
        assert one == pytest.approx(other, rel=1e-5)
    # It alone tells the rate.
    assert "lr" in history.columns
    assert "lr" not in table.columns


def test_lightning_rows_without_an_epoch_belong_to_the_epoch_before() -> None:
    reading = read_log(LOGS / "over/lightning")
    assert reading.known["optim.lr"] == pytest.approx(2e-3)


def test_transformers_tells_gradients_and_batch() -> None:
    reading = read_log(LOGS / "over/transformers")
    assert "norm" in reading.columns
    assert reading.known["train.batch"] == 16


def test_event_files_are_counted_in_epochs_where_validation_is() -> None:
    reading = read_log(LOGS / "over/tensorboard")
    losses = [item for item in reading.signals if item["meter"] == "loss"]
    assert len(losses) == 40
    assert all("train" in item and "val" in item for item in losses)
    assert any("counted by epochs" in note for note in reading.notes)


def test_several_trainings_in_one_folder_are_told_apart() -> None:
    done = CliRunner().invoke(app, ["diagnose", str(LOGS / "over")])
    assert done.exit_code == 2
    assert "8 trainings" in " ".join(done.stderr.split())  # Wherever the line is broken.
    assert "fastai" in done.stderr


def test_the_command_line_says_what_it_read_and_who_did_not_look() -> None:
    path = LOGS / "over/keras/keras.csv"
    done = CliRunner().invoke(app, ["diagnose", str(path)])
    assert done.exit_code == 0, done.output
    for words in (
        "Keras CSVLogger",
        "40 epochs",
        "overfitting",
        "keras.layers.Dropout",
        "give --classes N",
        "learning rate",
    ):
        assert words in done.stdout, words
    answer = json.loads(CliRunner().invoke(app, ["diagnose", str(path), "--json", "--classes", "10"]).stdout)
    assert set(answer) == {"findings", "log", "advice"}
    assert answer["log"]["columns"]["val"] == "val_loss"
    assert not [item for item in answer["findings"] if item["rule"] == "rate_too_high" and not item["looked"]]


@pytest.mark.parametrize(("limit", "code"), [("warn", 1), ("block", 0), ("never", 2)])
def test_findings_can_fail_a_job(limit: str, code: int) -> None:
    path = LOGS / "over/keras/keras.csv"
    assert CliRunner().invoke(app, ["diagnose", str(path), "--fail-on", limit]).exit_code == code


def test_nothing_is_written_beside_a_log(tmp_path: Path) -> None:
    log = tmp_path / "日志 1" / "results.csv"
    log.parent.mkdir()
    log.write_bytes((LOGS / "over/ultralytics/results.csv").read_bytes())
    assert CliRunner().invoke(app, ["diagnose", str(log.parent)]).exit_code == 0
    assert [path.name for path in tmp_path.rglob("*")] == ["日志 1", "results.csv"]
