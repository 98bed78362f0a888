"""The autopilot: what it does where training goes wrong, that it leaves the rest alone, and that killing it changes no bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from snellen.catalog import MissingSignal
from snellen.examine import diagnose
from snellen.run import Run
from snellen.shelf import using
from snellen.train import loop, pilot
from snellen.train.checkpoint import State
from snellen.train.machine import Setting
from snellen.values import Finding

STAGES = [
    {"name": "head", "unfreeze": "head", "epochs": 2, "lr_scale": 1.0},
    {"name": "all", "unfreeze": "all", "epochs": 3, "lr_scale": 1.0},
]
ON = {"train.autopilot": True, "augment.mixup": 0.0, "optim.clip": None, "stages": STAGES}
# The first stage blows up within its first epoch: back to the start, on at 2e-4.
WILD = {**ON, "optim.lr": 3000.0}
# In the third epoch of all: a NaN that no rate can help.
BROKEN = '''
"""A loss that is NaN for one sample in every call from the fifteenth on."""
import torch
import torch.nn.functional as F


def broken(*, call: int = 15):
    calls = 0

    def loss(output, target):
        nonlocal calls
        calls += 1
        each = F.cross_entropy(output, target, reduction="none")
        return torch.where(torch.arange(len(each)) == 2, torch.nan, each) if calls >= call else each

    return loss
'''


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The uninterrupted run, made once."""
    folder = tmp_path_factory.mktemp("steered")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    run = loop.train(tiny.recipe(WILD), *tiny.material(), folder / "run", setting=Setting(), cache=folder / "cache")
    torch.set_num_threads(before)
    return run


def found(run: Run, rule: str) -> list[Finding]:
    return [finding for finding in diagnose(run) if finding.rule == rule and finding.looked]


def same(run: Run, whole: Run, weights_of, differ, signals) -> None:
    assert run.done
    assert differ(weights_of(run), weights_of(whole)) == []
    assert signals(run) == signals(whole)
    assert np.array_equal(run.predictions("val").probabilities, whole.predictions("val").probabilities)
    assert {k: v for k, v in run.cost.items() if k != "seconds"} == {
        k: v for k, v in whole.cost.items() if k != "seconds"
    }


def test_a_training_that_blows_up_goes_back_and_lowers_the_rate(steered: Run) -> None:
    (act,) = steered.signals("autopilot")
    assert (act["action"], act["stage"], act["finding"]["rule"]) == ("back", "head", "diverging")
    assert (act["remedy"]["name"], dict(act["remedy"]["patch"]), dict(act["before"])) == (
        "lower_lr", {"optim.lr": 2e-4}, {"optim.lr": 3000.0},
    )  # fmt: skip
    rates = [(item["stage"], item["peak"]) for item in steered.signals("rate")]
    assert rates[0] == ("head", 3000.0)
    # It holds to the end, in the stages that follow too; the epoch was gone over again.
    assert max(peak for _, peak in rates[1:]) == 2e-4
    assert [stage for stage, _ in rates] == ["head"] * 3 + ["all"] * 3
    assert [item["epoch"] for item in steered.signals("loss")] == [1, 2, 3, 4, 5, 6]
    assert steered.cost["stopped"] == ""
    assert steered.recipe.optim.lr == 3000.0


def test_what_it_did_is_told_with_what_it_brought(steered: Run) -> None:
    (told,) = found(steered, "autopilot")
    assert told.severity == "info"
    assert "optim.lr 3e+03 → 0.0002" in told.message
    assert told.evidence["end"] == steered.cost["score"]
    assert told.evidence["gain"] == pytest.approx(steered.cost["score"] - told.evidence["score"])
    # The recipe's fault stays one, for the healing to answer.
    assert [finding.severity for finding in found(steered, "diverging")] == ["warn"]


def test_a_calm_training_is_left_alone(trained, weights_of, differ, signals) -> None:
    calm, off = trained(tiny.recipe({"train.autopilot": True}), "on"), trained(tiny.recipe(), "off")
    same(calm, off, weights_of, differ, signals)
    with pytest.raises(MissingSignal):
        calm.signals("autopilot")


@pytest.mark.parametrize("step", [1, 3, 4, 6, 12, 14, 20, 23])
def test_stopped_and_resumed(step: int, steered: Run, trained, weights_of, differ, signals) -> None:
    assert not trained(tiny.recipe(WILD), stop_at=step).done
    same(trained(tiny.recipe(WILD)), steered, weights_of, differ, signals)


def test_stopped_after_every_step(steered: Run, trained, weights_of, differ, signals) -> None:
    for _ in range(steered.cost["steps"] - 1):
        trained(tiny.recipe(WILD), stop_at=1)
    same(trained(tiny.recipe(WILD)), steered, weights_of, differ, signals)


@pytest.mark.parametrize("step", [2, 7, 18])
def test_killed_and_resumed(step: int, steered: Run, tmp_path: Path, trained, weights_of, differ, signals) -> None:
    """Before the act, after it, and a stage later; the checkpoint is some steps behind."""
    program = [sys.executable, str(Path(__file__)), str(tmp_path / "run"), str(step)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        child.kill()
        child.communicate()
    assert said == "waiting\n"
    assert child.returncode == -9
    same(trained(tiny.recipe(WILD)), steered, weights_of, differ, signals)


def test_what_does_not_help_ends_the_training(tmp_path: Path, trained, weights_of) -> None:
    folder = tmp_path / "parts" / "losses"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text(BROKEN, encoding="utf-8")
    with using(tmp_path / "parts"):
        run = trained(tiny.recipe({**ON, "optim.lr": 2e-3, "loss": {"name": "broken"}}))
        acts = run.signals("autopilot")
    assert run.cost["stopped"] == "nonfinite"
    assert [act["action"] for act in acts] == ["back"] * pilot.MOST + ["stop"]
    # Another remedy before the same again.
    assert [act["remedy"]["name"] for act in acts[:-1]] == ["lower_lr", "clip", "lower_lr"]
    assert [act["epoch"] for act in acts] == [4, 5, 6, 7]
    assert len(run.signals("nonfinite")) == len(acts)
    assert all(torch.isfinite(tensor).all() for tensor in weights_of(run).values())
    (finding,) = found(run, "nonfinite")
    assert (finding.severity, finding.evidence["seen"]) == ("block", "flown")
    assert [item.evidence["action"] for item in found(run, "autopilot")] == [act["action"] for act in acts]


def test_a_number_that_is_not_finite_once_costs_one_epoch(tmp_path: Path, trained) -> None:
    folder = tmp_path / "parts" / "losses"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text(BROKEN.replace("calls >= call", "calls == call"), encoding="utf-8")
    with using(tmp_path / "parts"):
        run = trained(tiny.recipe({**ON, "optim.lr": 2e-3, "loss": {"name": "broken"}}))
        (finding,) = found(run, "nonfinite")
    assert (run.cost["stopped"], run.cost["epochs"], finding.severity) == ("", 6, "warn")
    (act,) = run.signals("autopilot")
    # Half an epoch is no record of one: the numbers of the records go on all the same.
    assert act["epoch"] == 4
    assert [item["epoch"] for item in run.signals("loss")] == [1, 2, 3, 5, 6]


def test_a_hopeless_training_is_ended(trained) -> None:
    stages = [{"name": "all", "unfreeze": "all", "epochs": 20, "lr_scale": 1e-9}]
    run = trained(tiny.recipe({**ON, "stages": stages}))
    assert (run.cost["stopped"], run.cost["epochs"]) == ("hopeless", 10)
    (act,) = run.signals("autopilot")
    assert (act["action"], act["remedy"]) == ("stop", None)
    assert [finding.severity for finding in found(run, "hopeless")] == ["info"]


def _losses(values: list[float]) -> State:
    return State(records=[{"loss": value} for value in values])


def test_within_an_epoch_it_sees_means_of_many_samples(job) -> None:
    work = job(tiny.recipe({**ON, "train.batch": 16}))
    work.run.journal.append({"meter": "loss", "stage": "all", "epoch": 1, "train": 1.1, "running": 1.0})
    watching = pilot.Pilot(work, tiny.material()[0], lambda words: None)
    # Two windows of 16 steps, the second blown up; not before it is full.
    calm, wild = [0.6] * 16, [9.0] * 16
    for count in (1, 15, 16, 31):
        watching.within(_losses((calm + wild)[:count]), "all", 100)
    with pytest.raises(pilot.Alarm, match=r"rose to 9 in epoch 1, from 0\.6"):
        watching.within(_losses(calm + wild), "all", 100)
    # Long epochs are looked at eight times.
    watching.within(_losses(calm + wild), "all", 1000)


def test_what_was_answered_is_not_judged_again(job) -> None:
    work = job(tiny.recipe(ON))
    records = [{"meter": "loss", "stage": "all", "epoch": e, "train": x, "running": x} for e, x in ((1, 1.0), (2, 9.0))]
    work.run.journal.append(*records)
    watching = pilot.Pilot(work, tiny.material()[0], lambda words: None)
    with pytest.raises(pilot.Alarm):
        watching.after(State(epochs=1), 9)
    watching.after(State(epochs=2, acted=2), 9)


def until(folder: Path, step: int) -> None:
    """Train, say so at the step, and then wait to be killed."""
    torch.set_num_threads(1)
    seen = 0

    def watch(event: dict[str, Any]) -> None:
        nonlocal seen
        seen += "loss" in event
        if seen == step and "loss" in event:
            print("waiting", flush=True)
            sys.stdin.read()

    cache = folder.parent / "cache"
    loop.train(
        tiny.recipe(WILD), *tiny.material(), folder, setting=Setting(), cache=cache, watch=watch, checkpoint_seconds=0.0
    )


if __name__ == "__main__":
    until(Path(sys.argv[1]), int(sys.argv[2]))
