"""Adapted: the statistics of batch normalisation measured anew on images of another kind; no label is needed (SPEC V1).

Li et al. 2017, "Revisiting Batch Normalization for Practical Domain Adaptation" (AdaBN, arXiv:1603.04779); Schneider et al. 2020
(arXiv:2006.16971). Whether it helps is measured, not assumed: each half of the images is answered with the statistics of the other half.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.rows import Rows
from snellen.ship.loaded import Loaded
from snellen.train.job import normal_of, samples_of
from snellen.train.observe import outputs, stored
from snellen.train.source import Samples

# A batch that is smaller has statistics that are mostly chance.
LEAST = 16


def normalised(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Its layers of batch normalisation."""
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def adapted(loaded: Loaded, catalog: Catalog, pixels: Pixels) -> Loaded:
    """The model with the statistics of these images, as evaluation sees them; the one that is given stays as it is."""
    model = copy.deepcopy(loaded.model)
    batches = _samples(loaded, catalog, pixels).plain(loaded.size, *normal_of(loaded.model))
    _measure(
        model, (loaded.setting.place(batch) for batch in batches if len(batch) >= min(LEAST, len(catalog))), loaded
    )
    return replace(loaded, model=model)


def answered(loaded: Loaded, catalog: Catalog, pixels: Pixels) -> Rows:
    """Rows of images that are none of the case's: nothing that was kept of those is looked up."""
    samples = _samples(loaded, catalog, pixels)
    with torch.inference_mode():
        said = outputs(loaded.model, loaded.setting, samples.plain(loaded.size, *normal_of(loaded.model)))
        return stored(loaded.task, samples, said, loaded.size, loaded.classes)


def crossed(loaded: Loaded, catalog: Catalog, pixels: Pixels) -> Rows:
    """Rows of all images, each with the statistics of the other half; halves are dealt by turns, in the order of the ids."""
    order = np.argsort(np.asarray(catalog.ids, dtype=str), kind="stable")
    halves = [np.sort(order[start::2]) for start in (0, 1)]
    found = [
        answered(adapted(loaded, catalog.take(halves[1 - number]), pixels), catalog.take(halves[number]), pixels)
        for number in (0, 1)
    ]
    joined: Rows = found[0].joined(found[1])
    return joined


def _samples(loaded: Loaded, catalog: Catalog, pixels: Pixels) -> Samples:
    return samples_of(loaded.task, loaded.recipe, [catalog], loaded.classes, pixels, None)[0]


@torch.no_grad()
def _measure(model: nn.Module, batches: Iterable[Tensor], loaded: Loaded) -> None:
    norms = normalised(model)
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # A plain mean over the batches.
        module.train()
    for batch in batches:
        with loaded.setting.autocast():
            model(batch)
    model.eval()
