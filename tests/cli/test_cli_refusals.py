"""How the command line refuses: one message that says what would do, exit code 2, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import call, program, refused


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
    "nothing to resume": Bad(("--resume",), r"there is no case of \S+ under snellen-runs to resume"),
    "a case that is none": Bad(("--resume", "--out", "elsewhere"), r"elsewhere holds no case to resume"),
    "a split that is none": Bad(
        ("--split", "monthly"), r"--split 'monthly' is not known; expected random \(the default\), time, or time=COLUMN"
    ),
    "a split by no column": Bad(("--split", "time="), r"--split 'time=' is not known"),
    "a split by times that are not there": Bad(("--split", "time"), r"no column of times .*own columns: none"),
    "a split by a column that is not there": Bad(("--split", "time=day"), r"has no column 'day' of times"),
    "epochs of all stages and of each": Bad(
        ("--epochs", "4", "--stages", "head=2,all=2"),
        r"--epochs 4 shares epochs out .* and stages was set too; leave one of them out",
    ),
    "a recipe that is a folder": Bad(("--recipe", "."), r"Is a directory; look at the path, its permissions"),
    "no budget at all": Bad(("--budget", ""), r"--budget '' is not a time"),
    "a model that is none": Bad(("--model", "resnet19"), r"timm has no model 'resnet19'"),
}


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


def test_predict_refuses_what_it_cannot_answer(few: Path, elsewhere: Path) -> None:
    refused(call("predict", few, few, "--out", "answers"), "is not a case with a trained model")
    refused(call("predict", "case", "nowhere", "--out", "answers"), "nowhere does not exist")
    refused(call("predict", "case", few, "--out", few / "answers"), "which is never written to")
    (elsewhere / "full").mkdir()
    (elsewhere / "full" / "a.txt").touch()
    refused(call("predict", "case", few, "--out", "full"), "is not empty or no folder")
    (elsewhere / "empty").mkdir()
    refused(call("predict", "case", "empty", "--out", "answers"), "holds no images")
    assert not (elsewhere / "answers").exists()
