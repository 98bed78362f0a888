"""Stopped or killed and resumed: the same bits as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from snellen import store
from snellen.run import Run
from snellen.train import loop
from snellen.train.enter import enter
from snellen.train.machine import Setting
from snellen.values import SnellenError


def same(run: Run, whole: Run, weights_of, differ, signals) -> None:
    assert run.done
    assert differ(weights_of(run), weights_of(whole)) == []
    assert signals(run) == signals(whole)
    for split in ("val", "train"):
        assert np.array_equal(run.predictions(split).probabilities, whole.predictions(split).probabilities)
    times = ("seconds",)
    assert {k: v for k, v in run.cost.items() if k not in times} == {
        k: v for k, v in whole.cost.items() if k not in times
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The uninterrupted run, made once."""
    folder = tmp_path_factory.mktemp("whole")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    run = loop.train(tiny.recipe(), *tiny.material(), folder / "run", setting=Setting(), cache=folder / "cache")
    torch.set_num_threads(before)
    return run


# In the middle of an epoch, at its end, and at the end of a stage.
@pytest.mark.parametrize("step", [1, 4, 8, 11, 16, 19, 24, 28])
def test_stopped_and_resumed(step: int, whole: Run, trained, weights_of, differ, signals) -> None:
    part = trained(tiny.recipe(), stop_at=step)
    assert not part.done
    assert part.checkpoint("last").is_file()
    same(trained(tiny.recipe()), whole, weights_of, differ, signals)


def test_stopped_after_every_step(whole: Run, trained, weights_of, differ, signals) -> None:
    for _ in range(28):
        run = trained(tiny.recipe(), stop_at=1)
        assert not run.done
    same(trained(tiny.recipe()), whole, weights_of, differ, signals)


def _written(path: Path, steps: int, *, patience: float = 20.0) -> dict[str, Any]:
    """What the checkpoint of so many steps says, once the child has written it behind its training's back."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        about = store.read_tensors(path)[1] if path.is_file() else {"steps": -1}
        if about["steps"] >= steps:
            return about
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint of {steps} steps after {patience} s")


@pytest.mark.parametrize("stage", tiny.STEPS)
def test_killed_and_resumed(stage: str, whole: Run, tmp_path: Path, trained, weights_of, differ, signals) -> None:
    first, last = tiny.STEPS[stage]
    step = (first + last) // 2 + 2  # The second step of an epoch: what it did since the checkpoint is lost.
    program = [sys.executable, tiny.__file__, str(tmp_path / "run"), str(step)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        written = _written(tmp_path / "run" / "checkpoints" / "last.safetensors", first + 4)
        child.kill()
        child.communicate()
    assert said == "waiting\n"
    assert child.returncode == -9
    assert tiny.recipe().stages[written["stage"]].name == stage
    same(trained(tiny.recipe()), whole, weights_of, differ, signals)


class Crash(BaseException):
    """What no code of ours catches, as a power cut."""


def test_killed_between_the_last_files(
    whole: Run, trained, weights_of, differ, signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint stands in the second stage, the best weights are already those of the third."""
    trained(tiny.recipe(), stop_at=15)

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Run, "finish", crash)
        with pytest.raises(Crash):
            trained(tiny.recipe(), checkpoint_seconds=1e9)
    same(trained(tiny.recipe()), whole, weights_of, differ, signals)


def test_a_finished_run_is_returned_as_it_is(trained, weights_of, differ) -> None:
    run = trained(tiny.recipe())
    assert not run.checkpoint("last").exists()
    stamp = run.checkpoint("best").stat().st_mtime_ns
    again = trained(tiny.recipe(), stop_at=1)
    assert again.done
    assert again.checkpoint("best").stat().st_mtime_ns == stamp


def test_resume_refuses_other_threads(trained) -> None:
    trained(tiny.recipe(), stop_at=3)
    torch.set_num_threads(2)
    with pytest.raises(SnellenError, match=r"begun with threads 1, now it is 2.*resume with the same threads"):
        trained(tiny.recipe())


@pytest.mark.parametrize("setting", [Setting(precision="bf16"), Setting(layout="channels_last")])
def test_resume_refuses_another_setting(setting: Setting, trained) -> None:
    trained(tiny.recipe(), stop_at=3)
    with pytest.raises(SnellenError, match="bits would differ"):
        trained(tiny.recipe(), setting=setting)


def test_resume_refuses_another_recipe(trained) -> None:
    trained(tiny.recipe(), stop_at=3)
    with pytest.raises(SnellenError, match=r"begun with another recipe \(optim.lr differ"):
        trained(tiny.recipe({"optim.lr": 1e-3}))


def test_a_damaged_checkpoint_is_refused(trained) -> None:
    path = trained(tiny.recipe(), stop_at=12).checkpoint("last")
    data = bytearray(path.read_bytes())
    data[-5] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(SnellenError, match="damaged"):
        trained(tiny.recipe())


def test_same_seed_same_bits(whole: Run, tmp_path: Path, trained, weights_of, differ, signals) -> None:
    same(trained(tiny.recipe(), cache=tmp_path / "own"), whole, weights_of, differ, signals)


def test_another_seed_other_bits(whole: Run, trained, weights_of, differ) -> None:
    other = trained(tiny.recipe({"seed": 1, "stages": tiny.ALL}))
    assert any("conv" in name for name in differ(weights_of(other), weights_of(whole)))


def test_a_crash_while_validation_runs_loses_no_step(
    whole: Run, tmp_path: Path, trained, weights_of, differ, signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch can take an hour: it is saved within it, too."""

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(loop, "observe", crash)
        with pytest.raises(Crash):
            trained(tiny.recipe(), checkpoint_seconds=0.0)
    assert _written(tmp_path / "run" / "checkpoints" / "last.safetensors", 4)["steps"] == 4
    same(trained(tiny.recipe()), whole, weights_of, differ, signals)


def test_a_crash_while_the_run_is_made_does_not_block_it(trained, whole: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_json", crash)
        with pytest.raises(Crash):
            trained(tiny.recipe())
    assert trained(tiny.recipe()).done


def test_what_is_computed_before_the_first_step_counts_as_time(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    def later(*given: Any, **more: Any) -> Any:
        time.sleep(0.2)
        return enter(*given, **more)

    monkeypatch.setattr(loop, "enter", later)
    run = trained(tiny.recipe())
    assert run.cost["seconds"] >= 0.2 * (len(run.recipe.stages) + 1)
