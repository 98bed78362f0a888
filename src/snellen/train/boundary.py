"""The frozen beginning of a network computed once: its activations at the frozen boundary, and the end that trains on them."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from snellen.train import stages


class _Through(nn.Module):
    """Stands where a frozen module stood."""

    def forward(self, x: Tensor, *_: Any) -> Tensor:
        return x


class Tail(nn.Module):
    """A model without its frozen beginning: activations at the boundary -> outputs.

    The parameters are the model's own, so that optimiser, average and checkpoints go on seeing one model.
    """

    def __init__(self, model: nn.Module, boundary: str, skipped: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.boundary, self.skipped = model, boundary, skipped

    def forward(self, activations: Tensor) -> Tensor:
        """[n, ...] as `beginning` gave them -> what the model gives for their images."""
        with self._bypassed():
            output: Tensor = self.model(activations)
        return output

    @torch.no_grad()
    def beginning(self, images: Tensor) -> Tensor:
        """Activations at the boundary, in eval mode of whatever is in eval mode; the rest of the model is not run."""
        return _until(self.model, self.boundary, images)

    def digest(self) -> str:
        """A hash of the boundary and of every weight and statistic before it."""
        total = zlib.crc32(self.boundary.encode())
        # A model's own tensors, such as a ViT's positions, are in no module of its beginning.
        before = tuple(f"{name}." for name in self.skipped)
        for name, tensor in self.model.state_dict().items():
            if name.startswith(before) or "." not in name:
                raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
                total = zlib.crc32(raw.tobytes(), total)
        return f"{total:08x}"

    @contextlib.contextmanager
    def _bypassed(self) -> Iterator[None]:
        places = [(self.model.get_submodule(parent), own) for parent, own in map(_split_name, self.skipped)]
        kept = [(parent, own, parent._modules[own]) for parent, own in places]
        positions = getattr(self.model, "_pos_embed", None)
        try:
            for parent, own in places:
                parent._modules[own] = _Through()
            if positions is not None:  # A ViT adds its positions in a method between two modules.
                self.model._pos_embed = lambda x: x  # type: ignore[assignment]
            yield
        finally:
            for parent, own, module in kept:
                parent._modules[own] = module
            if positions is not None:
                del self.model._pos_embed


class _Reached(Exception):
    """The boundary's output is there: nothing behind it needs to run."""


@torch.no_grad()
def tail_of(model: nn.Module, unfreeze: str, trial: Tensor) -> Tail | None:
    """The end of the model that trains under `unfreeze`, or None where the model cannot be cut there exactly.

    Whether it can is tried, not assumed: on `trial` [n, 3, h, w] the cut model must give what the whole one gives.
    """
    boundary = _boundary(model, unfreeze)
    if boundary is None:
        return None
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with _judged(model) as seen:
            whole: Tensor = model(trial)
            tail = Tail(model, boundary, _before(model, boundary, trial))
            cut = tail(_until(model, boundary, trial))
        # A head that begins at zero says the same of anything: what it is given must agree too.
        pairs = [(cut, whole), (seen[-1], seen[0])]
        same = all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in pairs)
    except (RuntimeError, TypeError, ValueError, AttributeError, AssertionError, IndexError):
        # A model that computes between its modules refuses what it is given: then it is run whole, as always.
        return None
    finally:
        for module, training in modes.items():
            module.training = training
    return tail if same else None


@contextlib.contextmanager
def _judged(model: nn.Module) -> Iterator[list[Tensor]]:
    """What the classifier is given within the block, call by call."""
    found: list[Tensor] = []
    handle = stages.classifier(model).register_forward_pre_hook(lambda _, given: found.append(given[0]))
    try:
        yield found
    finally:
        handle.remove()


def _boundary(model: nn.Module, unfreeze: str) -> str | None:
    """Name of the module that ends the frozen part."""
    every, chosen = stages.sections(model), stages.trainable(model, unfreeze)
    frozen = [name for name in every if name not in chosen]
    if not frozen or unfreeze == "head":
        return None
    return stages.boundaries(model)[int(frozen[-1].removeprefix("stage")) - 1]


def _until(model: nn.Module, boundary: str, images: Tensor) -> Tensor:
    found: list[Tensor] = []

    def reached(_: nn.Module, __: Any, output: Tensor) -> None:
        found.append(output)
        raise _Reached

    handle = model.get_submodule(boundary).register_forward_hook(reached)
    try:
        with contextlib.suppress(_Reached):
            model(images)
    finally:
        handle.remove()
    return found[0]


def _before(model: nn.Module, boundary: str, trial: Tensor) -> tuple[str, ...]:
    """The outermost modules that have ended when the boundary has, in the order in which they ended."""
    ended: dict[str, None] = {}

    def note(name: str) -> Any:
        return lambda *_: ended.setdefault(name)

    handles = [module.register_forward_hook(note(name)) for name, module in model.named_modules() if name]
    try:
        _until(model, boundary, trial)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(name for name in ended if not _inside(name, ended))


def _inside(name: str, ended: Mapping[str, None]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:depth]) in ended for depth in range(1, len(parts)))


def _split_name(name: str) -> tuple[str, str]:
    parent, _, own = name.rpartition(".")
    return parent, own
