"""The laws of losses; `snellen.testing` offers them with all others."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

from snellen.shelf import LOSSES


def check_loss(name: str) -> None:
    """One finite value per sample, in any order; less for the right answer; a gradient. What it is asked about is what it says
    that it TAKES: labels (where it says nothing), hard and, unless it refuses mixed images, soft, pixels, or images. A loss with a
    head of its own is asked about what that head gives in training."""
    checks = {"labels": _check_label_loss, "pixels": _check_pixel_loss, "images": _check_image_loss}
    checks[LOSSES.constant(name, "TAKES") or "labels"](name, LOSSES.build(name, {}))


def _check_label_loss(name: str, loss: Callable[..., Any]) -> None:
    import torch

    loss, extra = _asked(name, loss)
    generator = torch.Generator().manual_seed(0)
    output = torch.cat([torch.randn(12, 5, generator=generator), extra], dim=1).requires_grad_()
    target = torch.arange(12) % 5
    soft = torch.rand(12, 5, generator=generator)
    refuses = [item[0] for item in LOSSES.constant(name, "REFUSES") or ()]
    for wanted in (target, *(() if "augment.mixup" in refuses else (soft / soft.sum(dim=1, keepdim=True),))):
        values = loss(output, wanted)
        assert values.shape == (12,), f"loss {name} has the shape {tuple(values.shape)}, expected one value per sample"
        assert torch.isfinite(values).all(), f"loss {name} is not finite on ordinary outputs"
        order = torch.randperm(12, generator=generator)
        assert torch.allclose(loss(output[order], wanted[order]), values[order], atol=1e-6), (
            f"loss {name} depends on the order"
        )
    values.sum().backward()
    assert output.grad is not None, f"loss {name} gives no gradient"
    assert torch.isfinite(output.grad).all(), f"loss {name} has a gradient that is not finite"
    right = torch.nn.functional.one_hot(target, 5).float() * 2
    well, ill, sure = (torch.cat([logits, extra], dim=1) for logits in (right, -right, right * 50))
    assert (loss(well, target) < loss(ill, target)).all(), f"loss {name} is not lower for the right class"
    assert torch.isfinite(loss(sure, target)).all(), f"loss {name} is not finite on a sure output"


def _asked(name: str, loss: Callable[..., Any]) -> tuple[Callable[..., Any], Any]:
    """The loss with its defaults, told of five classes where it needs to be, and what its head gives in training for twelve
    samples beside their logits, [12, 0 or more]."""
    import torch

    needs, settings = LOSSES.constant(name, "NEEDS") or (), LOSSES.settings(name)
    if "counts" in needs:
        loss = loss((40, 5, 20, 10, 10))
    if "head" not in needs:
        return loss, torch.zeros(12, 0)
    make = LOSSES.module(name).head
    unknown = set(inspect.signature(make).parameters) - {"linear", *settings}
    assert not unknown, f"loss {name}: its head asks for {unknown}, which are no settings of the loss"
    given = {key: value for key, value in settings.items() if key in inspect.signature(make).parameters}
    head = make(torch.nn.Linear(7, 5), **given)
    features = torch.randn(12, 7, generator=torch.Generator().manual_seed(1))
    told = head.train()(features).detach()
    assert head.eval()(features).shape == (12, 5), f"loss {name}: its head does not give logits [n, k] in eval mode"
    return loss, told[:, 5:]


def _check_pixel_loss(name: str, loss: Callable[..., Any]) -> None:
    """One finite value per image in any order; what nobody labelled is nothing; less for the right classes; a gradient."""
    import torch

    generator = torch.Generator().manual_seed(0)
    output = torch.randn(6, 4, 8, 8, generator=generator).requires_grad_()
    target = torch.randint(0, 4, (6, 8, 8), generator=generator)
    target[:, 0] = 255
    values = loss(output, target)
    assert values.shape == (6,), f"loss {name} has the shape {tuple(values.shape)}, expected one value per image"
    order = torch.randperm(6, generator=generator)
    assert torch.allclose(loss(output[order], target[order]), values[order], atol=1e-6), (
        f"loss {name} depends on the order"
    )
    other = output.detach().clone()
    other[:, :, 0] += 3 * torch.randn(6, 4, 8, generator=generator)
    assert torch.allclose(loss(other, target), values, atol=1e-6), f"loss {name} reads pixels that nobody labelled"
    values.sum().backward()
    assert output.grad is not None, f"loss {name} gives no gradient"
    assert torch.isfinite(output.grad).all(), f"loss {name} has a gradient that is not finite"
    right = torch.nn.functional.one_hot(target.where(target != 255, 0), 4).movedim(-1, 1).float() * 2
    assert (loss(right, target) < loss(-right, target)).all(), f"loss {name} is not lower for the right classes"
    empty = loss(output, torch.full_like(target, 255))
    assert torch.isfinite(empty).all(), f"loss {name} is not finite for an image without a label"
    assert torch.isfinite(loss(right * 50, target)).all(), f"loss {name} is not finite on a sure output"


def _check_image_loss(name: str, loss: Callable[..., Any]) -> None:
    """One finite value per image in any order; least for equal images (0, but for what a critic of its own adds), more for
    farther ones; a gradient; nothing broadcast."""
    import torch

    judged = "critic" in (LOSSES.constant(name, "NEEDS") or ())
    if judged:
        make, settings = LOSSES.module(name).critic, LOSSES.settings(name)
        loss = loss(make(**{key: settings[key] for key in inspect.signature(make).parameters}))
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(6, 3, 32, 32, generator=generator)
    apart = 0.1 * torch.rand(6, 3, 32, 32, generator=generator)
    output = (target + apart).requires_grad_()
    values = loss(output, target)
    assert values.shape == (6,), f"loss {name} has the shape {tuple(values.shape)}, expected one value per image"
    order = torch.randperm(6, generator=generator)
    assert torch.allclose(loss(output[order], target[order]), values[order], atol=1e-6), (
        f"loss {name} depends on the order"
    )
    assert (loss(target, target) < values).all(), f"loss {name} is not least for equal images"
    assert judged or torch.allclose(loss(target, target), torch.zeros(6), atol=1e-6), (
        f"loss {name} is not 0 for equal images"
    )
    assert (loss(target + 2 * apart, target) > values).all(), (
        f"loss {name} is not higher for images that are farther apart"
    )
    values.sum().backward()
    assert output.grad is not None, f"loss {name} gives no gradient"
    assert torch.isfinite(output.grad).all(), f"loss {name} has a gradient that is not finite"
    with contextlib.suppress(ValueError):
        loss(output, target[:, :1])
        raise AssertionError(f"loss {name} broadcasts a target of another shape")
