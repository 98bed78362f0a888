"""Image sizes and models: free ones, those built for one size, and those that refuse."""

from __future__ import annotations

import pytest
import tiny
import torch

from snellen import opening
from snellen.parts.models import _sizes
from snellen.recipe import Recipe
from snellen.shelf import MODELS, TASKS
from snellen.train.enter import _sizes as _sizes_by_epoch
from snellen.values import SnellenError

FREE = (
    "test_efficientnet",
    "test_vit",
    "test_resnet",
    "resnet18",
    "mobilenetv3_small_050",
    "swin_tiny_patch4_window7_224",
)
# A table of positions, or windows that must divide the image.
BUILT = ("beit_base_patch16_224", "cait_xxs24_224", "mixer_s16_224", "test_maxvit", "convit_tiny", "coat_lite_tiny")


def model_of(name: str, size: int, eval_size: int | None = None) -> torch.nn.Module:
    patch = {"data.size": size, "data.eval_size": eval_size, "model": {"name": name, "weights": "none"}}
    return TASKS.pick("classification")().model(Recipe().change(patch), ("a", "b"))


@pytest.mark.parametrize("name", FREE)
def test_a_free_model_takes_two_sizes_in_turn(name: str) -> None:
    assert _sizes.only_size(name) is None
    assert "img_size" not in _sizes.size_settings(name, (96, 128))


@pytest.mark.parametrize("name", BUILT)
def test_a_model_of_one_size_is_built_for_it(name: str) -> None:
    native = _sizes.only_size(name)
    assert native == _sizes.native_size(name)
    assert _sizes.size_settings(name, (96, 96))["img_size"] == 96
    with pytest.raises(ValueError, match=r"cannot take 96 and 128 px in turn; set data\.size and data\.eval_size"):
        _sizes.size_settings(name, (96, 128))


def test_it_is_really_built_so() -> None:
    model = model_of("test_maxvit", 96)
    assert model.only_size == 96
    with torch.inference_mode():
        assert model.eval()(torch.zeros(1, 3, 96, 96)).shape == (1, 2)
    assert model_of("test_efficientnet", 96, 128).only_size is None


def test_its_images_do_not_grow_while_it_trains(job) -> None:
    """Progressive resolution is for models that take more than one size."""
    patch = {"train.progressive": True, "data.size": 64, "data.eval_size": 64}
    for name, sizes in (("test_maxvit", {64}), ("test_efficientnet", {32, 48, 64})):
        made = job(tiny.recipe({**patch, "model.name": name}), name)
        assert set(_sizes_by_epoch(made, made.recipe.stages[-1])) == sizes


@pytest.mark.parametrize(
    ("name", "size", "takes"),
    [
        ("halonet26t", 128, "256"),
        ("efficientformer_l1", 160, "224"),
        ("dla34", 100, "64, 96, 128"),
        ("inception_v3", 64, "96, 128"),
    ],
)
def test_a_size_that_cannot_be_is_refused_with_those_that_can(name: str, size: int, takes: str) -> None:
    with pytest.raises(SnellenError, match=f"{name} does not take images of {size} px.* takes {takes}.*set data.size"):
        model_of(name, size)


def test_a_model_that_shapes_say_nothing_of_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sizes, "_takes", lambda model, size: False)
    assert dict(_sizes.size_settings.__wrapped__("test_efficientnet", (96,))) == {}


def test_preparing_gives_such_a_model_one_size() -> None:
    def wanted(**changes: object) -> tuple[int, int | None, dict[str, object]]:
        settings = opening.Settings((), changes={"model.name": "test_maxvit", **changes})
        recipe, given = settings.wanted()
        return recipe.data.size, recipe.data.eval_size, given

    size, eval_size, given = wanted()
    assert size == eval_size == MODELS.module("timm_model").only_size("test_maxvit") == 160
    assert (given["data.size"], given["data.eval_size"]) == (160, 160)
    assert wanted(**{"data.size": 96})[:2] == (96, 96)
    recipe, given = opening.Settings((), changes={"model.name": "test_efficientnet"}).wanted()
    assert "data.size" not in given
    assert recipe.data.eval_size is None
