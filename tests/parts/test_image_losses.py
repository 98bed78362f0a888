"""Losses between images: one value per sample, on any shape; classes are refused."""

from __future__ import annotations

import pytest
import torch

from snellen.shelf import LOSSES

LOSS = ("l1", "l2", "charbonnier", "perceptual")


@pytest.mark.parametrize("name", LOSS)
def test_a_loss_of_images(name: str) -> None:
    loss, chance = LOSSES.build(name, {}), torch.Generator().manual_seed(0)
    wanted = torch.rand(3, 3, 32, 40, generator=chance)
    output = (wanted + 0.1 * torch.rand(wanted.shape, generator=chance)).requires_grad_()
    values = loss(output, wanted)
    assert values.shape == (3,)
    assert (values > 0).all()
    assert torch.allclose(loss(wanted, wanted), torch.zeros(3), atol=1e-7)
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(loss(output[order], wanted[order]), values[order], atol=1e-6)
    worse = loss(wanted + 2 * (output.detach() - wanted), wanted)
    assert (worse > values.detach()).all()
    values.sum().backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()
    assert output.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["l1", "l2", "charbonnier"])
@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 1, 3, 5, 2)])
def test_any_shape(name: str, shape: tuple[int, ...]) -> None:
    assert LOSSES.build(name, {})(torch.ones(shape), torch.zeros(shape)).shape == (4,)


def test_values() -> None:
    output, wanted = torch.tensor([[0.0, 3.0], [1.0, 1.0]]), torch.zeros(2, 2)
    assert LOSSES.build("l1", {})(output, wanted).tolist() == [1.5, 1.0]
    assert LOSSES.build("l2", {})(output, wanted).tolist() == [4.5, 1.0]
    found = LOSSES.build("charbonnier", {"epsilon": 4.0})(output, wanted)
    assert found[0].item() == pytest.approx(0.5)


@pytest.mark.parametrize("name", LOSS)
def test_other_shapes_are_not_broadcast(name: str) -> None:
    with pytest.raises(ValueError, match="one shape"):
        LOSSES.build(name, {})(torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8))


def test_features_are_of_colour_images() -> None:
    with pytest.raises(ValueError, match="RGB"):
        LOSSES.build("perceptual", {})(torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 32, 32))
