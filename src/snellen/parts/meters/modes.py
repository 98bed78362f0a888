"""One batch of training images in both modes of batch normalisation (SPEC S4)."""

from __future__ import annotations

from typing import Any

TASKS = ("classification", "segmentation")


def modes(epoch: Any) -> dict[str, Any] | None:
    """Mean loss of the same images with the stored statistics and with the batch's own, and where batches are small with those of
    so few images; None where nobody looked or no batch normalisation trains."""
    look = epoch.look
    if look is None or look.batch is None:
        return None
    told = {"stored": look.stored, "batch": look.batch, "n": look.n}
    return told if look.small is None else {**told, "small": look.small}
