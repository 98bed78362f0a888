"""Training with recomputed activations: the same run, whatever part of the network trains."""

from __future__ import annotations

import pytest
import tiny
import torch

from snellen.values import SnellenError

# Plain SGD: Adam divides by the gradient's own size, which makes any rounding as large as a step.
PATCH = {"optim": {"name": "sgd", "lr": 0.02}, "augment.mixup": 0.0}


def test_recomputing_changes_nothing_of_a_training(trained, weights_of) -> None:
    patch = {**PATCH, "train.cache": "off"}  # What is recomputed is not read from a cache.
    plain, again = (trained(tiny.recipe({**patch, "train.checkpointing": on}), f"again{on}") for on in (False, True))
    first, second = weights_of(plain, "best"), weights_of(again, "best")
    for name, tensor in first.items():
        if "num_batches_tracked" not in name:
            torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_synchronised_norms_are_refused_in_one_process(trained) -> None:
    with pytest.raises(SnellenError, match="there is one process only"):
        trained(tiny.recipe({"train.sync_norm": True}))


def test_parts_to_be_found_out_begin_with_one(trained, weights_of, differ) -> None:
    """A recipe that was not prepared: nothing has looked at the memory yet."""
    whole, auto = (
        trained(tiny.recipe({"train.accumulate": parts}), f"parts{parts}", stop_at=10) for parts in (1, "auto")
    )
    assert not differ(weights_of(whole, "last"), weights_of(auto, "last"))
