"""Healing that is killed at any moment and begun again comes to the same end, and never ends worse than it began."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "train"))

import tiny

from snellen.case import Case
from snellen.examine import diagnose
from snellen.improve.heal import Healed, heal
from snellen.improve.lab import Lab
from snellen.recipe import Recipe
from snellen.train.machine import Setting
from snellen.values import to_json

# One stage at a rate at which nothing is learned: there is something to find, and a cure.
STAGES = [{"name": "all", "unfreeze": "all", "epochs": 2}]
PATCH = {"stages": STAGES, "optim.lr": 1e-6, "augment.mixup": 0.0, "improve.seeds": 2, "improve.remedies": 2}


def recipe() -> Recipe:
    return tiny.recipe(PATCH)


def healed(folder: Path, *, kill_at: int = 0) -> Healed:
    """Train, look, heal; with `kill_at` say so at that event, and wait to be killed."""
    torch.set_num_threads(1)
    seen = 0

    def watch(event: Mapping[str, Any]) -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            print("waiting", flush=True)
            sys.stdin.read()

    lab = Lab(
        Case(folder / "case"), *tiny.material(), Setting(), folder / "cache", watch, lambda: False, None,
        folder / "experience.jsonl",
    )  # fmt: skip
    first = lab.trained(recipe(), recipe().seed)
    first.write_findings(diagnose(first))
    return heal(lab, recipe(), ())


def ledger(case: Case) -> list[dict[str, Any]]:
    """All verdicts, but for what they took."""
    return [{key: value for key, value in to_json(item).items() if key != "seconds"} for item in case.verdicts]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Healed]:
    """Healing that nobody disturbed."""
    before = torch.get_num_threads()
    folder = tmp_path_factory.mktemp("whole")
    done = healed(folder)
    torch.set_num_threads(before)
    return Case(folder / "case"), done


def test_there_is_something_to_heal(whole: tuple[Case, Healed]) -> None:
    case, _ = whole
    tried = [verdict for verdict in case.verdicts if verdict.seeds]
    assert len(tried) >= 2
    assert all(verdict.seconds > 0 for verdict in tried)


def test_it_never_ends_worse_than_it_began(whole: tuple[Case, Healed]) -> None:
    case, done = whole
    began, ended = (case.run(one.id, one.seed) for one in (recipe(), done.recipe))
    assert ended.cost["score"] >= began.cost["score"] - recipe().improve.margin
    assert done.run.folder == ended.folder


# In the first run, in the first trial, between two seeds, in the last trial.
@pytest.mark.parametrize("event", [3, 13, 22, 40])
def test_killed_and_begun_again(event: int, whole: tuple[Case, Healed], tmp_path: Path) -> None:
    program = [sys.executable, str(Path(__file__)), str(tmp_path), str(event)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        child.kill()
        child.communicate()
    assert said == "waiting\n"
    assert child.returncode == -9
    before = torch.get_num_threads()
    done, case = healed(tmp_path), Case(tmp_path / "case")
    torch.set_num_threads(before)
    assert ledger(case) == ledger(whole[0])
    assert done.recipe == whole[1].recipe
    assert done.run.predictions("val").ids == whole[1].run.predictions("val").ids
    assert (done.run.predictions("val").probabilities == whole[1].run.predictions("val").probabilities).all()


if __name__ == "__main__":
    healed(Path(sys.argv[1]), kill_at=int(sys.argv[2]))
