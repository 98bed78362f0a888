"""The classifier that a loss asks for, in the place of the model's linear one."""

from __future__ import annotations

from inspect import signature

from torch import nn

from snellen.recipe import Part
from snellen.shelf import LOSSES
from snellen.values import SnellenError


def headed(model: nn.Module, loss: Part) -> nn.Module:
    """The model as it is, or with the classifier that the loss's `head(linear, *, settings)` makes of its linear one.

    Raises SnellenError where the model's classifier is not one linear layer.
    """
    if "head" not in (LOSSES.constant(loss.name, "NEEDS") or ()):
        return model
    make, settings = LOSSES.module(loss.name).head, LOSSES.resolve(loss.name, loss.settings)
    linear = model.get_classifier()  # type: ignore[operator]
    if not isinstance(linear, nn.Linear):
        raise SnellenError(
            f"loss {loss.name} replaces the classifier by its own, and that of {type(model).__name__} is no single linear layer "
            f"({type(linear).__name__}); choose another model or loss"
        )
    _replace(
        model, linear, make(linear, **{key: settings[key] for key in signature(make).parameters if key in settings})
    )
    return model


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    (name,) = (name for name, module in model.named_modules() if module is old)
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, new)
