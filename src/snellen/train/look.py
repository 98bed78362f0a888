"""Look: what is measured on the network itself: units that never answer and batch-norm in both modes, at the end of a stage;
validation with red and blue exchanged, at the end of the training.

It costs forward passes of a few images, made as few as keep it below a hundredth of the work. Nothing of the training changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from snellen.recipe import Stage
from snellen.rows import Rows
from snellen.shelf import METERS
from snellen.train import stages
from snellen.train.job import Job
from snellen.train.observe import outputs, rows_of
from snellen.train.source import Samples, at_once

# Images that are looked at: at most, at least; and the share of the stage's work that two passes may take. A training step
# is worth three passes.
MOST, LEAST, SHARE, STEP = 64, 8, 0.004, 3
MOST_EXCHANGED, LEAST_EXCHANGED = 128, 30
# Batches up to so many images have statistics of their own that are looked at too.
SMALL = 8
# Activations that are off on one side, by the name of their class. Gates (sigmoid, tanh) have no such side.
ONE_SIDED = ("relu", "silu", "swish", "gelu", "mish")


@dataclass(frozen=True, slots=True)
class Look:
    """`units` and `dead` by section: how many channels follow an activation, and how many of them were never above 0 on
    any place of any of the `n` images. `stored`, `batch`: mean loss of these images with batch-norm's stored statistics and
    with those of the images that go through together; None where no batch-norm trains. `small`: with those of as many images as
    a step of this training has, where these are SMALL or fewer."""

    n: int
    units: dict[str, int]
    dead: dict[str, int]
    stored: float | None
    batch: float | None
    small: float | None = None


def few(job: Job, epochs: int) -> int:
    """How many images a stage of so many epochs may be looked at with; 0: none."""
    affordable = int(SHARE * STEP * len(job.training) * epochs / 2)
    number = min(MOST, affordable, len(job.subset))
    return number if number >= LEAST else 0


def at_end(job: Job, stage: Stage, epoch: int) -> Look | None:
    """Look after the last epoch of a stage that trains more than the head, where it is affordable."""
    if epoch + 1 < stage.epochs or stage.unfreeze == "head" or not METERS.serves("units", job.recipe.task):
        return None
    number = few(job, stage.epochs)
    return look(job, number) if number else None


@torch.no_grad()
def look(job: Job, number: int) -> Look:
    """Look at the model as it is with `number` images of the fixed training subset, and leave it as it was."""
    # By key, not by position: the subset may lie class by class, and a batch of one class has other statistics than a step's.
    samples = job.subset.take(np.argsort(job.subset.keys, kind="stable")[:number])
    job.model.eval()
    with _counted(job.model) as alive:
        stored = _loss(job, samples)
    sections = _sections(job.model)
    units: dict[str, int] = {}
    dead: dict[str, int] = {}
    for (name, _), answered in alive.items():
        section = sections(name)
        units[section] = units.get(section, 0) + len(answered)
        dead[section] = dead.get(section, 0) + int((~answered).sum())
    with _batch_norm(job.model) as norms:
        batch = _loss(job, samples) if norms else None
        step = job.recipe.train.batch // job.recipe.train.parts
        small = _loss(job, samples, together=step) if norms and 2 <= step <= SMALL else None
    return Look(number, units, dead, stored if batch is not None else None, batch, small)


def _loss(job: Job, samples: Samples, *, together: int = 0) -> float:
    size = job.recipe.data.eval_size or job.recipe.data.size
    images = torch.cat(list(samples.plain(size, *job.normal)))
    # Even parts, none of them small but where that is what is asked: batch-norm's own statistics are those of each.
    parts = images.chunk(max(1, len(images) // together) if together else -(-len(images) // at_once(size)))
    return float(rows_of(job, samples, outputs(job.model, job.setting, parts)).losses(1e-12).mean())


def exchanged(job: Job) -> Rows | None:
    """Rows of some validation images with red and blue exchanged; None where the training was too short to afford it, only
    heads were trained, or the task has no class to be right about."""
    steps = sum(STEP * len(job.training) * stage.epochs for stage in job.recipe.stages if stage.unfreeze != "head")
    looks = (len(job.validation) + len(job.subset)) * sum(stage.epochs for stage in job.recipe.stages)
    work = steps + looks if steps else 0
    number = min(MOST_EXCHANGED, int(SHARE * work), len(job.validation))
    if number < LEAST_EXCHANGED or not METERS.serves("recall", job.recipe.task):
        return None
    # By key, not by position: validation may lie class by class.
    samples = job.validation.take(np.sort(np.argsort(job.validation.keys, kind="stable")[:number]))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in job.normal)
    size = job.recipe.data.eval_size or job.recipe.data.size
    batches = (((images * std + mean).flip(1) - mean) / std for images in samples.plain(size, *job.normal))
    job.model.eval()
    with torch.no_grad():
        return rows_of(job, samples, outputs(job.model, job.setting, batches))


@contextlib.contextmanager
def _counted(model: nn.Module) -> Iterator[dict[tuple[str, int], Tensor]]:
    """Within the block: by name and width of each activation, which of its channels were above 0 so far, [channels] bool."""
    found: dict[tuple[str, int], Tensor] = {}
    held = []
    for name, module in model.named_modules():
        if any(word in type(module).__name__.lower() for word in ONE_SIDED):
            last = _follows_linear(model, name)

            def seen(_: nn.Module, __: object, output: Tensor, *, name: str = name, last: bool = last) -> None:
                axis = output.ndim - 1 if last or output.ndim < 3 else 1
                answered = (output > 0).any(dim=[d for d in range(output.ndim) if d != axis]).cpu()
                # Some networks use one module in several places, which may differ in width.
                key = (name, len(answered))
                found[key] = found[key] | answered if key in found else answered

            held.append(module.register_forward_hook(seen))
    try:
        yield found
    finally:
        for handle in held:
            handle.remove()


def _follows_linear(model: nn.Module, name: str) -> bool:
    """Whether the channels are the last axis: the activation stands among linear layers, not among convolutions."""
    children = list(model.get_submodule(name.rpartition(".")[0]).children())
    convolved = any(isinstance(child, nn.Conv2d | nn.modules.batchnorm._BatchNorm) for child in children)
    return not convolved and any(isinstance(child, nn.Linear) for child in children)


def _sections(model: nn.Module) -> Callable[[str], str]:
    """(name of a module) -> its section, as the optimiser counts them."""
    ends = stages.boundaries(model)
    order = [name for name, _ in model.named_modules()]
    last = [max((order.index(name) for name in order if f"{name}.".startswith(f"{end}.")), default=-1) for end in ends]

    def section(name: str) -> str:
        return f"stage{sum(order.index(name) > place for place in last) + 1}"

    return section


@contextlib.contextmanager
def _batch_norm(model: nn.Module) -> Iterator[Sequence[nn.Module]]:
    """Within the block batch-norm that trains takes the batch's own statistics; what it has stored is put back."""
    norms = [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and any(parameter.requires_grad for parameter in module.parameters(recurse=False))
    ]
    kept = [(buffer, buffer.clone()) for module in norms for buffer in module.buffers(recurse=False)]
    for module in norms:
        module.train()
    try:
        yield norms
    finally:
        for module in norms:
            module.eval()
        for buffer, value in kept:
            buffer.copy_(value)
