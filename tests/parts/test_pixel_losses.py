"""Losses over pixels: weight at outlines."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from snellen.parts.losses._pixels import IGNORE, near_outline
from snellen.shelf import LOSSES

# A square in a plain, with a pixel at the corner that nobody labelled.
TARGET = torch.zeros(1, 12, 12, dtype=torch.long)
TARGET[:, 4:8, 4:8] = 1
TARGET[:, 0, 0] = IGNORE


def test_what_is_near_an_outline() -> None:
    (near,) = near_outline(TARGET, 1)
    inner, outer = torch.zeros(12, 12, dtype=torch.bool), torch.zeros(12, 12, dtype=torch.bool)
    inner[5:7, 5:7], outer[3:9, 3:9] = True, True
    assert torch.equal(near, outer & ~inner)
    assert not near_outline(TARGET, 0).any()
    assert not near_outline(torch.full((2, 5, 5), 3), 2).any()


def test_what_nobody_labelled_is_no_class() -> None:
    alone = torch.full((1, 6, 6), 2)
    alone[:, 3:] = IGNORE
    assert not near_outline(alone, 2).any()


def test_a_border_weighs_what_is_wrong_there() -> None:
    output = torch.randn(1, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    pixels = F.cross_entropy(output, TARGET.where(TARGET != IGNORE, 0), reduction="none")
    weights = (1 + 4.0 * near_outline(TARGET, 2)) * (TARGET != IGNORE)
    loss = LOSSES.build("dice_focal", {"dice": 0.0, "gamma": 0.0, "border": 4.0})
    assert torch.allclose(loss(output, TARGET), (pixels * weights).sum() / weights.sum())
    plain = LOSSES.build("dice_focal", {"border": 0.0})
    assert torch.equal(plain(output, TARGET), LOSSES.build("dice_focal", {})(output, TARGET))


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        LOSSES.build("dice_focal", {"border": -1.0})
