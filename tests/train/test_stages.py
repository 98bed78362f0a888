"""Sections of a model and what each stage trains, for every family."""

from __future__ import annotations

from functools import cache

import pytest
import timm
import torch
from torch import nn

from snellen.shelf import MODELS
from snellen.train import stages

ENDS = {
    "mobilenetv2_050": ("blocks.1", "blocks.2", "blocks.4"),
    "mobilenetv3_small_050": ("blocks.0", "blocks.1", "blocks.3"),
    "tf_efficientnet_lite0": ("blocks.1", "blocks.2", "blocks.4"),
    "resnet18": ("layer1", "layer2", "layer3"),
    "vit_tiny_patch16_224": ("blocks.2", "blocks.5", "blocks.8"),
    "swin_tiny_patch4_window7_224": ("layers.0", "layers.1", "layers.2"),
    "convnext_atto": ("stages.0", "stages.1", "stages.2"),
}
families = pytest.mark.parametrize("name", ENDS)


@cache
def model_of(name: str) -> nn.Module:
    return timm.create_model(name, num_classes=3)


@families
def test_boundaries(name: str) -> None:
    assert stages.boundaries(model_of(name)) == ENDS[name]


@families
def test_sections_are_disjoint_and_hold_all(name: str) -> None:
    model = model_of(name)
    found = stages.sections(model)
    assert list(found) == ["stage1", "stage2", "stage3", "stage4", "head"]
    assert all(found.values())
    ids = [id(parameter) for parameters in found.values() for parameter in parameters]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(parameter) for parameter in model.parameters()}
    assert {id(parameter) for parameter in found["head"]} == {id(p) for p in model.get_classifier().parameters()}


@families
def test_what_trains(name: str) -> None:
    model = model_of(name)
    every = stages.sections(model)
    expected = {"head": ["head"], "last": ["stage3", "stage4", "head"], "all": list(every)}
    for unfreeze, names in expected.items():
        chosen = stages.freeze(model, unfreeze)
        assert list(chosen) == names
        trains = {id(parameter) for part in names for parameter in every[part]}
        assert all(parameter.requires_grad == (id(parameter) in trains) for parameter in model.parameters())


@families
def test_sections_follow_the_forward_order(name: str) -> None:
    """Everything inside the module that ends a section belongs to it or to one before."""
    model = model_of(name)
    place = {id(p): number for number, part in enumerate(stages.sections(model).values()) for p in part}
    for number, end in enumerate(stages.boundaries(model)):
        inside = [place[id(p)] for key, p in model.named_parameters() if key.startswith(end + ".")]
        assert set(inside) == {number}


@families
def test_every_family_takes_images_of_any_size(name: str) -> None:
    """Training, evaluation and the probe each choose a size: also for models with a table of positions."""
    model = MODELS.build("timm_model", {"name": name, "classes": 3, "weights": "none"}).eval()
    with torch.no_grad():
        for size in (64, 96):
            assert model(torch.zeros(1, 3, size, size)).shape == (1, 3)


def test_a_model_without_feature_information_says_so() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def get_classifier(self) -> nn.Module:
            return self.fc

    with pytest.raises(ValueError, match="no feature information to stage by"):
        stages.boundaries(Plain())
