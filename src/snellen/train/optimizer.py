"""The optimiser of a stage: made from the recipe, and its state as tensors that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from snellen.recipe import Optim
from snellen.shelf import OPTIMIZERS
from snellen.values import SnellenError

Groups = list[dict[str, Any]]


def optimizer_of(optim: Optim, groups: Groups, lr: float) -> torch.optim.Optimizer:
    """The recipe's optimiser over parameter groups; raises SnellenError for a setting that it refuses."""
    settings = OPTIMIZERS.resolve(optim.name, optim.settings)
    if isinstance(settings.get("base"), str):
        # One around another: the other may be a part of the user's, which only the shelf can find.
        settings["base"] = OPTIMIZERS.pick(settings["base"])
    try:
        made: torch.optim.Optimizer = OPTIMIZERS.pick(optim.name)(groups, lr, optim.weight_decay, **settings)
    except (ValueError, TypeError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in optim.settings.items())
        raise SnellenError(f"optimizer {optim.name} refuses its settings ({given}): {error}") from error
    return made


def set_rate(groups: Groups, lr: float) -> None:
    """Give every group the rate, times its own `scale`."""
    for group in groups:
        group["lr"] = lr * group.get("scale", 1.0)


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All that the optimiser has learnt, as copies on the CPU by name: `state.<parameter>.<key>`, and the counters that some
    (LAMB, Lookahead) keep in their groups, `group.<place>.<key>`. Numbers are told from tensors by a leading `number.`."""
    packed = optimizer.state_dict()
    kept = {f"state.{index}.{key}": value for index, own in packed["state"].items() for key, value in own.items()}
    for place, group in enumerate(packed["param_groups"]):
        kept |= {f"group.{place}.{key}": value for key, value in group.items()}
    found = {key: value.detach().to("cpu", copy=True) for key, value in kept.items() if isinstance(value, Tensor)}
    numbers = {key: value for key, value in kept.items() if type(value) in (int, float)}
    return found | {f"number.{key}": torch.tensor(value, dtype=_exact(value)) for key, value in numbers.items()}


def refill(optimizer: torch.optim.Optimizer, kept: Mapping[str, Tensor]) -> None:
    """Put back what `moments` gave, into a fresh optimiser of the same groups."""
    packed = optimizer.state_dict()
    groups = [dict(group) for group in packed["param_groups"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in kept.items():
        plain = name.startswith("number.")
        kind, index, key = name.removeprefix("number.").split(".", 2)
        value = tensor.item() if plain else tensor
        place = groups[int(index)] if kind == "group" else state.setdefault(int(index), {})
        place[key] = value
    optimizer.load_state_dict({**packed, "state": state, "param_groups": groups})


def _exact(value: int | float) -> torch.dtype:
    return torch.int64 if isinstance(value, int) else torch.float64
