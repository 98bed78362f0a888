"""Embeddings of validation, and how well they find and recognise: measured where the loss is about embeddings."""

from __future__ import annotations

from typing import Any

import torch

from snellen import store
from snellen.shelf import LOSSES
from snellen.tasks._retrieval import retrieval
from snellen.train.features import embed
from snellen.train.job import Job


def embeds(loss: str) -> bool:
    """Whether the features of a model that is trained with this loss are meant to be compared."""
    return bool(LOSSES.constant(loss, "EMBEDS"))


def retrieved(job: Job) -> dict[str, Any]:
    """Store the features of validation, [n, d] in the order of its rows, as embeddings.safetensors; return the metrics."""
    size = job.recipe.data.eval_size or job.recipe.data.size
    features = embed(job.model, job.validation.plain(size, *job.normal), job.setting)
    about = {"split": "val", "ids": list(job.validation.ids)}
    store.write_tensors(job.run.folder / "embeddings.safetensors", {"val": torch.from_numpy(features)}, about)
    return dict(retrieval(features, job.validation.targets))
