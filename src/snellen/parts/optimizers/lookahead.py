"""Lookahead around any optimiser (SPEC L2; Zhang et al. 2019, arXiv:1907.08610, algorithm 1): k fast steps, one slow one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from timm.optim.lookahead import Lookahead


def lookahead(
    params: list[dict[str, Any]],
    lr: float,
    weight_decay: float,
    *,
    base: str | Callable[..., torch.optim.Optimizer] = "adamw",
    settings: Mapping[str, Any] | None = None,
    k: int = 6,
    alpha: float = 0.5,
) -> torch.optim.Optimizer:
    """Return the optimiser `base` (with its own `settings`) whose weights are pulled back by 1 - `alpha` of the way after
    every `k` steps.

    `base`: a file of this shelf by name, or the function itself. Raises ValueError for an impossible setting.
    """
    inner = getattr(importlib.import_module(f"{__package__}.{base}"), base) if isinstance(base, str) else base
    return Lookahead(inner(params, lr, weight_decay, **(settings or {})), alpha=alpha, k=k)  # type: ignore[no-untyped-call]
