"""Renorm: the statistics of batch normalisation measured anew for the weights that were kept, over the training images.

Running averages trail the weights, and those of small batches are noisy; the mean over many batches at fixed weights is what
evaluation should use (Wu & Johnson 2021, "Rethinking Batch in BatchNorm", arXiv:2105.07576, section 3: PreciseBN).
"""

from __future__ import annotations

import contextlib

import torch
from torch import nn

from snellen.train.checkpoint import State
from snellen.train.enter import batches
from snellen.train.job import Job
from snellen.train.observe import keep_if_best, predict
from snellen.train.source import PixelSource
from snellen.train.step import NonFinite

# Images after which the statistics of a layer move no more (Wu & Johnson: 10,000 and more bring nothing).
ENOUGH = 10_000


def renorm(job: Job, state: State) -> None:
    """Measure on augmented training images, as training saw them, and keep the result where validation is better with it.

    Does nothing for a model without batch normalisation. The model is left with the weights that are kept."""
    norms = [module for module in job.model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if norms:
        _measure(job, norms)
        # Statistics that make a number not finite are not better: the kept ones stay.
        with contextlib.suppress(NonFinite):
            keep_if_best(job, state, predict(job, job.validation))
        job.model.load_state_dict(state.best)


@torch.no_grad()
def _measure(job: Job, norms: list[nn.modules.batchnorm._BatchNorm]) -> None:
    source, seen = PixelSource(job.training, job.augmenter, job.recipe.seed), 0
    momenta = [module.momentum for module in norms]
    job.model.eval()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # A plain mean over the batches.
        module.train()
    # Of the last stage: its images are those that the weights were last trained on.
    for chosen in batches(job, len(job.recipe.stages) - 1, 0):
        if seen >= ENOUGH:
            break
        images, _ = source.pair(chosen, 0)
        with job.setting.autocast():
            job.model(job.setting.place(images))
        seen += len(chosen)
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    job.model.eval()
