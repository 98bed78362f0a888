"""One head on features that are in memory already, written out by hand: what each trial of the peers of search.py costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True, slots=True)
class Features:
    """`train` [views, n, d] and `val` [m, d] float32, with their targets; `classes` k."""

    train: torch.Tensor
    targets: torch.Tensor
    val: torch.Tensor
    wanted: torch.Tensor
    classes: int


def head_loop(
    features: Features, given: Mapping[str, float], *, epochs: int, batch: int, seed: int,
    told: Callable[[int, float], None] = lambda epoch, score: None,
) -> float:  # fmt: skip
    """AdamW with half a cosine on a linear head; best validation accuracy. `given`: lr, weight_decay, smoothing, dropout."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    views, n, width = features.train.shape
    head = torch.nn.Linear(width, features.classes)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.AdamW(head.parameters(), lr=given["lr"], weight_decay=given["weight_decay"], fused=True)
    per_epoch = -(-n // batch)
    best = 0.0
    for epoch in range(epochs):
        order = torch.from_numpy(random.permutation(n))
        for number, chosen in enumerate(order.split(batch)):
            progress = (epoch * per_epoch + number) / (epochs * per_epoch)
            optimizer.param_groups[0]["lr"] = given["lr"] * 0.5 * (1 + math.cos(math.pi * progress))
            inputs = F.dropout(features.train[epoch % views, chosen], given["dropout"])
            loss = F.cross_entropy(head(inputs), features.targets[chosen], label_smoothing=given["smoothing"])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            score = float((head(features.val).argmax(dim=1) == features.wanted).float().mean())
        best = max(best, score)
        told(epoch, score)
    return best
