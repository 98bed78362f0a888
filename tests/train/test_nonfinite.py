"""What is not a finite number stops a training at once, is named, and never becomes the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from snellen.catalog import MissingSignal
from snellen.examine import diagnose
from snellen.run import Run
from snellen.shelf import using
from snellen.train.enter import batches
from snellen.values import SnellenError

LOSSES = {
    "nan_loss": '''
"""A loss that is NaN for the third sample of one call."""
import torch
import torch.nn.functional as F


def nan_loss(*, call: int = 6):
    calls = 0

    def loss(output, target):
        nonlocal calls
        calls += 1
        each = F.cross_entropy(output, target, reduction="none")
        return torch.where(torch.arange(len(each)) == 2, torch.nan, each) if calls == call else each

    return loss
''',
    "nan_gradient": '''
"""A loss whose value is finite and whose gradient, in one call, is not: the root at 0 has no slope."""
import torch.nn.functional as F


def nan_gradient(*, call: int = 6):
    calls = 0

    def loss(output, target):
        nonlocal calls
        calls += 1
        each = F.cross_entropy(output, target, reduction="none")
        return each + (output.sum() * 0).sqrt() if calls == call else each

    return loss
''',
}
CHANGE = {"stages": tiny.ALL, "augment.mixup": 0.0}


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for name, text in LOSSES.items():
        path = tmp_path / "parts" / "losses" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "parts"


def stopped(run: Run) -> dict[str, object]:
    """What was recorded of the stop; the run is whole, and its rule speaks."""
    assert run.cost["stopped"] == "nonfinite"
    assert np.isfinite(run.predictions("val").probabilities).all()
    (record,) = run.signals("nonfinite")
    finding = next(item for item in diagnose(run) if item.rule == "nonfinite")
    assert finding.severity == "block"
    assert finding.looked
    return dict(record)


def finite(tensors: dict[str, torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def test_a_nan_loss_names_its_sample(parts: Path, trained, job, weights_of) -> None:
    recipe = tiny.recipe({**CHANGE, "loss": {"name": "nan_loss", "settings": {"call": 6}}})
    with using(parts):
        run = trained(recipe)
        plan = [*batches(job(recipe), 0, 0), *batches(job(recipe), 0, 1)]
        record = stopped(run)
    assert run.cost["steps"] == 5
    assert record | {"meter": "nonfinite"} == {
        "meter": "nonfinite", "stage": "all", "epoch": 2, "step": 5, "what": "loss", "tensor": "", "section": "",
        "batch": 1, "size": 8, "samples": (f"s{plan[5][2]:03d}",),
    }  # fmt: skip
    assert finite(weights_of(run))


def test_a_nan_gradient_names_its_weight_and_its_batch(parts: Path, trained, weights_of) -> None:
    with using(parts):
        run = trained(tiny.recipe({**CHANGE, "loss": {"name": "nan_gradient"}}))
        record = stopped(run)
    assert (record["what"], record["step"], record["section"]) == ("gradient", 5, "stage1")
    assert (record["tensor"], record["batch"], record["size"]) == ("conv_stem.weight", 1, 8)
    assert len(set(record["samples"])) == 8
    assert finite(weights_of(run))


def test_a_nan_in_the_first_epoch_leaves_the_weights_of_the_start(
    parts: Path, trained, job, weights_of, differ
) -> None:
    recipe = tiny.recipe({**CHANGE, "loss": {"name": "nan_loss", "settings": {"call": 1}}})
    with using(parts):
        run = trained(recipe)
        record = stopped(run)
        start = job(recipe).model.state_dict()
    assert (record["epoch"], record["step"]) == (1, 0)
    assert run.cost["steps"] == 0
    assert differ(weights_of(run), start) == []


def test_a_broken_metric_stops_too(trained, weights_of) -> None:
    """The weights explode in the very last step: no loss or gradient is left that could tell."""
    stages = [{"name": "all", "unfreeze": "all", "epochs": 1, "schedule": {"name": "constant"}}]
    patch = {"stages": stages, "optim.lr": 1e38, "optim.clip": None, "train.batch": 32, "train.ema": 0.0}
    run = trained(tiny.recipe(patch))
    record = stopped(run)
    assert (record["what"], record["step"]) == ("metric", 1)
    assert len(record["samples"]) == tiny.VAL
    assert finite(weights_of(run))


def test_resuming_after_a_stop_finds_it_finished(parts: Path, trained) -> None:
    with using(parts):
        recipe = tiny.recipe({**CHANGE, "loss": {"name": "nan_loss"}})
        assert trained(recipe).folder == trained(recipe).folder
        assert len(trained(recipe).signals("nonfinite")) == 1


def test_weights_that_are_nan_from_the_start_are_refused(tmp_path: Path, job, trained) -> None:
    from safetensors.torch import save_file

    tensors = {key: value.contiguous() for key, value in job(tiny.recipe()).model.state_dict().items()}
    tensors["conv_stem.weight"] = torch.full_like(tensors["conv_stem.weight"], torch.nan)
    save_file(tensors, tmp_path / "bad.safetensors")
    with pytest.raises(SnellenError, match=r"not finite before it is trained.*bad\.safetensors.*damaged"):
        trained(tiny.recipe({"stages": tiny.ALL, "model.weights": str(tmp_path / "bad.safetensors")}))


def test_a_healthy_run_records_no_stop(trained) -> None:
    run = trained(tiny.recipe({"stages": tiny.ALL}))
    assert run.cost["stopped"] == ""
    with pytest.raises(MissingSignal):
        run.signals("nonfinite")
