"""Latency of one image: torch as it stands against ONNX Runtime, measured in turns so that a busy moment meets both."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snellen.ship.session import session

# Calls before the clock counts, calls in a row of one engine, and the most that one engine is called.
WARM_UP, ROW, MOST = 3, 5, 1000


def latency(
    model: torch.nn.Module, onnx_path: Path, *, size: int, seconds: float = 4.0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Milliseconds per image at batch 1: (torch's, ONNX Runtime's), over at most about `seconds` in all.

    torch: {"engine", "median_ms", "p95_ms", "n"}; ONNX Runtime: {"median", "p95", "n", "batch"}; n is the number of
    timed calls. Turns go A B B A, so that a slow drift (heat, another program) cancels. `model` takes what
    the file takes.
    """
    pixels = _pixels(size)
    tensor = torch.from_numpy(pixels)
    with torch.inference_mode():
        eager, exported = _in_turns(lambda: model(tensor), _asked(onnx_path, pixels), seconds)
    first = {"engine": "torch", "median_ms": _median(eager), "p95_ms": _p95(eager), "n": len(eager)}
    return first, _told(exported)


def of_two(first: Path, second: Path, *, size: int, seconds: float = 4.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of two files, in turns: {"median", "p95", "n", "batch"} of each."""
    pixels = _pixels(size)
    one, other = _in_turns(_asked(first, pixels), _asked(second, pixels), seconds)
    return _told(one), _told(other)


def _pixels(size: int) -> np.ndarray:
    return np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)


def _asked(path: Path, pixels: np.ndarray) -> Callable[[], Any]:
    opened = session(path)
    name = opened.get_inputs()[0].name
    return lambda: opened.run(None, {name: pixels})


def _told(times: list[float]) -> dict[str, Any]:
    return {"median": _median(times), "p95": _p95(times), "n": len(times), "batch": 1}


def _in_turns(first: Callable[[], Any], second: Callable[[], Any], seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds of each call of the two, in turns A B B A until the time is over; one round at least."""
    end = time.perf_counter() + seconds
    for call in (first, second):
        _row(call, WARM_UP, end)
    times: tuple[list[float], list[float]] = ([], [])
    while not times[0] or (time.perf_counter() < end and len(times[0]) < MOST):
        for side in (0, 1, 1, 0):
            times[side].extend(_row((first, second)[side], ROW, end))
    return times


def _row(call: Callable[[], Any], length: int, end: float) -> list[float]:
    """Milliseconds of up to `length` calls in a row; one at least, then no more than the time allows."""
    if time.perf_counter() < end:
        # Not timed: threads of the engine before may still be spinning, and the caches are full of its weights.
        call()
    found: list[float] = []
    while not found or (len(found) < length and time.perf_counter() < end):
        start = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - start))
    return found


def _median(times: list[float]) -> float:
    return float(np.median(times))


def _p95(times: list[float]) -> float:
    return float(np.percentile(times, 95))
