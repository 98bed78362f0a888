"""Exponential moving average of the weights (SPEC L8; Polyak & Juditsky 1992; warm-up of the decay as in timm)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class Average:
    """Averages what moves: trainable parameters and the batch-norm statistics of the modules in training mode.

    `decay` 0 switches it off: then `applied` shows the weights as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._live = _moving(model) if decay else {}
        self._shadow = {name: tensor.detach().clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights; `step` counts from 0 in the stage, so that early averages follow fast."""
        if self._live:
            rate = 1 - min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self._shadow.values()), list(self._live.values()), rate)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the model has the averaged weights."""
        kept = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        self._copy(self._shadow)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in self._live.items():
            tensor.copy_(tensors[name])

    def state(self) -> dict[str, Tensor]:
        """The averaged tensors by name."""
        return dict(self._shadow)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up where `state` left off."""
        for name, tensor in self._shadow.items():
            tensor.copy_(tensors[name])


def _moving(model: nn.Module) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            for key, buffer in module.named_buffers(prefix=name, recurse=False):
                if buffer.is_floating_point():
                    found[key] = buffer
    return found
