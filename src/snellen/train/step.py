"""One optimiser step: exact accumulation, gradient norms by section, clipping, and a check that all is finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from snellen.train.machine import Setting
from snellen.train.switches import still_norms

LossFunction = Callable[[Tensor, Tensor], Tensor]


class NonFinite(Exception):
    """A loss, gradient or metric is NaN or infinite: `what`, and the `tensor` or the `places` in the batch (of a metric: in
    validation)."""

    def __init__(self, what: str, *, tensor: str = "", places: Sequence[int] = ()) -> None:
        super().__init__(what)
        self.what, self.tensor, self.places = what, tensor, tuple(places)


def forward_backward(
    net: nn.Module,
    loss: LossFunction,
    batch: tuple[Tensor, Tensor],
    setting: Setting,
    *,
    parts: int,
    scaler: torch.amp.GradScaler | None = None,
) -> float:
    """Accumulate gradients of the batch mean over `parts` micro-batches; return the mean loss.

    Every micro-batch is divided by the samples of the whole batch, so that a shorter one weighs what it should. `scaler`
    scales the gradients (fp16).
    """
    total = 0.0
    place = 0
    inputs, targets = batch
    for images, wanted in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
        with setting.autocast():
            output = net(setting.place(images))
        each = loss(output.float(), wanted.to(setting.device))
        if not bool(each.detach().isfinite().all()):
            bad = (~each.detach().isfinite()).nonzero()[:, 0] + place
            raise NonFinite("loss", places=bad.tolist())
        value = each.sum() / len(inputs)
        with still_norms(net):
            (scaler.scale(value) if scaler else value).backward()  # type: ignore[no-untyped-call]
        total += value.item()
        place += len(images)
    return total


def norms(sections: Mapping[str, list[nn.Parameter]]) -> dict[str, float]:
    """Euclidean norm of the gradient by section; raises NonFinite."""
    found = {}
    for name, parameters in sections.items():
        gradients = [p.grad for p in parameters if p.grad is not None]
        found[name] = float(torch.stack(torch._foreach_norm(gradients)).norm()) if gradients else 0.0
        if not found[name] < float("inf"):
            raise NonFinite("gradient", tensor=name)
    return found


@torch.no_grad()
def clip(sections: Mapping[str, list[nn.Parameter]], norm: float, limit: float | None) -> bool:
    """Scale all gradients so that their norm is at most `limit`; whether that was needed."""
    if limit is None or norm <= limit:
        return False
    gradients = [p.grad for parameters in sections.values() for p in parameters if p.grad is not None]
    torch._foreach_mul_(gradients, limit / norm)
    return True


@torch.no_grad()
def copied(sections: Mapping[str, list[nn.Parameter]]) -> dict[str, list[Tensor]]:
    """The weights as they are before a step, by section."""
    return {name: [parameter.detach().clone() for parameter in own] for name, own in sections.items()}


@torch.no_grad()
def moved(sections: Mapping[str, list[nn.Parameter]], before: Mapping[str, list[Tensor]]) -> dict[str, float]:
    """How far a step moved the weights, by section: norm of the difference over norm of the weights (0 of none)."""
    found = {}
    for name, own in sections.items():
        was = torch.stack(torch._foreach_norm(before[name])).norm()
        step = torch.stack(torch._foreach_norm(torch._foreach_sub(list(own), before[name]))).norm()
        found[name] = float(step / was) if was > 0 else 0.0
    return found


def record(
    loss: float, by_section: Mapping[str, float], *, lr: float, clipped: bool, n: int, waited: float = 0.0,
    update: Mapping[str, float] | None = None, parts: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """What the meters read of one step; `waited`: seconds until its batch was there; `update`: how far it moved the weights,
    by section, where that was measured; `parts`: into how many the batch was cut because memory was short (0: it was not)."""
    norm = sum(value**2 for value in by_section.values()) ** 0.5
    found = {
        "loss": loss,
        "norm": norm,
        "groups": dict(by_section),
        "lr": lr,
        "clipped": clipped,
        "n": n,
        "waited": waited,
    }
    return found | ({} if update is None else {"update": dict(update)}) | ({"parts": parts} if parts else {})
