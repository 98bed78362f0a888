"""What a model weighs."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from snellen.shelf import MODELS
from snellen.train.weigh import macs, weigh
from snellen.values import SnellenError

PART = MODELS.module("timm_model")


def test_multiply_adds_are_those_of_the_layers() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
    assert macs(model, 16) == 16 * 16 * 8 * 3 * 9 + 8 * 5


# Published for 224 px (torchvision's table, timm's benchmark): giga multiply-adds.
@pytest.mark.parametrize(
    ("name", "giga"),
    [("resnet18", 1.82), ("resnet50", 4.12), ("mobilenetv2_100", 0.31), ("vit_tiny_patch16_224", 1.26)],
)
def test_multiply_adds_are_the_published_ones(name: str, giga: float) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    assert macs(model, 224) / 1e9 == pytest.approx(giga, rel=0.06)


def test_a_model_is_weighed() -> None:
    found = weigh("test_efficientnet", size=32, classes=("a", "b", "c"), use="light")
    assert found.parameters == sum(
        p.numel() for p in timm.create_model("test_efficientnet", num_classes=3).parameters()
    )
    assert found.macs > 0
    assert min(found.forward, found.step, found.latency) > 0
    assert (found.name, found.use, found.size) == ("test_efficientnet", "light", 32)


def test_a_model_that_is_none_is_refused() -> None:
    with pytest.raises(SnellenError, match="timm has no model 'resnet19'"):
        weigh("resnet19", size=32)


def test_every_member_of_a_family_is_a_model() -> None:
    members = [name for own in PART.FAMILIES.values() for name in own]
    assert len(members) == len(set(members))
    assert [name for name in members if not timm.is_model(name)] == []


def test_where_weights_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    assert PART.weights_from("tf_efficientnet_lite0") == "package"
    assert PART.weights_from("no_such_model") == "none"
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, file: None)
    assert PART.weights_from("resnet18") == "hub"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, file: str(tmp_path / file))
    assert PART.weights_from("resnet18") == "stored"
