"""Checkpoints are written behind the training's back, and leave no thread behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn

from snellen.run import Run
from snellen.train import checkpoint
from snellen.train.average import Average
from snellen.train.checkpoint import State, Writer
from snellen.values import SnellenError


def _run(folder: Path) -> Run:
    catalog, _ = tiny.material()
    return Run.create(folder / "run", tiny.recipe(), catalog, {})


def test_no_thread_outlives_its_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stayed would keep its OpenMP team, and all operations of the training would wait longer for one another."""
    model = nn.Linear(3, 2)
    writer, wrote = Writer(_run(tmp_path)), []
    real = checkpoint.store.write_tensors
    monkeypatch.setattr(
        checkpoint.store, "write_tensors", lambda *given: (wrote.append(threading.current_thread().name), real(*given))
    )
    for _ in range(3):
        writer.save(State(), model, Average(model, 0.9), torch.optim.AdamW(model.parameters()))
    writer.wait()
    assert len(wrote) == 3
    assert all(name.startswith("checkpoint") for name in wrote)
    end = time.monotonic() + 10
    while any(thread.name.startswith("checkpoint") for thread in threading.enumerate()):
        assert time.monotonic() < end, "a thread of the writer is still there"
        time.sleep(0.01)


def test_what_went_wrong_in_a_write_is_raised_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SnellenError("the disk is full")

    model = nn.Linear(3, 2)
    writer = Writer(_run(tmp_path))
    monkeypatch.setattr(checkpoint.store, "write_tensors", full)
    writer.save(State(), model, Average(model, 0.9), torch.optim.AdamW(model.parameters()))
    with pytest.raises(SnellenError, match="the disk is full"):
        writer.wait()
    writer.wait()
