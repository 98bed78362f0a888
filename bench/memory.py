"""A training step with freed memory kept by the process, against the C library's default. (Not a row of the issue's table.)

    python bench/memory.py [--model tf_efficientnet_lite0] [--sizes 128,224] [--rounds 3] [--quick]

How memory is allocated belongs to a process, so every side is one of its own: it builds the model (fp32, channels last, weights
from noise), takes two steps on 32 images of noise and then times five. The peer has SNELLEN_KEEP_MEMORY=0.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import timm
import torch
import torch.nn.functional as F

import _command
from snellen.parts.meters.memory import memory
from snellen.train.machine import Setting

BATCH, WARM, TIMED = 32, 2, 5


def child(model: str, size: int) -> None:
    """Print the median seconds of a step, and the most bytes that the process held."""
    setting = Setting("fp32", "channels_last")
    net = setting.prepare(timm.create_model(model, num_classes=10)).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
    images, targets = setting.place(torch.randn(BATCH, 3, size, size)), torch.zeros(BATCH, dtype=torch.long)
    seconds = []
    for _ in range(WARM + TIMED):
        start = time.perf_counter()
        F.cross_entropy(net(images), targets).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"step": statistics.median(seconds[WARM:]), "bytes": memory(None)["peak_bytes"]}))


def side(given: argparse.Namespace, size: int, *, keep: bool, peaks: dict[str, int]) -> Callable[[], dict[str, float]]:
    """One process; `peaks` takes its peak resident set."""
    environment = {key: value for key, value in os.environ.items() if key != "SNELLEN_KEEP_MEMORY"}
    environment |= {} if keep else {"SNELLEN_KEEP_MEMORY": "0"}
    words = [sys.executable, __file__, "--child", str(size), "--model", given.model, "--threads", str(given.threads)]

    def run() -> dict[str, float]:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        peaks[f"{size} {keep}"] = max(peaks.get(f"{size} {keep}", 0), told["bytes"])
        return {"step": told["step"]}

    return run


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__, rounds=3)
    made.add_argument("--model", default="tf_efficientnet_lite0")
    made.add_argument("--sizes", default="128,224")
    made.add_argument("--child", type=int, default=None, help=argparse.SUPPRESS)
    before = dict(os.environ)
    given = _command.parse(made)
    if given.child:
        # What is set for sides that share a process must not hide what this one was given.
        os.environ.clear()
        os.environ.update(before)
        child(given.model, given.child)
        return
    if given.quick:
        given.model, given.sizes = "test_efficientnet", "32"
    sizes, peaks = [int(size) for size in given.sizes.split(",")], {}
    sides = {
        f"{'kept' if keep else 'given back'} {size}": side(given, size, keep=keep, peaks=peaks)
        for size in sizes
        for keep in (True, False)
    }
    measured = _command.measured(sides, given, warm=False)
    ratios = [
        measured.ratio(
            "memory", f"step of {given.model} at {size} px", goal="", ours=f"kept {size} step", peer=f"given back {size} step",
            note=f"batch {BATCH}, fp32, channels last; peak {peaks[f'{size} True'] / 2**30:.2f} GiB against {peaks[f'{size} False'] / 2**30:.2f}.",
        )
        for size in sizes
    ]  # fmt: skip
    _command.finish("memory", ratios, [measured], given)


if __name__ == "__main__":
    main()
