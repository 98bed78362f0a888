"""Several passes through the training images in an epoch: the same training, looked at less often."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tiny_masks

from snellen.run import Run
from snellen.train.enter import batches, pass_of
from snellen.train.job import Job, begin
from snellen.train.machine import Setting

STAGE = {"name": "all", "unfreeze": "all", "schedule": {"name": "poly"}}


def _recipe(epochs: int, passes: int):
    return tiny_masks.recipe({"stages": [{**STAGE, "epochs": epochs}], "train.passes": passes})


def test_it_is_the_same_training(tmp_path: Path, trained: Callable[..., Run]) -> None:
    often, seldom = (
        trained(_recipe(*shape), name, material=tiny_masks.material(tmp_path / "masks"))
        for name, shape in (("often", (4, 1)), ("seldom", (2, 2)))
    )
    assert often.cost["steps"] == seldom.cost["steps"] == 12
    assert (often.cost["epochs"], seldom.cost["epochs"]) == (4, 2)
    ends = [run.signals("overlap")[-1]["values"] for run in (often, seldom)]
    assert ends[0] == ends[1]
    assert often.signals("overlap")[1]["values"] == seldom.signals("overlap")[0]["values"]


def test_stopped_within_a_pass(tmp_path: Path, trained: Callable[..., Run], weights_of, differ, signals) -> None:
    material = {"material": tiny_masks.material(tmp_path / "masks")}
    whole = trained(_recipe(2, 2), "whole", **material)
    for step in (2, 3, 5):
        assert not trained(_recipe(2, 2), "part", stop_at=step, **material).done
    part = trained(_recipe(2, 2), "part", **material)
    assert differ(weights_of(part), weights_of(whole)) == []
    assert signals(part) == signals(whole)


def test_every_pass_holds_every_image(tmp_path: Path) -> None:
    job: Job = begin(
        _recipe(2, 3), *tiny_masks.material(tmp_path / "m"), tmp_path / "run", Setting(), tmp_path / "cache"
    )
    plan = batches(job, 0, 1)
    assert len(plan) == 9
    for turn in range(3):
        assert sorted(np.concatenate(plan[3 * turn : 3 * turn + 3])) == list(range(tiny_masks.TRAIN))
    assert [pass_of(job, 1, place) for place in range(9)] == [3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert not np.array_equal(np.concatenate(plan[:3]), np.concatenate(plan[3:6]))
