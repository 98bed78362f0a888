"""The discriminator that a loss asks for, as a part of the network that it judges."""

from __future__ import annotations

from inspect import signature

from torch import nn

from snellen.recipe import Part
from snellen.shelf import LOSSES


def needs_critic(loss: Part) -> bool:
    """Whether the loss is computed with a network of its own."""
    return "critic" in (LOSSES.constant(loss.name, "NEEDS") or ())


def judged(model: nn.Module, loss: Part) -> nn.Module:
    """The model as it is, or with `critic`: what the loss's `critic(*, settings)` makes.

    It takes no part in the model's answer, so that it is not exported; its weights are the model's own: trained, averaged, stored
    and resumed with all others.
    """
    if needs_critic(loss):
        make, settings = LOSSES.module(loss.name).critic, LOSSES.resolve(loss.name, loss.settings)
        model.critic = make(**{key: settings[key] for key in signature(make).parameters})
    return model
