"""The frozen beginning computed once gives what running it again gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import tiny
import torch
from torch import Tensor, nn

from snellen.run import Run
from snellen.train import activations, stages
from snellen.train.activations import tail_rows, view_source
from snellen.train.boundary import tail_of
from snellen.train.enter import enter
from snellen.train.loop import train
from snellen.train.machine import Setting
from snellen.train.observe import predict
from snellen.train.source import ActivationSource, PixelSource

LAST = [{"name": "last", "unfreeze": "last", "epochs": 3}]
PLAIN: dict[str, Any] = {"augment.parts": [], "augment.mixup": 0.0, "stages": LAST}


@pytest.mark.parametrize(
    "name",
    ["test_efficientnet", "test_resnet", "test_vit", "test_convnext", "mobilenetv2_050", "mobilenetv3_small_050"],
)
def test_the_cut_model_is_the_whole_one(name: str) -> None:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=3, **({"img_size": 32} if "vit" in name else {}))
    images = torch.randn(4, 3, 32, 32)
    tail = tail_of(model, "last", images[:1])
    assert tail is not None
    model.eval()
    with torch.no_grad():
        assert torch.allclose(tail(tail.beginning(images)), model(images), atol=1e-5)
    # What trains lies behind the cut, and the model is whole again.
    chosen = stages.trainable(model, "last")
    before = {id(p) for module in tail.skipped for p in model.get_submodule(module).parameters()}
    before |= {id(p) for p in model.parameters(recurse=False)}
    assert before.isdisjoint(id(p) for parameters in chosen.values() for p in parameters)
    assert len(before) + sum(map(len, chosen.values())) == len(list(model.parameters()))


def test_training_modes_survive_the_trial() -> None:
    model = timm.create_model("test_resnet", num_classes=3)
    stages.freeze(model, "last")
    stages.set_modes(model, freeze_norm=False)
    modes = {name: module.training for name, module in model.named_modules()}
    assert tail_of(model, "last", torch.randn(1, 3, 32, 32)) is not None
    assert modes == {name: module.training for name, module in model.named_modules()}


class Between(nn.Module):
    """Computes between its modules what a cut would do twice."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(*(nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(4)))
        self.fc = nn.Linear(3, 2)
        self.feature_info = [{"module": f"parts.{i}", "reduction": 2**i} for i in range(4)]

    def get_classifier(self) -> nn.Module:
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        out: Tensor = self.fc(self.parts(x).mean((2, 3)))
        return out


def test_a_model_that_cannot_be_cut_is_run_whole() -> None:
    assert tail_of(Between(), "last", torch.randn(2, 3, 8, 8)) is None
    assert tail_of(timm.create_model("test_resnet"), "all", torch.randn(1, 3, 32, 32)) is None


def _train(folder: Path, patch: Mapping[str, Any]) -> Run:
    return train(tiny.recipe(patch), *tiny.material(), folder / "run", setting=Setting(), cache=folder / "cache")


def test_cached_and_rerun_training_give_one_curve(tmp_path: Path) -> None:
    runs = [_train(tmp_path / mode, {**PLAIN, "train.cache": mode}) for mode in ("auto", "off")]
    assert list((tmp_path / "auto" / "cache" / "activations").glob("*.npy"))
    assert not (tmp_path / "off" / "cache" / "activations").exists()
    curves = [[record["val"] for record in run.signals("loss")] for run in runs]
    assert len(curves[0]) == 3
    assert np.abs(np.subtract(*curves)).max() < 1e-3
    rows = [run.predictions("val").probabilities for run in runs]
    assert np.abs(rows[0] - rows[1]).max() < 1e-3


def test_evaluation_does_not_depend_on_the_cache(job) -> None:
    work = job(tiny.recipe({"stages": LAST}))
    now = enter(work, 0)
    rows = now.rows(work.validation).probabilities
    assert np.abs(rows - predict(work, work.validation).probabilities).max() < 1e-6


@pytest.mark.parametrize(
    ("patch", "cached"),
    [
        ({}, False),  # Mixed images cannot come from cached activations.
        ({"augment.mixup": 0.0}, True),
        ({"augment.mixup": 0.0, "train.views": 3}, False),  # As many views as epochs: nothing would be saved.
        ({"augment.mixup": 0.0, "train.cache": "off"}, False),
    ],
)
def test_it_is_cached_where_that_pays(job, patch: Mapping[str, Any], cached: bool) -> None:
    now = enter(job(tiny.recipe({"stages": LAST, **patch})), 0)
    assert isinstance(now.source, ActivationSource if cached else PixelSource)
    assert (now.net is not job(tiny.recipe({"stages": LAST, **patch})).model) or not cached


def test_what_does_not_fit_is_not_cached(job, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tiny.recipe(PLAIN))
    stage = work.recipe.stages[0]
    tail = activations.cut(work, stage)
    assert tail is not None
    before = set(work.cache.rglob("*.npy"))
    monkeypatch.setattr(activations, "MOST_BYTES", 1000)
    assert view_source(work, stage, tail) is None
    assert tail_rows(work, tail)(work.validation).ids == work.validation.ids
    assert set(work.cache.rglob("*.npy")) == before


def test_what_is_there_is_read_however_full_the_disk_is(job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the second seed of a recipe would read other images than the first."""
    work = job(tiny.recipe(PLAIN))
    stage = work.recipe.stages[0]
    tail = activations.cut(work, stage)
    assert tail is not None
    assert isinstance(view_source(work, stage, tail), ActivationSource)
    monkeypatch.setattr(activations, "MOST_SHARE", 0.0)
    assert isinstance(view_source(work, stage, tail), ActivationSource)


def test_an_array_that_another_process_removes_leaves_no_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(folder: Path, *, keep: Path) -> None:
        keep.unlink()

    path = activations._place(tmp_path, "a")
    with monkeypatch.context() as patch:
        patch.setattr(activations, "_bound", remove)
        with pytest.raises(FileNotFoundError):
            activations._stored(path, (4, 2), np.float16, iter([np.zeros((4, 2))]))
    assert not path.exists()
    assert activations._stored(path, (4, 2), np.float16, iter([np.zeros((4, 2))])).shape == (4, 2)


def test_a_head_of_zeros_does_not_hide_a_wrong_cut() -> None:
    model = Between()
    with torch.no_grad():
        for parameter in model.get_classifier().parameters():
            parameter.zero_()
    assert tail_of(model, "last", torch.randn(2, 3, 8, 8)) is None


def test_a_model_that_cannot_be_cut_is_told(job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "tail_of", lambda *_: None)
    told: list[str] = []
    now = enter(job(tiny.recipe(PLAIN)), 0, tell=told.append)
    assert isinstance(now.source, PixelSource)
    assert len(told) == 1
    assert "test_efficientnet cannot be cut off exactly" in told[0]


def test_old_arrays_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "HELD", 1500)
    for name in ("a", "b", "c"):
        activations._stored(activations._place(tmp_path, name), (100, 4), np.float16, iter([np.zeros((100, 4))]))
    assert [path.stem for path in sorted((tmp_path / "activations").glob("*.npy"))] == ["c"]


def test_small_images_come_first_where_the_recipe_says_so(job) -> None:
    stages_ = [{"name": "all", "unfreeze": "all", "epochs": 5}]
    source = enter(job(tiny.recipe({"stages": stages_, "train.progressive": True, "data.size": 64})), 0).source
    sides = [source.batch(np.arange(2), epoch).shape[-1] for epoch in range(5)]
    assert sides == sorted(sides)
    assert sides[0] < 64 == sides[-1] == sides[-2]
    constant = enter(job(tiny.recipe({"stages": stages_, "data.size": 64}), "constant"), 0).source
    assert [constant.batch(np.arange(2), epoch).shape[-1] for epoch in (0, 4)] == [64, 64]
