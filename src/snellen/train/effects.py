"""What each switch of `recipe.train` does to a training step of one model on this machine: seconds and bytes beside the
default's."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from snellen.train.machine import Setting, device, precisions
from snellen.train.stopwatch import images, step_bytes, step_seconds
from snellen.train.switches import checkpointed
from snellen.values import SnellenError

DEFAULT = "default"
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Effect:
    """One switch: seconds and most bytes of a training step (bytes beyond the weights), and both as shares of the default's
    (seconds: median of the rounds' ratios, with the least and the largest). `note` says why there are no figures."""

    name: str
    seconds: float | None = None
    time: float | None = None
    spread: tuple[float, float] = (1.0, 1.0)
    bytes: int | None = None
    memory: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Way:
    model: nn.Module
    setting: Setting
    parts: int = 1


def effects(
    make: Callable[[], nn.Module], *, size: int = 128, batch: int = 32, compile: bool = False, rounds: int = ROUNDS
) -> tuple[Effect, ...]:
    """Measure every switch against the default (contiguous, fp32, one part) in turns, the default in every round.

    `make`: a fresh model. `compile`: torch.compile as well, which takes about a minute on a CPU. Switches that this model or
    this machine does not have are in the table with the reason.
    """
    ways, missing = _ways(make, compile)
    given = images(size, batch)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name in ways if turn % 2 else reversed(ways):
            way = ways[name]
            seconds = step_seconds(way.model, way.setting, given, parts=way.parts)
            if turn:  # The first turn warms up, and compiles.
                times[name].append(seconds)
    # The compiled model's operations are fused out of sight of what counts bytes on a CPU.
    seen = {name: way for name, way in ways.items() if not way.setting.compile or way.setting.device == "cuda"}
    held = {name: step_bytes(way.model, way.setting, given, parts=way.parts) for name, way in seen.items()}
    found = tuple(_effect(name, times, held) for name in ways)
    return found + tuple(Effect(name, note=note) for name, note in missing.items())


def _effect(name: str, times: Mapping[str, list[float]], held: Mapping[str, int]) -> Effect:
    ratios = [own / plain for own, plain in zip(times[name], times[DEFAULT], strict=True)]
    return Effect(
        name,
        seconds=statistics.median(times[name]),
        time=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        bytes=held.get(name),
        memory=held[name] / held[DEFAULT] if name in held else None,
    )


def _ways(make: Callable[[], nn.Module], compile: bool) -> tuple[dict[str, _Way], dict[str, str]]:
    plain = Setting(device=device())
    model = make()
    halves = precisions(plain.device)[1:]
    ways = {DEFAULT: _Way(model, plain), "layout: channels_last": _Way(model, replace(plain, layout="channels_last"))}
    missing = {} if "fp16" in halves else {"precision: fp16": "needs a CUDA device"}
    for half in halves:
        ways[f"precision: {half}"] = _Way(model, replace(plain, precision=half))
        both = replace(plain, precision=half, layout="channels_last")
        ways[f"precision: {half}, layout: channels_last"] = _Way(model, both)
    ways["accumulate: 4"] = _Way(model, plain, parts=4)
    try:
        ways["checkpointing: true"] = _Way(checkpointed(make()), plain)
    except SnellenError as error:
        missing["checkpointing: true"] = str(error)
    if compile:
        ways["compile: true"] = _Way(replace(plain, compile=True).prepare(make()), replace(plain, compile=True))
    else:
        missing["compile: true"] = "not asked for: compiling takes about a minute on a CPU"
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        missing["sync_norm: true"] = "needs several processes on CUDA devices"
    return ways, missing
