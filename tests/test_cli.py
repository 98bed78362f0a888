"""The command line: what it costs to ask, how it refuses, and the whole path on a small folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import result_schema
from snellen import verbs
from snellen.case import Case
from snellen.cli import app
from snellen.shelf import LOSSES

RED, NEWLINE, BLUE = "a red thing", "line\nbreak", "蓝色 的"
SMALL = ("--set", "data.size=64", "--stages", "head=2,last=1,all=1")
FAST = (*SMALL, "--model", "test_efficientnet", "--set", "model.weights=none")


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def program(*words: str | Path, **given: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snellen", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **given)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is written where the tests are started."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def probed(apart: Path) -> None:
    """What the probe would find out in twenty seconds of a busy machine, as if it were remembered."""
    import torch

    from snellen.train.probe import place

    known = {
        "precision": "fp32", "layout": "contiguous", "compile": False, "all": 0.01, "all_small": 0.003, "last": 0.006,
        "forward": 0.003, "candidates": {"contiguous fp32": [0.01]}, "forwards": {"contiguous fp32": [0.003]}, "gain": 1.0,
        "batch": 32, "busy": 0.0,
    }  # fmt: skip
    (apart / "probe").mkdir(exist_ok=True)
    before = torch.get_num_threads()
    for threads in {1, 2, os.cpu_count() or 1}:
        torch.set_num_threads(threads)
        for name in ("tf_efficientnet_lite0:False", "test_efficientnet:True"):
            for size, small in ((128, 64), (64, 32)):
                path = place(apart, name=name, size=size, small=small, batch=32)
                path.write_text(json.dumps(known))
    torch.set_num_threads(before)


# ---- What it costs to ask


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "snellen", "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in imported
    heavy = {
        "torch",
        "timm",
        "sklearn",
        "plotly",
        "pyarrow",
        "numpy",
        "scipy",
        "PIL",
        "onnx",
        "onnxruntime",
        "pydantic",
    }
    assert not imported & heavy
    for verb in (
        "run",
        "audit",
        "train",
        "diagnose",
        "explain",
        "heal",
        "report",
        "review",
        "apply",
        "agree",
        "export",
        "ship",
        "list",
        "demo",
    ):
        assert re.search(rf"\b{verb}\b", done.stdout)
    assert "Examples:" in done.stdout


@pytest.mark.parametrize(
    "verb",
    [
        "run",
        "audit",
        "train",
        "diagnose",
        "explain",
        "heal",
        "report",
        "review",
        "apply",
        "agree",
        "export",
        "ship",
        "list",
        "lr-range",
        "compare-optimizers",
        "compare-models",
        "ablate",
        "search",
        "demo",
    ],
)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = call(verb, "--help")
    assert done.exit_code == 0
    assert f"Example: snellen {verb}" in done.stdout


def test_the_package_offers_the_verbs_without_loading_them() -> None:
    text = "import snellen, sys; print(snellen.__version__, 'torch' in sys.modules, sorted(snellen.__all__))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert "False" in done.stdout
    assert "'run'" in done.stdout


def test_the_version() -> None:
    import snellen

    done = call("--version")
    assert (done.exit_code, done.stdout) == (0, f"snellen {snellen.__version__}\n")


def test_what_a_command_does_is_not_cut_off_in_the_overview() -> None:
    done = subprocess.run([sys.executable, "-m", "snellen", "--help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "COLUMNS": "80"})  # fmt: skip
    listed = done.stdout.partition("Commands:")[2].splitlines()
    assert len(listed) > 20
    assert not [line for line in listed if line.endswith("...")]


def test_no_words_is_help() -> None:
    done = call()
    assert done.exit_code == 2
    assert "Usage" in done.stdout + done.stderr


# ---- How it refuses


@dataclass(frozen=True)
class Bad:
    """Words of the command after `run FOLDER`, and what the message must say."""

    words: tuple[str, ...]
    says: str


BAD = {
    "a value that is no number": Bad(("--set", "optim.lr=nan"), r"recipe key 'optim\.lr' is nan: .*finite number"),
    "a value out of range": Bad(("--set", "optim.lr=-1"), r"recipe key 'optim\.lr' is -1.*greater than 0"),
    "a word for a number": Bad(("--set", "optim.lr=fast"), r"recipe key 'optim\.lr' is 'fast'"),
    "an unknown key": Bad(("--set", "optim.lrr=1e-3"), r"no key 'optim\.lrr'; did you mean 'lr'\?"),
    "an unknown section": Bad(("--set", "optimm.lr=1e-3"), r"no key 'optimm'; did you mean 'optim'\?"),
    "an unknown loss": Bad(("--set", "loss.name=focall"), r"no losses part is named 'focall'; did you mean 'focal'"),
    "an unknown setting": Bad(
        ("--set", "loss.settings.smooth=0.2"), r"'cross_entropy' has no setting 'smooth'; did you mean 'smoothing'\?"
    ),
    "no value": Bad(("--set", "optim.lr"), r"--set 'optim\.lr' has no KEY=VALUE form"),
    "a value that is not YAML": Bad(("--set", "stages=[{"), r"the value is not YAML"),
    "a budget that is no time": Bad(("--budget", "soon"), r"--budget 'soon' is not a time; expected for example 90s"),
    "no budget": Bad(("--budget", "0s"), r"--budget '0s' leaves no time"),
    "an unknown stage": Bad(("--stages", "tail=3"), r"'tail=3' is not of the form head=10; stages are head, last, all"),
    "a stage of no epochs": Bad(("--stages", "head=0"), r"'head=0' is not of the form"),
    "a stage twice": Bad(("--stages", "all=1,all=2"), r"stages are named \['all', 'all'\]"),
    "no epochs": Bad(("--epochs", "0"), r"--epochs"),
    "a language that is none": Bad(("--lang", "fr"), r"'fr' is not a language of the report; expected en or zh"),
    "an unknown option": Bad(("--bugdet", "10m"), r"No such option"),
    "a recipe that is not there": Bad(("--recipe", "nowhere.yaml"), r"recipe file nowhere\.yaml does not exist"),
    "parts that are not there": Bad(("--parts", "nowhere"), r"--parts nowhere is not a folder"),
    "nothing to resume": Bad(("--resume",), r"there is no case of photos under snellen-runs to resume"),
    "a case that is none": Bad(("--resume", "--out", "elsewhere"), r"elsewhere holds no case to resume"),
    "a split that is none": Bad(
        ("--split", "monthly"), r"--split 'monthly' is not known; expected random \(the default\), time, or time=COLUMN"
    ),
    "a split by no column": Bad(("--split", "time="), r"--split 'time=' is not known"),
    "a split by times that are not there": Bad(("--split", "time"), r"no column of times .*own columns: none"),
    "a split by a column that is not there": Bad(("--split", "time=day"), r"has no column 'day' of times"),
    "a model that is none": Bad(("--model", "resnet19"), r"timm has no model 'resnet19'"),
}


def refused(done: Result, says: str) -> None:
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    flat = " ".join(done.stderr.split())
    assert re.search(says, flat), flat
    assert flat.count("snellen: ") + flat.count("Error") == 1, "more than one message"


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory, photos: Callable[..., Path]) -> Path:
    return photos(tmp_path_factory.mktemp("few") / "photos", each=4, side=32)


@pytest.mark.parametrize("name", BAD)
def test_bad_usage(name: str, few: Path, elsewhere: Path) -> None:
    done = call("run", few, *BAD[name].words)
    refused(done, BAD[name].says)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("optim: {lr: .nan}", r"recipe file .*bad\.yaml: recipe key 'optim\.lr' is nan"),
        ("optim: {lrate: 1}", r"unknown recipe key 'optim\.lrate'"),
        ("- a list", r"bad\.yaml holds list, expected keys"),
        ("optim: {lr: [", r"bad\.yaml is not YAML"),
        ("", r"bad\.yaml holds NoneType"),
    ],
)
def test_bad_recipes(text: str, says: str, few: Path, elsewhere: Path) -> None:
    (elsewhere / "bad.yaml").write_text(text)
    refused(call("run", few, "--recipe", "bad.yaml"), says)


def test_the_autopilot_is_a_key_of_the_recipe() -> None:
    from snellen.cli_call import changes

    assert changes(["train.autopilot=false"], autopilot=True) == {"train.autopilot": True}
    assert changes(None) == {}


def test_a_folder_that_is_not_there(few: Path) -> None:
    refused(call("run", few.parent / "photo"), r"photo does not exist; did you mean '.*photos'\?")


def test_an_empty_folder(elsewhere: Path) -> None:
    (elsewhere / "empty").mkdir()
    refused(call("run", "empty"), r"holds no images \(0 other files\); expected class folders")


def test_one_class(photos: Callable[..., Path], elsewhere: Path) -> None:
    photos(elsewhere / "one", each=3, classes=("cat",), side=32)
    refused(call("audit", "one"), r"only the class 'cat' \(3 images\); a classifier needs two or more")


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("detecton", r"no task is named 'detecton'; did you mean 'detection'\?"),
        ("segmentation", r"photos holds no annotation for the task segmentation \(expected .*found none"),
    ],
)
def test_a_task_that_the_data_does_not_serve(few: Path, task: str, says: str) -> None:
    refused(call("audit", few, "--task", task), says)


def test_out_is_not_empty(few: Path, elsewhere: Path) -> None:
    (elsewhere / "mine").mkdir()
    (elsewhere / "mine" / "thesis.txt").write_text("do not lose")
    refused(call("run", few, "--out", "mine"), r"mine is not empty; choose another --out")
    assert (elsewhere / "mine" / "thesis.txt").read_text() == "do not lose"


def test_out_lies_in_the_data(few: Path) -> None:
    refused(call("run", few, "--out", few / "results"), r"lies inside the data .* never written to; choose --out")
    refused(call("run", few, "--out", few), r"lies inside the data")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("diagnose", "nowhere"), "nowhere does not exist"),
        (("explain", "overfiting"), "did you mean 'overfitting'"),
        (("heal", "nowhere"), "nowhere is not a case"),
        (("ship", "nowhere"), "nowhere has no final run yet"),
        (("report", "nowhere"), "nowhere is not a case"),
        (("list", "loses"), "there is no shelf 'loses'; did you mean 'losses'"),
    ],
)
def test_what_is_no_case_or_shelf(words: tuple[str, ...], says: str) -> None:
    refused(call(*words), says)


def test_the_program_refuses_as_the_tests_saw() -> None:
    done = program("run", "nowhere", "--set", "optim.lr=nan")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "'optim.lr' is nan" in done.stderr


# ---- Shelves


def test_list_shows_every_shelf() -> None:
    done = call("list")
    assert done.exit_code == 0
    for word in ("losses", "focal", "rules/run", "overfitting", "remedies", "mixup", "schedules", "cosine"):
        assert word in done.stdout


def test_list_has_one_line_for_each_part_with_its_source() -> None:
    lines = call("list", "losses").stdout.splitlines()
    assert lines[0] == "losses"
    assert [line.split()[0] for line in lines[1:]] == sorted(LOSSES.names())
    (focal,) = [line for line in lines if line.startswith("  focal ")]
    assert "gamma=2.0" in focal
    assert focal.endswith(
        'Focal loss: easy samples weigh less.  [SPEC L1; Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 4]'
    )


def test_list_shows_the_users_parts(elsewhere: Path) -> None:
    (elsewhere / "parts" / "losses").mkdir(parents=True)
    (elsewhere / "parts" / "losses" / "mine.py").write_text(
        '"""My own loss."""\n\n\ndef mine(*, depth: int = 3): ...\n'
    )
    done = call("list", "losses", "--parts", "parts")
    assert re.search(r"mine\s+depth=3\s+My own loss\.", done.stdout)


def test_list_as_json() -> None:
    told = json.loads(call("list", "schedules", "--json").stdout)
    assert list(told) == ["schedules"]
    cosine = next(part for part in told["schedules"] if part["name"] == "cosine")
    assert cosine["about"].startswith("Half a cosine from the peak down to the floor")
    assert cosine["source"]
    assert (cosine["settings"], cosine["required"]) == ({"floor": 0.0}, [])
    every = json.loads(call("list", "--json").stdout)
    assert all(part["about"] for parts in every.values() for part in parts)


# ---- The whole path


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


def test_audit_prints_the_findings(done: Done) -> None:
    answer = call("audit", done.data, "--out", "audited", "--json")
    assert answer.exit_code == 0, answer.stderr
    found = json.loads(answer.stdout)
    result_schema.check(found)
    assert (found["test"], found["verdicts"], found["artifacts"]) == ({}, [], [])
    assert found["findings"]
    assert Path(found["report"]).is_file()
    assert digests(done.data) == done.before


def test_audit_splits_by_time_and_deals_folds(photos: Callable[..., Path], elsewhere: Path) -> None:
    data = photos(elsewhere / "my 图", each=10, side=32)
    files = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    rows = "".join(f"{file},2024-01-{day:02d}\n" for day, file in enumerate(files, start=1))
    (data / "metadata.csv").write_text(f"path,time\n{rows}", encoding="utf-8")
    small = {"model.name": "test_efficientnet", "model.weights": "none", "data.time": "auto"}
    answer = verbs.audit(data, out=elsewhere / "case", changes=small, folds=4)
    assert answer["task"] == "classification"
    catalog = Case(elsewhere / "case").catalog
    place = dict(zip(catalog.table.column("path").to_pylist(), catalog.column("split"), strict=True))
    assert [place[file] for file in files] == ["train"] * 14 + ["val"] * 3 + ["test"] * 3
    told = [line.split(",") for line in (elsewhere / "case/folds.csv").read_text().splitlines()[1:]]
    assert {path for path, split, fold in told if fold == "-1"} == set(files[17:])
    assert {fold for _, _, fold in told} == {"-1", "0", "1", "2", "3"}


# ---- Stopping


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
