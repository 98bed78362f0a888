"""The rate that is advised for masks: twice as much where few steps fit, for the light encoders that it was measured on."""

from __future__ import annotations

import pytest

from snellen.tasks._mask_advice import FEW_STEPS, _Facts, _optimizer


@pytest.mark.parametrize(
    ("light", "steps", "rate"),
    [(True, FEW_STEPS - 1, 2e-3), (True, FEW_STEPS, 1e-3), (False, 10, 5e-4), (False, FEW_STEPS, 5e-4)],
)
def test_few_steps_are_taken_at_twice_the_rate(light: bool, steps: int, rate: float) -> None:
    facts = _Facts(n=260, n_val=60, side=256.0, light=light, rare=0.2, time=90.0, classes=7)
    choice = next(choice for choice in _optimizer(facts, steps) if choice.key == "optim.lr")
    assert choice.value == pytest.approx(rate)
    assert (str(steps) in choice.reason) == (rate == 2e-3)
    assert ("measured" in choice.source) == (rate == 2e-3)
