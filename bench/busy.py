"""Two trainings that share the cores: steps of each, with waiting threads that sleep soon, against those of GNU's OpenMP by default.

    python bench/busy.py [--rounds 5] [--seconds 6] [--quick]

Two processes train tf_efficientnet_lite0 at once (128 px, batch 32, noise, AdamW), with as many threads each as there are cores; the
same of one process alone. Seconds are those of a step, the mean of both. What `snellen` does where it finds the machine in use.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch.nn import functional

import _command
from _rounds import Side, measure
from snellen.entry import SPINS
from snellen.shelf import MODELS

BATCH, SIDE = 32, 128


def steps(seconds: float) -> float:
    """Mean seconds of a step, after two to warm up."""
    torch.manual_seed(0)
    model = MODELS.build("timm_model", {"name": "tf_efficientnet_lite0", "classes": 10, "weights": "none"})
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    images = torch.randn(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10
    count, began = -2, time.perf_counter()
    while time.perf_counter() - began < seconds or count < 1:
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        count += 1
        if count == 0:
            began = time.perf_counter()
    return (time.perf_counter() - began) / count


def at_once(processes: int, setting: Mapping[str, str], seconds: float) -> dict[str, float]:
    """Seconds of a step of so many trainings that run at the same time."""
    environment = {name: value for name, value in os.environ.items() if name not in SPINS} | dict(setting)
    command = [sys.executable, __file__, "--step", str(seconds)]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    answers = [json.loads(one.communicate()[0]) for one in running]
    return {"step": sum(answers) / len(answers)}


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__, rounds=5)
    made.add_argument("--seconds", type=float, default=6.0, help="of each training")
    given = _command.parse(made)
    sides: dict[str, Side] = {}
    waits: Mapping[str, Mapping[str, str]] = {"ours": SPINS, "peer": {}}
    for count, word in ((2, "two"), (1, "one")):
        for name, setting in waits.items():
            side: Callable[[], dict[str, float]] = partial(at_once, count, setting, given.seconds)
            sides[f"{name} {word}"] = side
    found = measure(sides, rounds=given.rounds, threads=given.threads, warm=False, choosy=False)
    note = "a step; the peer waits as GNU's OpenMP does by default"
    ratios = [
        found.ratio("busy", f"{word} at once", ours=f"ours {word} step", peer=f"peer {word} step", goal=goal, note=note)
        for word, goal in (("two", "<= 0.5"), ("one", ""))
    ]
    _command.finish("busy", ratios, [found], given)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        print(json.dumps(steps(float(sys.argv[2]))))
    else:
        main()
