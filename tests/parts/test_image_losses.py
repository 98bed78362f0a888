"""Losses between images: one value per sample, on any shape; classes are refused."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from snellen.shelf import LOSSES

LOSS = ("l1", "l2", "charbonnier", "perceptual", "structural")


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


def test_structure_is_what_ssim_scores() -> None:
    """Inside its windows: torchmetrics' mean also counts windows that hang over the edge, on mirrored pixels."""
    chance = torch.Generator().manual_seed(0)
    wanted = torch.rand(2, 1, 48, 40, generator=chance)
    output = wanted + 0.1 * torch.randn(wanted.shape, generator=chance)
    whole = structural_similarity_index_measure(
        output, wanted, data_range=1.0, return_full_image=True, reduction="none"
    )[1]
    loss = LOSSES.build("structural", {"weight": 1.0, "pixel": 0.0})
    found = loss(output.expand(-1, 3, -1, -1), wanted.expand(-1, 3, -1, -1))
    assert whole.shape == wanted.shape
    inside = whole[:, :, 5:-5, 5:-5]
    assert torch.allclose(found, 1 - inside.flatten(1).mean(dim=1), atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(output.expand(-1, 3, -1, -1), wanted.expand(-1, 3, -1, -1))
    assert torch.equal(half, found)


def test_structure_needs_a_window() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        LOSSES.build("structural", {})(torch.zeros(2, 3, 10, 32), torch.zeros(2, 3, 10, 32))


def test_a_critic_and_a_network_do_not_reach_each_other() -> None:
    settings = {"features": 0.0, "pixel": 0.0, "weight": 0.5, "width": 4}
    critic = LOSSES.module("adversarial").critic(width=4)
    torch.nn.init.normal_(critic[-1].weight, generator=torch.Generator().manual_seed(0))
    chance = torch.Generator().manual_seed(1)
    wanted = torch.rand(3, 3, 32, 40, generator=chance)
    output = torch.rand(wanted.shape, generator=chance).requires_grad_()
    values = LOSSES.build("adversarial", settings)(critic)(output, wanted)
    alone = LOSSES.module("adversarial").critic_loss(critic, output.detach(), wanted)
    fooled = torch.nn.functional.softplus(-critic(output)).flatten(1).mean(dim=1)
    assert torch.allclose(values, alone + 0.5 * fooled)
    own = [*critic.parameters()]
    both = torch.autograd.grad(values.sum(), [output, *own], retain_graph=True)
    assert torch.allclose(both[0], torch.autograd.grad(0.5 * fooled.sum(), output)[0])
    for found, expected in zip(both[1:], torch.autograd.grad(alone.sum(), own), strict=True):
        assert torch.allclose(found, expected)


def test_a_critic_begins_undecided() -> None:
    critic = LOSSES.module("adversarial").critic(width=4)
    found = LOSSES.module("adversarial").critic_loss(critic, torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    assert torch.allclose(found, torch.full((2,), 2 * math.log(2)))


def test_a_critic_that_weighs_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="perceptual"):
        LOSSES.build("adversarial", {"weight": 0.0})
