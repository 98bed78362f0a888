"""The table of switches: every one has figures or a reason."""

from __future__ import annotations

import pytest
import timm
from torch import nn

from snellen.train.effects import DEFAULT, Effect, effects


def table(name: str) -> dict[str, Effect]:
    def make() -> nn.Module:
        return timm.create_model(name, num_classes=2)

    return {effect.name: effect for effect in effects(make, size=64, batch=4, rounds=1)}


def test_every_switch_is_in_the_table() -> None:
    found = table("test_efficientnet")
    assert next(iter(found)) == DEFAULT
    assert found[DEFAULT].time == found[DEFAULT].memory == 1
    for name in ("layout: channels_last", "precision: bf16", "accumulate: 4", "checkpointing: true"):
        assert found[name].seconds > 0
        assert found[name].bytes > 0
        assert not found[name].note
    for name in ("compile: true", "sync_norm: true"):
        assert found[name].seconds is None
        assert found[name].note
    assert found["accumulate: 4"].memory < 1
    assert found["checkpointing: true"].memory < 1


def test_a_switch_that_the_model_lacks_has_its_reason() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("timm.models.EfficientNet.set_grad_checkpointing")
        assert "cannot recompute" in table("test_efficientnet")["checkpointing: true"].note
