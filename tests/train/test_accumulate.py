"""8 × 1 = 4 × 2 = 2 × 4: how a batch is cut changes nothing, also not in the last, shorter one."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import nn

from snellen.train.machine import Setting
from snellen.train.step import NonFinite, clip, forward_backward, norms

STAGES = [{"name": "all", "unfreeze": "all", "epochs": 1, "schedule": {"name": "constant"}}]
# Plain SGD: Adam divides by the gradient's own size, which makes any rounding as large as a step.
PATCH = {
    "stages": STAGES, "model.dropout": 0.0, "train.ema": 0.0, "optim": {"name": "sgd", "lr": 0.05, "clip": None},
}  # fmt: skip


def gradients(model: nn.Module, batch: int, parts: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    images, targets = torch.randn(batch, 3, 32, 32), torch.arange(batch) % 3
    model.zero_grad()
    loss = nn.CrossEntropyLoss(reduction="none", label_smoothing=0.1)
    value = forward_backward(model, loss, (images, targets), Setting(), parts=parts)
    each = loss(model(images), targets)
    assert value == pytest.approx(each.mean().item(), abs=1e-6)
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.fixture(params=["test_vit", "test_convnext", "test_efficientnet"])
def model(request: pytest.FixtureRequest) -> nn.Module:
    """Two without batch-norm, and one whose batch-norm is frozen."""
    import timm

    torch.manual_seed(1)
    size = {"img_size": 32} if "vit" in request.param else {}
    return timm.create_model(request.param, num_classes=3, **size).eval()


@pytest.mark.parametrize("batch", [8, 5, 7, 2, 1])
def test_gradients_do_not_depend_on_the_parts(model: nn.Module, batch: int) -> None:
    whole = gradients(model, batch, 1)
    for parts in (2, 4, 8):
        cut = gradients(model, batch, parts)
        for name, gradient in whole.items():
            assert torch.allclose(cut[name], gradient, atol=1e-6), (name, parts)


@pytest.mark.parametrize(
    "change", [{"model.name": "test_convnext"}, {"train.freeze_norm": True}], ids=["layer norm", "frozen"]
)
def test_weights_do_not_depend_on_the_parts(change: dict[str, object], trained, weights_of) -> None:
    runs = [
        trained(tiny.recipe({**PATCH, **change, "train.accumulate": parts}), f"parts{parts}", stop_at=4)
        for parts in (1, 2, 4)
    ]
    first, *others = [weights_of(run, "last") for run in runs]
    for other in others:
        for name, tensor in first.items():
            assert torch.allclose(other[name], tensor, atol=1e-6), name


def test_a_bad_sample_is_named_by_its_place_in_the_whole_batch() -> None:
    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.where(target == 6, torch.inf, output.sum(dim=1))

    batch = (torch.randn(8, 3), torch.arange(8))
    with pytest.raises(NonFinite) as caught:
        forward_backward(nn.Linear(3, 2), loss, batch, Setting(), parts=4)
    assert (caught.value.what, caught.value.places) == ("loss", (6,))


def test_clipping_agrees_with_torch() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    sections = {"stage1": list(model[0].parameters()), "head": list(model[1].parameters())}
    model(torch.randn(16, 4)).square().sum().backward()
    mine = norms(sections)
    total = sum(norm**2 for norm in mine.values()) ** 0.5
    before = [parameter.grad.clone() for parameter in model.parameters()]
    expected = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    theirs = [parameter.grad.clone() for parameter in model.parameters()]
    for parameter, gradient in zip(model.parameters(), before, strict=True):
        parameter.grad = gradient
    assert clip(sections, total, 0.5)
    assert total == pytest.approx(float(expected), rel=1e-6)
    for parameter, gradient in zip(model.parameters(), theirs, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-5)
    assert not clip(sections, 0.4, 0.5)
    assert not clip(sections, 1e9, None)
