"""A step that does not fit is repeated, and nothing of the failed attempt is left."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import tiny
import torch
import torch.nn.functional as F
from torch import nn

from snellen.rules.run.memory_bound import memory_bound
from snellen.train import loop
from snellen.train.fit import fitted
from snellen.train.machine import Setting
from snellen.values import SnellenError


def model_of() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("test_efficientnet", num_classes=3, drop_rate=0.2).train()


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), 0.1)


def test_a_lack_of_memory_is_met_by_doubling_the_parts() -> None:
    model = model_of()
    batch = torch.randn(8, 3, 32, 32)
    seen: list[tuple[int, torch.Tensor, float]] = []

    def attempt(parts: int) -> float:
        statistics = next(model.buffers()).clone()
        model(batch).sum().backward()  # Leaves gradients and statistics behind.
        seen.append((parts, statistics, float(torch.rand(()))))
        if parts < 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return 0.5

    torch.manual_seed(7)
    assert fitted(attempt, model, sgd(model), Setting().scaler(), parts=1, most=8, seed=7) == (0.5, 4)
    assert [parts for parts, _, _ in seen] == [1, 2, 4]
    for _, statistics, draw in seen[1:]:
        torch.testing.assert_close(statistics, seen[0][1], rtol=0, atol=0)
        assert draw == seen[0][2]
    once = model_of()
    torch.manual_seed(7)
    once(batch).sum().backward()
    for own, other in zip(model.parameters(), once.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)


def test_parts_end_at_single_samples() -> None:
    tried: list[int] = []

    def attempt(parts: int) -> float:
        tried.append(parts)
        if parts < 5:
            raise MemoryError
        return 1.0

    net = nn.Linear(2, 2)
    assert fitted(attempt, net, sgd(net), Setting().scaler(), parts=2, most=5, seed=0) == (1.0, 5)
    assert tried == [2, 4, 5]


def test_a_single_image_that_does_not_fit_is_told() -> None:
    def attempt(parts: int) -> float:
        raise MemoryError

    net = nn.Linear(2, 2)
    with pytest.raises(SnellenError, match=r"on a single image does not fit into memory .*checkpointing: true"):
        fitted(attempt, net, sgd(net), Setting().scaler(), parts=1, most=5, seed=0)


def test_other_errors_pass() -> None:
    def attempt(parts: int) -> float:
        raise RuntimeError("shapes")

    net = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="shapes"):
        fitted(attempt, net, sgd(net), Setting().scaler(), parts=1, most=5, seed=0)


def test_a_scale_that_is_too_large_is_halved_and_the_step_taken_all_the_same() -> None:
    """What fp16 does on CUDA, with the same scaler on a CPU."""
    setting = Setting("fp16")
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    inputs, targets = torch.randn(5, 6), torch.arange(5) % 3
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    optimizer = sgd(net)
    scales: list[float] = []

    def attempt(parts: int) -> float:
        scales.append(scaler.get_scale())
        with setting.autocast():
            output = net(inputs)
        loss = F.cross_entropy(output.float(), targets)
        scaler.scale(loss).backward()
        return loss.item()

    _, parts = fitted(attempt, net, optimizer, scaler, parts=1, most=5, seed=0)
    assert parts == 1
    assert scales[0] == 2.0**20
    assert scales == sorted(scales, reverse=True)
    assert len(scales) > 1
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    F.cross_entropy(net(inputs), targets).backward()
    for scaled, parameter in zip(gradients, net.parameters(), strict=True):
        torch.testing.assert_close(scaled, parameter.grad, rtol=0.02, atol=1e-3)
    before = net[0].weight.clone()
    scaler.step(optimizer)
    scaler.update()
    assert not torch.equal(net[0].weight, before)


def test_gradients_that_no_scale_mends_are_left_to_the_caller() -> None:
    net = nn.Linear(2, 2)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)

    def attempt(parts: int) -> float:
        scaler.scale(net(torch.full((1, 2), float("inf"))).sum()).backward()
        return 0.0

    fitted(attempt, net, sgd(net), scaler, parts=1, most=1, seed=0)
    assert scaler.get_scale() == 1
    assert not net.weight.grad.isfinite().all()


# ---- In a training


def test_a_training_short_of_memory_goes_on_in_parts(
    trained, weights_of, differ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the step that did not fit on, as if the recipe had asked for these parts."""
    one = [{"name": "all", "unfreeze": "all", "epochs": 2}]
    wanted = trained(tiny.recipe({"stages": one, "train.accumulate": 2}), "wanted")
    real, tried = loop.forward_backward, []

    def short(*given: Any, parts: int, **settings: Any) -> float:
        tried.append(parts)
        value = real(*given, parts=parts, **settings)
        if parts < 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return value

    monkeypatch.setattr(loop, "forward_backward", short)
    run = trained(tiny.recipe({"stages": one}), "short")
    assert tried[0] == 1
    assert set(tried[1:]) == {2}
    assert not differ(weights_of(wanted), weights_of(run))
    assert [item.get("parts") for item in run.signals("memory")] == [2, 2]
    assert "parts" not in wanted.signals("memory")[-1], "that was what the recipe asked for"
    (finding,) = memory_bound(run)
    assert (finding.evidence["kind"], finding.evidence["parts"]) == ("cut", 2)


def test_resumed_training_keeps_its_parts(trained, weights_of, differ, monkeypatch: pytest.MonkeyPatch) -> None:
    one = [{"name": "all", "unfreeze": "all", "epochs": 2}]
    wanted = trained(tiny.recipe({"stages": one, "train.accumulate": 2}), "wanted")
    real, calls = loop.forward_backward, []

    def short(*given: Any, parts: int, **settings: Any) -> float:
        calls.append(parts)
        if len(calls) == 1:
            raise MemoryError
        return real(*given, parts=parts, **settings)

    monkeypatch.setattr(loop, "forward_backward", short)
    trained(tiny.recipe({"stages": one}), "short", stop_at=3)
    run = trained(tiny.recipe({"stages": one}), "short")
    assert not differ(weights_of(wanted), weights_of(run))


def test_half_precision_with_a_scaled_loss_trains_and_resumes(trained, weights_of, differ) -> None:
    """fp16 is for CUDA; the same path runs, slowly, on a CPU."""
    recipe = tiny.recipe({"stages": [{"name": "all", "unfreeze": "all", "epochs": 2}], "augment.mixup": 0.0})
    whole = trained(recipe, "whole", setting=Setting("fp16"))
    trained(recipe, "cut", setting=Setting("fp16"), stop_at=3)
    assert not differ(weights_of(whole), weights_of(trained(recipe, "cut", setting=Setting("fp16"))))
    plain = trained(recipe, "plain")
    assert whole.signals("loss")[-1]["val"] == pytest.approx(plain.signals("loss")[-1]["val"], abs=0.1)
    assert whole.cost["stopped"] == ""
