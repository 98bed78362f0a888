"""A step that does not fit is taken again: cut into more parts where memory is short, scaled down where fp16 overflows.

The gradient is the same, up to the order of sums, wherever samples do not look at each other; batch-norm that trains sees
the smaller parts, as it does with train.accumulate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from snellen.train.machine import out_of_memory
from snellen.values import SnellenError


def fitted(
    attempt: Callable[[int], float],
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    parts: int,
    most: int,
    seed: int,
) -> tuple[float, int]:
    """attempt(parts) -> loss, which leaves gradients behind; repeated until it fits. Returns the loss and the parts.

    The gradients are left unscaled. Before a step is repeated, all that the failed attempt did is undone: half-summed
    gradients are dropped, running statistics put back, the generator of dropout's draws set to `seed`. `most`: samples of
    the batch, the most parts there can be. Gradients that are not finite though nothing scales them are the caller's
    business. Raises SnellenError where not even one sample fits.
    """
    # A copy of what the forward pass changes besides gradients: thousands of numbers, not millions.
    kept = [(buffer, buffer.clone()) for buffer in net.buffers()]
    while True:
        short = ""
        try:
            loss = attempt(parts)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            short = str(error).splitlines()[0] if str(error) else type(error).__name__
        # Outside of the except block: until it is left, the error's traceback keeps the tensors of the failed attempt.
        if not short and not _overflowed(optimizer, scaler):
            return loss, parts
        if short and parts >= most:
            raise SnellenError(
                f"a training step on a single image does not fit into memory ({short}); choose a smaller data.size or "
                "model, or set train.checkpointing: true"
            )
        parts = min(parts * 2, most) if short else parts
        _undo(net, kept, seed)


def _overflowed(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> bool:
    """Unscale the gradients; where the scale was too large for them, halve it and say so."""
    if not scaler.is_enabled():
        return False
    scaler.unscale_(optimizer)
    found = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if scaler.get_scale() <= 1 or bool(torch.stack(torch._foreach_norm(found)).isfinite().all()):
        return False
    scaler.update()
    return True


@torch.no_grad()
def _undo(net: nn.Module, kept: list[tuple[torch.Tensor, torch.Tensor]], seed: int) -> None:
    net.zero_grad(set_to_none=True)
    for buffer, value in kept:
        buffer.copy_(value)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    torch.manual_seed(seed)
