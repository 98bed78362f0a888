"""Learning-rate range test (SPEC L6; Smith 2017, "Cyclical Learning Rates", arXiv:1506.01186, §3.3): the rate climbs
exponentially, the loss is watched, and the rate where it falls fastest before it breaks is suggested."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from snellen.train import stages
from snellen.train.draws import seed_of
from snellen.train.enter import Entered, batches, enter, pass_of
from snellen.train.job import Job
from snellen.train.mix import mix
from snellen.train.objective import objective
from snellen.train.optimizer import set_rate
from snellen.train.step import NonFinite, clip, forward_backward, norms

# The loss counts as blown up where its running mean is this many times the least one so far (as in fastai).
BLOWN, SETTLED, MEMORY = 4.0, 10, 0.9
# The curve is smoothed afterwards over this share of its length, and a rate is stable where the loss still falls at this
# multiple of it.
WIDTH, AHEAD = 1 / 30, 3.0
# Less than this many times the noise is no fall: pure noise of 100 steps fell by more than 8 once in 2,000 times.
SURE = 9.0


@dataclass(frozen=True, slots=True)
class Range:
    """The curve: a rate and a loss for every step; `smoothed` [n]; `suggested` rate (None: the loss never fell by more than
    its noise); why it `stopped`: end, blown up, nonfinite or asked."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggested: float | None
    stopped: str


def lr_range(
    job: Job,
    number: int,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    watch: Callable[[Mapping[str, Any]], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> Range:
    """Train stage `number` of the job for `steps` steps at rates from `low` to `high`; the model is put back as it was.

    Optimiser, batches, augmentation and clipping are those of the stage. Rates are those of a group whose `scale` is 1.
    """
    kept = {key: value.detach().clone() for key, value in job.model.state_dict().items()}
    rates = low * (high / low) ** (np.arange(steps) / max(steps - 1, 1))
    try:
        losses, stopped = _climb(job, number, rates, watch, stop)
    finally:
        job.model.load_state_dict(kept)
        job.model.zero_grad(set_to_none=True)
    climbed = rates[: len(losses)]
    smooth = smoothed(losses)
    return Range(
        tuple(climbed.tolist()), tuple(losses), tuple(smooth.tolist()), steepest(climbed, np.asarray(losses)), stopped
    )


def _climb(
    job: Job, number: int, rates: np.ndarray, watch: Callable[[Mapping[str, Any]], None], stop: Callable[[], bool]
) -> tuple[list[float], str]:
    now, loss = enter(job, number), objective(job)
    losses: list[float] = []
    mean, least = 0.0, math.inf
    for step, rate in enumerate(rates):
        try:
            losses.append(_step(job, now, number, loss, step, float(rate)))
        except NonFinite:
            return losses, "nonfinite"
        watch({"done": step + 1, "total": len(rates)})
        mean = MEMORY * mean + (1 - MEMORY) * losses[-1]
        unbiased = mean / (1 - MEMORY ** (step + 1))
        least = min(least, unbiased)
        if step >= SETTLED and unbiased > BLOWN * least:
            return losses, "blown up"
        if stop():
            return losses, "asked"
    return losses, "end"


def _step(job: Job, now: Entered, number: int, loss: Any, step: int, rate: float) -> float:
    """One step at the rate; the loss of its batch before it."""
    epoch = step // len(batches(job, number, 0)) % now.stage.epochs
    plan = batches(job, number, epoch)
    chosen = plan[step % len(plan)]
    seed = seed_of(job.recipe.seed, 4, step)
    torch.manual_seed(seed)
    now.net.train()
    stages.set_modes(job.model, freeze_norm=job.recipe.train.freeze_norm)
    set_rate(now.optimizer.param_groups, rate)
    batch = mix(
        *now.pair(job, chosen, pass_of(job, epoch, step % len(plan))), len(job.classes), job.recipe.augment, seed
    )
    parts = min(job.recipe.train.parts, len(chosen))
    value = forward_backward(now.net, loss, batch, job.setting, parts=parts, scaler=now.scaler)
    if now.scaler.is_enabled():
        now.scaler.unscale_(now.optimizer)
    total = sum(norm**2 for norm in norms(now.sections).values()) ** 0.5
    clip(now.sections, total, job.recipe.optim.clip)
    now.scaler.step(now.optimizer)
    now.scaler.update()
    now.optimizer.zero_grad(set_to_none=True)
    return value


def smoothed(losses: Sequence[float] | np.ndarray) -> np.ndarray:
    """The losses [n] through a Gaussian of a width of WIDTH × n steps that looks to both sides, so that it does not lag."""
    values = np.asarray(losses, dtype=np.float64)
    width = max(WIDTH * len(values), 1.0)
    apart = np.subtract.outer(np.arange(len(values)), np.arange(len(values))) / width
    weights = np.exp(-0.5 * apart**2)
    return np.asarray(weights @ values / weights.sum(axis=1)) if len(values) else values


def steepest(rates: np.ndarray, losses: np.ndarray) -> float | None:
    """The rate where the smoothed loss falls fastest per multiple of the rate, and where it still falls at AHEAD times that
    rate; None where it never fell by more than what is left of its noise."""
    if len(losses) < 2 * SETTLED:
        return None
    smooth, place = smoothed(losses), np.log(rates)
    # What the smoothing leaves of the noise: it averages over about 3.5 widths. Neighbours tell it, even beside a break.
    noise = float(np.median(np.abs(np.diff(losses)))) / 0.954 / math.sqrt(max(3.5 * WIDTH * len(losses), 1.0))
    lowest = int(smooth.argmin())
    if smooth[: lowest + 1].max() - smooth[lowest] <= SURE * noise + 1e-9:
        return None
    slope = np.gradient(smooth, place)
    stable = np.flatnonzero(rates[: lowest + 1] * AHEAD <= rates[lowest])
    candidates = stable if len(stable) else np.arange(lowest + 1)
    return float(rates[candidates[slope[candidates].argmin()]])
