"""A few seconds of measuring: which layout and precision train this model fastest here, and what a step costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from torch import nn

from snellen import store
from snellen.train import stages
from snellen.train.features import digest
from snellen.train.machine import Setting, device, environment

# Settings are compared by the least of a few rounds, since what disturbs a measurement only ever adds to it; time is
# planned by the median, since it will be disturbed again.
ROUNDS = 3
# Half precision must pay at least this much before it is taken.
MARGIN = 1.1
# Share of the processor in foreign hands from which figures are not remembered.
BUSY = 0.15


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds per image at `size` pixels: a training step with everything or the last two stages unfrozen, and a forward
    pass; `all_small` is the first of these at `small` pixels. `candidates`: what was measured, by setting; `busy`: share of
    the processor that others used just before."""

    setting: Setting
    size: int
    small: int
    all: float
    all_small: float
    last: float
    forward: float
    candidates: dict[str, list[float]]
    busy: float


def probe(
    make: Callable[[], nn.Module], *, name: str, cache: Path, size: int = 128, small: int = 64, batch: int = 32
) -> Costs:
    """Measure once per (model, shape, machine, versions) and remember. Candidates take turns, so that a busy moment
    hits all of them; the default (contiguous, fp32) is among them, so the choice is never slower than it as measured.

    Where other programs use the processor, the figures are too high: they are used, said to be so (`busy`), and not
    remembered.
    """
    plain = Setting(device=device())
    key = digest({"name": name, "size": size, "small": small, "batch": batch, **environment(plain)})
    path = cache / "probe" / f"{key}.json"
    if path.is_file():
        known: dict[str, Any] = store.read_json(path)
    else:
        busy = foreign_load()
        known = {**_measure(make(), size, small, batch), "busy": busy}
        if busy < BUSY:
            store.write_json(path, known)
    setting = Setting(known["precision"], known["layout"], plain.device)
    return Costs(
        setting, size, small, known["all"], known["all_small"], known["last"], known["forward"], known["candidates"],
        known["busy"],
    )  # fmt: skip


def foreign_load(seconds: float = 0.3) -> float:
    """Share of all cores that other programs used while this one slept."""
    psutil.cpu_percent()
    time.sleep(seconds)
    return float(psutil.cpu_percent()) / 100


def _measure(model: nn.Module, size: int, small: int, batch: int) -> dict[str, Any]:
    candidates = [Setting(p, layout, device()) for layout in ("contiguous", "channels_last") for p in ("fp32", "bf16")]
    times: dict[Setting, list[float]] = {setting: [] for setting in candidates}
    for turn in range(ROUNDS + 1):
        for setting in candidates:
            seconds = _step(model, setting, size, batch, "all")
            if turn:  # The first turn warms up.
                times[setting].append(seconds)
    best = min(candidates, key=lambda setting: min(times[setting]) * (1 if setting.precision == "fp32" else MARGIN))
    last = [_step(model, best, size, batch, "last") for _ in range(ROUNDS)]
    forward = [_forward(model, best, size, batch) for _ in range(ROUNDS)]
    little = [_step(model, best, small, batch, "all") for _ in range(ROUNDS + 1)][1:]
    return {
        "precision": best.precision,
        "layout": best.layout,
        "all": statistics.median(times[best]) / batch,
        "all_small": statistics.median(little) / batch,
        "last": statistics.median(last) / batch,
        "forward": statistics.median(forward) / batch,
        "candidates": {f"{s.layout} {s.precision}": [value / batch for value in times[s]] for s in candidates},
    }


def _step(model: nn.Module, setting: Setting, size: int, batch: int, unfreeze: str) -> float:
    model = _laid_out(model, setting)
    stages.freeze(model, unfreeze)
    stages.set_modes(model, freeze_norm=False)
    images = setting.place(torch.randn(batch, 3, size, size))
    start = time.perf_counter()
    with setting.autocast():
        output = model(images)
    F.cross_entropy(output.float(), torch.zeros(batch, dtype=torch.long, device=setting.device)).backward()  # type: ignore[no-untyped-call]
    for parameter in model.parameters():
        parameter.grad = None
    _settle(setting)
    return time.perf_counter() - start


def _forward(model: nn.Module, setting: Setting, size: int, batch: int) -> float:
    model = _laid_out(model, setting).eval()
    images = setting.place(torch.randn(batch, 3, size, size))
    start = time.perf_counter()
    with torch.inference_mode(), setting.autocast():
        model(images)
    _settle(setting)
    return time.perf_counter() - start


def _laid_out(model: nn.Module, setting: Setting) -> nn.Module:
    form = torch.channels_last if setting.layout == "channels_last" else torch.contiguous_format
    return model.to(setting.device).to(memory_format=form)


def _settle(setting: Setting) -> None:
    if setting.device == "cuda":
        torch.cuda.synchronize()
