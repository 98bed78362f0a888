"""What one step costs: seconds, bytes, and how much of the processor others had meanwhile."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from snellen.train import stages
from snellen.train.machine import Setting, keep_memory
from snellen.train.switches import still_norms


def images(size: int, batch: int) -> Tensor:
    """Noise, laid out as augmented batches are."""
    return torch.rand(batch, 3, size, size).contiguous(memory_format=torch.channels_last)


def step_seconds(model: nn.Module, setting: Setting, given: Tensor, *, unfreeze: str = "all", parts: int = 1) -> float:
    """Seconds of a training step without the optimiser: forward and backward pass of all parts of the batch."""
    _ready(model, setting, unfreeze)
    start = time.perf_counter()
    _step(model, setting, given, parts)
    _settle(setting)
    seconds = time.perf_counter() - start
    _forget(model)
    return seconds


def forward_seconds(model: nn.Module, setting: Setting, given: Tensor) -> float:
    """Seconds of a forward pass in eval mode."""
    laid_out(model, setting).eval()
    start = time.perf_counter()
    with torch.inference_mode(), setting.autocast():
        model(setting.place(given))
    _settle(setting)
    return time.perf_counter() - start


def step_bytes(model: nn.Module, setting: Setting, given: Tensor, *, parts: int = 1) -> int:
    """Most bytes that a training step holds at one time beyond the weights: activations, gradients and what lies between.

    On a CPU every tensor that an operation gives back is counted until it is gone; what an operation takes inside is not.
    """
    _ready(model, setting, "all")
    if setting.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        _step(model, setting, given, parts)
        torch.cuda.synchronize()
        found = torch.cuda.max_memory_allocated() - before
    else:
        with _Live() as live:
            _step(model, setting, given, parts)
        found = live.peak
    _forget(model)
    return int(found)


def laid_out(model: nn.Module, setting: Setting) -> nn.Module:
    """The model on the setting's device in its layout, also back from another one."""
    keep_memory()
    form = torch.channels_last if setting.layout == "channels_last" else torch.contiguous_format
    return model.to(setting.device).to(memory_format=form)


class Load:
    """Counts what other programs take of the processor from its making on."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._all, self._own = _busy(), time.process_time()

    def share(self) -> float:
        """Share of all cores, 0..1. Time that a virtual machine was not given counts as others'."""
        seconds = max(time.perf_counter() - self._start, 1e-3) * (psutil.cpu_count() or 1)
        others = (_busy() - self._all) - (time.process_time() - self._own)
        return float(min(max(others / seconds, 0.0), 1.0))


def _busy() -> float:
    times = psutil.cpu_times()
    # Guests are part of user time already.
    idle = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(value for name, value in times._asdict().items() if name not in idle))


def _ready(model: nn.Module, setting: Setting, unfreeze: str) -> None:
    laid_out(model, setting)
    stages.freeze(model, unfreeze)
    stages.set_modes(model, freeze_norm=False)


def _step(model: nn.Module, setting: Setting, given: Tensor, parts: int) -> None:
    for chunk in given.chunk(parts):
        with setting.autocast():
            output = model(setting.place(chunk))
        loss = _loss(output.float()) / len(given)
        with still_norms(model):
            loss.backward()  # type: ignore[no-untyped-call]


def _loss(output: Tensor) -> Tensor:
    """A loss of the batch that costs about what a training's does: of labels, or of every value of a picture."""
    if output.ndim == 2:
        return F.cross_entropy(
            output, torch.zeros(len(output), dtype=torch.long, device=output.device), reduction="sum"
        )
    return F.log_softmax(output, dim=1)[:, 0].mean(dim=(1, 2)).sum()


def _forget(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.grad = None


def _settle(setting: Setting) -> None:
    if setting.device == "cuda":
        torch.cuda.synchronize()


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all tensors made within the block that are still alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and id(leaf.untyped_storage()) not in given:
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key = id(storage)
        if key not in self._known:
            self._known[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self._known.pop(key, 0)
