"""Switches of the recipe that change a model without changing its weights: gradient checkpointing, synchronised batch-norm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from snellen.recipe import Train
from snellen.values import SnellenError


def switched(model: nn.Module, train: Train) -> nn.Module:
    """The model with the recipe's switches set; raises SnellenError where the model or the machine does not have one."""
    if train.checkpointing:
        checkpointed(model)
    return synchronised(model) if train.sync_norm else model


def checkpointed(model: nn.Module) -> nn.Module:
    """Keep only what enters each block, and compute the rest of its activations a second time on the way back (Chen et
    al. 2016, arXiv:1604.06174): less memory, about a third more time, the same gradients."""
    switch = getattr(model, "set_grad_checkpointing", None)
    try:
        if switch is None:
            raise AssertionError("it has no such switch")
        switch(True)
    except AssertionError as error:
        raise SnellenError(
            f"train.checkpointing is on, and {type(model).__name__} cannot recompute its activations ({error}); leave it "
            "off and cut the batch instead: train.accumulate: auto"
        ) from None
    return model


def synchronised(model: nn.Module) -> nn.Module:
    """Batch-norm over the batches of all processes. Needs torch.distributed on CUDA devices (not measured by this
    project's own checks)."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not distributed or not torch.cuda.is_available():
        why = "there is one process only" if not distributed else "torch synchronises batch-norm on CUDA devices only"
        raise SnellenError(f"train.sync_norm is on, and {why}: leave it off, nothing would be different without it")
    # timm's conversion also knows batch-norm layers that hold their activation function, which torch's would drop.
    from timm.layers import convert_sync_batchnorm  # type: ignore[attr-defined]

    converted: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return converted


@contextmanager
def still_norms(model: nn.Module) -> Iterator[None]:
    """Within the block (the backward pass), batch-norm keeps its running statistics: what is computed a second time must
    not be counted twice. Does nothing for a model that keeps its activations."""
    if not any(getattr(module, "grad_checkpointing", False) for module in model.modules()):
        yield
        return
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
