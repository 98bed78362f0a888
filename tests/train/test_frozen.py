"""What a stage freezes does not move: neither its weights nor its batch-norm statistics."""

from __future__ import annotations

import pytest
import timm
import tiny
import torch
from torch import nn

from snellen.recipe import Optim
from snellen.train import stages
from snellen.train.average import Average

HEAD = {"name": "head", "unfreeze": "head", "epochs": 2, "lr_scale": 5.0}
LAST = {"name": "last", "unfreeze": "last", "epochs": 2}
LAST_PARTS = ("blocks.2.", "blocks.3.", "blocks.4.", "conv_head.", "bn2.", "classifier.")


@pytest.mark.parametrize(("stage", "moving"), [(HEAD, ("classifier.",)), (LAST, LAST_PARTS)], ids=["head", "last"])
def test_only_what_is_unfrozen_moves(
    stage: dict[str, object], moving: tuple[str, ...], trained, job, weights_of, differ
) -> None:
    recipe = tiny.recipe({"stages": [stage]})
    start = job(recipe).model.state_dict()
    changed = differ(weights_of(trained(recipe, stop_at=8), "last"), start)
    assert changed
    assert all(name.startswith(moving) for name in changed), changed
    if stage is LAST:
        model = job(recipe, "other").model
        unfrozen = stages.trainable(model, "last")
        names = {
            name for name, p in model.named_parameters() if any(p is q for part in unfrozen.values() for q in part)
        }
        # All that trains did move, and so did the statistics of its batch-norms.
        assert names <= set(changed)
        assert any("running_mean" in name for name in changed)


def test_the_kept_weights_of_a_head_stage_have_the_trunk_of_the_start(trained, job, weights_of, differ) -> None:
    recipe = tiny.recipe({"stages": [HEAD]})
    start = job(recipe).model.state_dict()
    assert all(name.startswith("classifier.") for name in differ(weights_of(trained(recipe)), start))


@pytest.mark.parametrize("unfreeze", ["head", "last", "all"])
def test_batch_norm_of_the_frozen_part_is_in_eval_mode(unfreeze: str) -> None:
    model = timm.create_model("resnet18", num_classes=3)
    stages.freeze(model, unfreeze)
    stages.set_modes(model, freeze_norm=False)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(module.training == module.weight.requires_grad for module in norms)
    assert sum(module.training for module in norms) == {"head": 0, "last": 10, "all": 20}[unfreeze]
    stages.set_modes(model, freeze_norm=True)
    assert not any(module.training for module in norms)
    assert model.training


def test_freeze_norm_keeps_all_statistics(trained, job, weights_of, differ) -> None:
    recipe = tiny.recipe({"stages": tiny.ALL, "train.freeze_norm": True})
    start = job(recipe).model.state_dict()
    changed = differ(weights_of(trained(recipe, stop_at=6), "last"), start)
    assert changed
    assert not [name for name in changed if "running" in name or "num_batches" in name]


def test_norms_and_biases_do_not_decay() -> None:
    model = timm.create_model("test_efficientnet", num_classes=3)
    decayed, spared = stages.groups(stages.freeze(model, "all"), Optim(weight_decay=0.5))
    assert decayed["weight_decay"] == 0.5
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert spared["weight_decay"] == 0.0
    assert all(parameter.ndim <= 1 for parameter in spared["params"])
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))


def test_the_average_follows_what_moves_and_gives_the_weights_back() -> None:
    model = timm.create_model("test_efficientnet", num_classes=3)
    stages.freeze(model, "last")
    stages.set_modes(model, freeze_norm=False)
    average = Average(model, 0.9)
    moving = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert moving <= set(average.state())
    assert {name for name in average.state() if name not in moving} == {
        f"{name}.{key}" for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d) and module.training for key in ("running_mean", "running_var")
    }  # fmt: skip
    before = model.classifier.weight.detach().clone()
    with torch.no_grad():
        model.classifier.weight += 1.0
    average.update(100)
    with average.applied():
        assert torch.allclose(model.classifier.weight, before + 0.1, atol=1e-6)
    assert torch.equal(model.classifier.weight, before + 1.0)


def test_without_decay_nothing_is_averaged() -> None:
    model = timm.create_model("test_efficientnet", num_classes=3)
    average = Average(model, 0.0)
    assert average.state() == {}
    with average.applied():
        assert model.classifier.weight.requires_grad
