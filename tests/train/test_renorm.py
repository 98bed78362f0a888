"""Batch normalisation measured anew at the end: the mean over the batches, and only where validation is better with it."""

from __future__ import annotations

import tiny
import torch

from snellen.train import renorm as module
from snellen.train.checkpoint import State
from snellen.train.enter import batches
from snellen.train.observe import keep_if_best, predict
from snellen.train.source import PixelSource

PLAIN = {"stages": tiny.ALL, "augment.mixup": 0.0, "augment.parts": []}


def norms(model: torch.nn.Module) -> list[torch.nn.modules.batchnorm._BatchNorm]:
    return [item for item in model.modules() if isinstance(item, torch.nn.modules.batchnorm._BatchNorm)]


def test_it_is_the_mean_over_the_batches(job) -> None:
    work = job(tiny.recipe(PLAIN))
    (first, *_), momentum = norms(work.model), norms(work.model)[0].momentum
    module._measure(work, norms(work.model))
    source = PixelSource(work.training, work.augmenter, work.recipe.seed)
    with torch.no_grad():
        means = [work.model.conv_stem(source.pair(chosen, 0)[0]).mean(dim=(0, 2, 3)) for chosen in batches(work, 0, 0)]
    assert torch.allclose(first.running_mean, torch.stack(means).mean(dim=0), atol=1e-5)
    assert first.momentum == momentum
    assert not any(item.training for item in norms(work.model))


def test_what_does_not_fit_is_mended_and_what_fits_stays(job) -> None:
    work = job(tiny.recipe(PLAIN))
    torch.manual_seed(0)
    torch.nn.init.normal_(work.model.get_classifier().weight, std=5.0)
    for item in norms(work.model):
        item.running_mean.fill_(2.0)
    state = State()
    keep_if_best(work, state, predict(work, work.validation))
    before, kept = (state.score, -(state.loss or 0.0)), {key: value.clone() for key, value in state.best.items()}
    module.renorm(work, state)
    after = (state.score, -(state.loss or 0.0))
    changed = any(not torch.equal(value, kept[key]) for key, value in state.best.items())
    assert after >= before
    assert changed is (after > before)
    # The model stands at what is kept; a second time brings nothing new.
    assert all(torch.equal(value, state.best[key]) for key, value in work.model.state_dict().items())


def test_a_training_with_it_ends_no_worse(trained) -> None:
    with_it, without = (
        trained(tiny.recipe({**PLAIN, "train.renorm": True}), "with"),
        trained(tiny.recipe(PLAIN), "without"),
    )
    assert with_it.cost["score"] >= without.cost["score"]
    assert with_it.cost["steps"] == without.cost["steps"]
