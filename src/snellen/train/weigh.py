"""What a model weighs: parameters, multiply-adds, and what an image costs on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from snellen.recipe import Recipe
from snellen.shelf import MODELS, TASKS
from snellen.train.machine import Setting, device
from snellen.train.stopwatch import forward_seconds, images, step_seconds

BATCH, ROUNDS, SINGLE = 8, 3, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """`parameters` and `macs` (multiply-adds of one image) by torch's FlopCounterMode, half its count, convolutions and
    matrix products only; `forward` and `step`: measured seconds per image of a forward pass and of a training step without
    the optimiser (median of ROUNDS batches of BATCH, fp32); `latency`: seconds of a forward pass of one image (median of
    SINGLE). `weights`: see `weights_from`."""

    name: str
    use: str
    size: int
    parameters: int
    macs: int
    weights: str
    forward: float
    step: float
    latency: float


def weigh(name: str, *, size: int, classes: Sequence[str] = (), use: str = "", recipe: Recipe | None = None) -> Weighed:
    """Weigh a model with a head of `classes` (two at least), as the task of `recipe` builds it (None: a classifier), on images of
    `size` px; raises SnellenError for a model that is not there
    or does not take this size (where it takes only its own, that one is weighed: see `size`)."""
    from_shelf = MODELS.module("timm_model")
    own = name in MODELS.names()  # Of this project, with no weights of others.
    size = size if own else from_shelf.only_size(name) or size
    patch = {"model.name": name, "model.weights": "none", "data.size": size, "data.eval_size": size}
    recipe = (recipe or Recipe()).change(patch)
    known = tuple(classes) if len(classes) > 1 else ("a", "b")
    model: nn.Module = TASKS.pick(recipe.task)().model(recipe, known)
    given, setting = images(size, BATCH), Setting(device=device())
    forward, step = [], []
    for turn in range(ROUNDS + 1):
        times = forward_seconds(model, setting, given), step_seconds(model, setting, given)
        if turn:  # The first warms up.
            forward.append(times[0] / BATCH)
            step.append(times[1] / BATCH)
    alone = [forward_seconds(model, setting, given[:1]) for _ in range(SINGLE + 1)][1:]
    return Weighed(
        name=name, use=use, size=size, parameters=sum(p.numel() for p in model.parameters()), macs=macs(model, size),
        weights="none" if own else from_shelf.weights_from(name), forward=statistics.median(forward), step=statistics.median(step),
        latency=statistics.median(alone),
    )  # fmt: skip


@torch.no_grad()
def macs(model: nn.Module, size: int) -> int:
    """Multiply-adds of a forward pass of one image [3, size, size]. The model is left in eval mode."""
    counter = FlopCounterMode(display=False)
    own = next(model.parameters()).device
    model.eval()
    with counter:
        model(torch.zeros(1, 3, size, size, device=own))
    return int(counter.get_total_flops()) // 2
