"""Switches of the recipe: what they change, what they leave as it is, and where they are refused."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from snellen.recipe import Recipe
from snellen.train import machine
from snellen.train.machine import Setting, environment, memory_free, setting_of
from snellen.train.stopwatch import images, step_bytes
from snellen.train.switches import checkpointed, still_norms, switched
from snellen.values import SnellenError


def model_of(name: str = "test_efficientnet") -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=3, drop_rate=0.2)


def after_a_step(model: nn.Module) -> dict[str, torch.Tensor]:
    """Gradients and running statistics."""
    torch.manual_seed(1)
    batch = torch.randn(6, 3, 32, 32)
    loss = F.cross_entropy(model.train()(batch), torch.arange(6) % 3)
    with still_norms(model):
        loss.backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    return grads | {name: value for name, value in model.named_buffers() if "tracked" not in name}


# ---- Gradient checkpointing


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_convnext"])
def test_recomputing_changes_neither_gradients_nor_statistics(name: str) -> None:
    plain, again = after_a_step(model_of(name)), after_a_step(checkpointed(model_of(name)))
    for key, value in plain.items():
        assert torch.allclose(again[key], value, atol=1e-6), key


def test_recomputing_takes_less_memory() -> None:
    model = model_of()
    kept = step_bytes(model, Setting(), images(64, 8))
    assert step_bytes(checkpointed(model), Setting(), images(64, 8)) < 0.8 * kept


def test_momentum_is_put_back() -> None:
    model = checkpointed(model_of())
    before = [module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with pytest.raises(RuntimeError, match="lost"), still_norms(model):
        raise RuntimeError("lost")
    assert [module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)] == before


def test_a_model_that_cannot_recompute_says_so() -> None:
    with pytest.raises(SnellenError, match=r"Linear cannot recompute its activations.*train\.accumulate"):
        checkpointed(nn.Linear(2, 2))
    train = Recipe().change({"train.checkpointing": True}).train
    with pytest.raises(SnellenError, match="VGG cannot recompute"):
        switched(timm.create_model("vgg11", num_classes=2), train)


# ---- Settings that this machine may not have


def test_synchronised_norms_need_several_processes() -> None:
    with pytest.raises(SnellenError, match="there is one process only: leave it off"):
        switched(model_of(), Recipe().change({"train.sync_norm": True}).train)


def test_nothing_is_switched_by_default() -> None:
    model = model_of()
    assert switched(model, Recipe().train) is model


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({}, Setting("bf16", "channels_last")),
        ({"train.precision": "fp32"}, Setting("fp32", "channels_last")),
        ({"train.layout": "contiguous"}, Setting("bf16", "contiguous")),
        ({"train.compile": True}, Setting("bf16", "channels_last", compile=True)),
        ({"train.compile": "auto"}, Setting("bf16", "channels_last")),
    ],
)
def test_the_recipe_comes_before_the_probe(patch: dict[str, object], expected: Setting) -> None:
    assert setting_of(Recipe().change(patch).train, Setting("bf16", "channels_last")) == expected


def test_fp16_needs_a_graphics_processor() -> None:
    train = Recipe().change({"train.precision": "fp16"}).train
    with pytest.raises(SnellenError, match=r"needs a CUDA device.*set it to bf16"):
        setting_of(train, Setting())
    assert setting_of(train, Setting(device="cuda")).precision == "fp16"


def test_only_fp16_scales_the_loss() -> None:
    for precision, scaled in (("fp32", False), ("bf16", False), ("fp16", True)):
        assert Setting(precision).scaler().is_enabled() == scaled


def test_compiling_keeps_the_names_of_weights() -> None:
    plain, model = model_of(), Setting(compile=True).prepare(model_of())
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert model._compiled_call_impl is not None
    assert environment(Setting(compile=True))["compile"] is True


def test_free_memory_is_a_number_of_bytes() -> None:
    assert memory_free() > 0


PROGRAM = """
import resource
from snellen.train.machine import keep_memory
print(keep_memory())
import torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.empty(16_000_000).zero_()  # 64 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_that_was_freed_is_used_again() -> None:
    """Page faults are counted, not seconds: without it, every one of the blocks is handed out page by page."""

    def faults(**environment: str) -> tuple[str, int]:
        clean = {
            key: value for key, value in os.environ.items() if key not in (*machine._ALLOCATION, "SNELLEN_KEEP_MEMORY")
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**clean, **environment}, capture_output=True, text=True, check=True
        )
        kept, count = done.stdout.split()
        return kept, int(count)

    kept, few = faults()
    refused, many = faults(MALLOC_TRIM_THRESHOLD_="131072")
    assert (kept, refused) == ("True", "False")
    # One block of twenty is what is needed; six were seen while other programs pressed for memory. Without it: all twenty.
    assert few < many / 2
