"""The whole path on a small folder, run once, and the commands that go on from its case."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import SMALL, call, program, refused

import result_schema
from snellen import verbs
from snellen.case import Case

RED, NEWLINE, BLUE = "a red thing", "line\nbreak", "蓝色 的"


def digests(folder: Path) -> dict[str, tuple[str, int]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


@dataclass(frozen=True)
class Done:
    """A finished run of the program."""

    data: Path
    before: Mapping[str, tuple[str, int]]
    process: subprocess.CompletedProcess[str]
    folder: Path

    @property
    def answer(self) -> dict[str, Any]:
        return dict(json.loads(self.process.stdout))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, photos: Callable[..., Path], probed: None) -> Done:
    place = tmp_path_factory.mktemp("whole path")
    data = photos(place / "my photos", each=18, classes=(RED, BLUE, NEWLINE))
    (data / RED / f"{RED}_000.png").rename(data / RED / "new\nline 图 #1.png")
    before = digests(data)
    process = program("run", data, "--out", "case", "--json", "--budget", "60s", *SMALL, cwd=place)
    return Done(data, before, process, place / "case")


def test_run_prints_exactly_one_object_that_fits_the_schema(done: Done) -> None:
    assert done.process.returncode in (0, 1), done.process.stderr
    answer = done.answer
    result_schema.check(answer)
    assert len(done.process.stdout.strip().splitlines()) == 1
    assert "Traceback" not in done.process.stderr
    assert "train" in done.process.stderr
    assert done.process.returncode == (0 if all(gate["passed"] for gate in answer["gates"]) else 1)
    assert answer["task"] == "classification"
    assert answer["test"]["accuracy"]["n"] == len(Case(done.folder).catalog.of("test"))
    assert answer == json.loads((done.folder / "result.json").read_text())


def test_run_learns_something_and_passes_its_gates(done: Done) -> None:
    assert done.process.returncode == 0, done.process.stdout
    assert done.answer["val_test"]["accuracy"]["value"] > 0.6


def test_run_leaves_the_data_as_it_was(done: Done) -> None:
    assert digests(done.data) == done.before


def test_findings_name_files_of_the_data(done: Done) -> None:
    named = {path for finding in done.answer["findings"] for path in finding["samples"]}
    assert named
    assert all((done.data / path).is_file() for path in named)


def test_run_writes_the_case(done: Done) -> None:
    case = Case(done.folder)
    place = done.folder.parent
    assert (place / done.answer["report"]).read_text(encoding="utf-8").startswith("<!")
    assert {*case.catalog.classes} == {RED, BLUE, NEWLINE}
    final = case.read("final")
    run = case.run(*final["run"].rsplit("-s", 1))
    assert run.done
    assert run.predictions("test").ids
    assert set(run.predictions("test").ids) <= set(case.catalog.of("test").ids)
    assert [stage.epochs for stage in run.recipe.stages][:1] == [2]
    assert case.read("plan")["given"]["data.size"] == 64
    assert case.read("gradcam")
    assert len(case.verdicts) == len(done.answer["verdicts"])


def test_the_export_is_there_and_agrees(done: Done) -> None:
    (artifact,) = done.answer["artifacts"]
    assert artifact["format"] == "onnx"
    assert (done.folder.parent / artifact["path"]).stat().st_size > 10_000
    assert artifact["parity"] <= 1e-3
    assert artifact["latency_ms"] > 0


def test_resuming_a_finished_case_opens_nothing_again(done: Done) -> None:
    case = Case(done.folder)
    test_rows = case.folder / "runs" / case.read("final")["run"] / "predictions" / "test.parquet"
    stamps = {path: path.stat().st_mtime_ns for path in (test_rows, case.folder / "test_opened.json", case.folder / "ledger.jsonl")
              if path.exists()}  # fmt: skip
    runs, answer = len(case.runs), done.answer
    again = call("run", done.data, "--out", done.folder, "--resume", "--json", "--budget", "60s", *SMALL)
    assert again.exit_code == done.process.returncode, again.stderr
    resumed = json.loads(again.stdout)
    result_schema.check(resumed)
    for key in ("test", "val_test", "findings", "verdicts", "gates"):
        assert resumed[key] == answer[key], key
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert len(case.runs) == runs


def test_once_the_test_is_open_nothing_is_chosen_any_more(
    done: Done, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the opening of the test split and the last file: no other run may take the place of this one."""
    from snellen.values import SnellenError

    shutil.copytree(done.folder, elsewhere / "case")
    for name in ("final.json", "result.json"):
        (elsewhere / "case" / name).unlink()
    ended: list[Any] = []

    def end(lab: Any, healed: Any, *_: Any, **__: Any) -> None:
        ended.append(healed)
        raise SnellenError("as far as this test looks")

    monkeypatch.setattr(verbs, "end", end)
    monkeypatch.setattr(verbs, "improve_after_training", lambda *_: pytest.fail("healed again"))
    refused(call("run", done.data, "--out", "case", "--resume", "--json", *SMALL), "as far as this test looks")
    assert ended[0].run.folder.name == Case(done.folder).read("test_opened")["run"]
    assert len(ended[0].verdicts) == len(Case(done.folder).verdicts)


def test_a_case_whose_test_is_open_is_not_healed_further(done: Done) -> None:
    refused(call("heal", done.folder), "has opened its test split already; begin a new case")


def test_diagnose(done: Done) -> None:
    answer = call("diagnose", done.folder, "--json")
    assert answer.exit_code == 0
    found = json.loads(answer.stdout)["findings"]
    assert all({"rule", "severity", "message", "evidence", "samples"} <= set(finding) for finding in found)
    assert call("diagnose", done.folder).exit_code == 0


def test_report_in_chinese(done: Done, elsewhere: Path) -> None:
    answer = call("report", done.folder, "--lang", "zh", "--out", elsewhere / "zh.html")
    assert answer.exit_code == 0
    text = Path(answer.stdout.strip()).read_text(encoding="utf-8")
    assert 'lang="zh' in text
    assert "测试" in text


def test_ship_again(done: Done) -> None:
    before = (done.folder / "model.onnx").stat().st_mtime_ns
    answer = call("ship", done.folder, "--json")
    assert answer.exit_code == 0, answer.stderr
    (artifact,) = json.loads(answer.stdout)["artifacts"]
    assert artifact["ok"]
    assert artifact["parity"]["max_abs"] <= 1e-3
    assert (done.folder / "model.onnx").stat().st_mtime_ns > before


def test_ship_in_eight_bits_says_what_it_costs(done: Done, elsewhere: Path) -> None:
    answer = call("ship", done.folder, "--int8", "--json")
    assert answer.exit_code in (0, 1), answer.stderr
    artifact, eight = json.loads(answer.stdout)["artifacts"]
    assert (artifact["format"], eight["format"]) == ("onnx", "onnx int8")
    assert answer.exit_code == (0 if eight["ok"] else 1)
    assert eight["bytes"] < 0.5 * eight["bytes_before"]
    assert (done.folder / "model.int8.onnx").stat().st_size == eight["bytes"]
    assert eight["n"] == len(Case(done.folder).catalog.of("val"))
    text = verbs.report(done.folder, lang="en", out=elsewhere / "eight.html").read_text(encoding="utf-8")
    assert "In eight bits (model.int8.onnx)" in text


def test_predict_says_of_a_file_what_the_test_said_of_it(done: Done, elsewhere: Path) -> None:
    case = Case(done.folder)
    rows = case.run(*case.read("final")["run"].rsplit("-s", 1)).predictions("test")
    paths = case.catalog.take(case.catalog.rows(rows.ids)).paths()
    new = photos_of(paths, elsewhere / "neu 新")
    answer = call("predict", done.folder, new, paths[0], "--out", "answers", "--json")
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["left_out"] == {"not an image": 1}
    with (elsewhere / "answers" / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        table = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert table["broken.jpg"]["class"] == ""
    assert sum(told["answers"].values()) == len(paths) + 1 == told["samples"] - 1
    for path, shares in zip(paths, rows.probabilities, strict=True):
        row = table[f"{path.parent.name[:3]} {path.name}".replace("\n", " ")]
        assert [float(row[f"p({name})"]) for name in rows.classes] == pytest.approx(shares, abs=2e-6)
        assert row["class"] == rows.classes[shares.argmax()]
    assert digests(done.data) == done.before


def photos_of(paths: list[Path], folder: Path) -> Path:
    """Copies of photos in one folder, and a file that is none."""
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder / f"{path.parent.name[:3]} {path.name}".replace("\n", " "))
    (folder / "broken.jpg").write_text("no photo")
    return folder


def test_audit_prints_the_findings(done: Done) -> None:
    answer = call("audit", done.data, "--out", "audited", "--json")
    assert answer.exit_code == 0, answer.stderr
    found = json.loads(answer.stdout)
    result_schema.check(found)
    assert (found["test"], found["verdicts"], found["artifacts"]) == ({}, [], [])
    assert found["findings"]
    assert Path(found["report"]).is_file()
    assert digests(done.data) == done.before
