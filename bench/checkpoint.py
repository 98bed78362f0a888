"""Row 9: how long training stands still for a durable checkpoint, against torch.save of the same content.

    python bench/checkpoint.py [--model tf_efficientnet_lite0] [--steps 12] [--rounds 7] [--quick]

Content: weights, averaged weights, AdamW's moments, the best weights and the numbers of the loop. Ours: the time that
`Writer.save` takes (a thread then writes, checksums, syncs and renames). Peer: torch.save, fsync, rename, fsync of the folder.
A second line counts what a background write costs the steps beside it: a checkpoint and training steps after it, until both
are done.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import _command
from _rounds import Measured
from snellen.run import Run
from snellen.shelf import MODELS, OPTIMIZERS
from snellen.train.average import Average
from snellen.train.checkpoint import State, Writer

CLASSES, BATCH = 10, 16


@dataclass(slots=True)
class Training:
    """A training that stands in the middle of an epoch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    state: State
    size: int

    def step(self) -> None:
        """One training step."""
        images = torch.zeros(BATCH, 3, self.size, self.size)
        F.cross_entropy(self.model(images), torch.arange(BATCH) % CLASSES).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.state.stage_steps)

    def steps(self, count: int) -> None:
        """Some of them."""
        for _ in range(count):
            self.step()

    def content(self) -> dict[str, Any]:
        """What a plain script would save."""
        return {
            "model": self.model.state_dict(), "average": self.average.state(), "best": self.state.best,
            "optimizer": self.optimizer.state_dict(), "about": self.state.about(),
        }  # fmt: skip


def begun(name: str, *, quick: bool) -> Training:
    """A model with moments, an average, best weights and the records of a hundred steps."""
    model = MODELS.build("timm_model", {"name": name, "classes": CLASSES, "weights": "none"}).train()
    optimizer = OPTIMIZERS.pick("adamw")([{"params": list(model.parameters())}], 1e-4, 1e-2)
    norms = {f"stage{number}": 1.0 / number for number in range(1, 6)}
    record = {"loss": 1.234567, "norm": 0.987654, "groups": norms, "lr": 1e-4, "clipped": False, "n": 32}
    best = {key: value.detach().clone() for key, value in model.state_dict().items()}
    state = State(epoch=3, batch=100, epochs=8, steps=800, score=0.9, loss=0.3, records=[record] * 100, best=best)
    training = Training(model, optimizer, Average(model, 0.99), state, 32 if quick else 96)
    training.step()
    return training


def durable(path: Path, content: dict[str, Any]) -> None:
    """torch.save that is on the disk when it returns, and never half there."""
    temp = path.with_suffix(".tmp")
    with temp.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    temp.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def timed(work: Callable[[], None]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured_in(folder: Path, training: Training, given: argparse.Namespace) -> Measured:
    """Both checkpoints, each followed by steps, and the steps alone."""
    writer = Writer(Run(folder))

    def ours() -> dict[str, float]:
        stall = timed(lambda: writer.save(training.state, training.model, training.average, training.optimizer))
        training.steps(given.steps)
        return {"stall": stall, "rest": timed(writer.wait)}

    def peer() -> dict[str, float]:
        stall = timed(lambda: durable(folder / "peer.pt", training.content()))
        training.steps(given.steps)
        return {"stall": stall}

    sides = {"ours": ours, "peer": peer, "steps": lambda: training.steps(given.steps)}
    return _command.measured(sides, given)


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__)
    made.add_argument("--model", default="tf_efficientnet_lite0")
    made.add_argument("--steps", type=int, default=12, help="training steps after each checkpoint")
    given = _command.parse(made)
    if given.quick:
        given.model, given.steps = "test_efficientnet", 1
    training = begun(given.model, quick=given.quick)
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
        measured = measured_in(Path(name), training, given)
        size = (Path(name) / "peer.pt").stat().st_size / 1e6
    rest = float(np.median(measured.seconds("ours rest")))
    note = f"{given.model}, {size:.0f} MB; {given.steps} steps follow, after which the write lasts another {1000 * rest:.0f} ms."
    alone = float(np.median(measured.seconds("steps")))
    beside = f"The same {given.steps} steps alone take {alone:.2f} s."
    ratios = [
        measured.ratio("9", "stall per checkpoint", goal="<= 0.2", ours="ours stall", peer="peer stall", note=note),
        measured.ratio(
            "9", "checkpoint and the steps beside its writing", goal="", note=f"until it is on the disk. {beside}"
        ),
    ]
    _command.finish("checkpoint", ratios, [measured], given)


if __name__ == "__main__":
    main()
