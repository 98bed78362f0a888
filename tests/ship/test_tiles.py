"""Masks of photos of any size: what is large is seen window by window, and no seam is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from snellen.recipe import Recipe
from snellen.ship.answer import Answer
from snellen.ship.bundle import ship
from snellen.ship.loaded import Loaded
from snellen.ship.tiles import mask_of
from snellen.tasks.segmentation import RECIPE, segmentation
from snellen.train.machine import Setting
from snellen.values import SnellenError


class Bright(nn.Module):
    """Says class 1 where the photo is bright: what the right answer is, any size can tell."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = images.mean(dim=1, keepdim=True)
        return torch.cat([-grey, grey], dim=1) * 9


@pytest.fixture
def loaded() -> Loaded:
    recipe = Recipe().change({"task": "segmentation", **RECIPE, "data.size": 32})
    return Loaded(SimpleNamespace(), recipe, segmentation(), Bright(), ("a", "b"), Setting())  # type: ignore[arg-type]


def photo(height: int, width: int) -> np.ndarray:
    blocks = np.random.default_rng(height).integers(0, 2, (-(-height // 16), -(-width // 16)))
    shown = np.kron(blocks, np.ones((16, 16)))[:height, :width, None]
    return np.repeat(shown * 200 + 20, 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (32, 32), (40, 33), (100, 31), (130, 161), (300, 40)])
def test_masks_have_the_photos_size_and_no_seams(loaded: Loaded, size: tuple[int, int]) -> None:
    given = photo(*size)
    found = mask_of(loaded, given, side=32)
    assert found.shape == size
    assert (found == (given[..., 0] > 127)).mean() > 0.93


def test_windows_of_the_models_size_are_exact(loaded: Loaded) -> None:
    given = photo(200, 330)
    for flips in (False, True):
        assert np.array_equal(mask_of(loaded, given, side=32, flips=flips), given[..., 0] > 127)


def test_a_very_large_photo_takes_no_more_memory_than_a_row_of_windows(loaded: Loaded) -> None:
    large = replace(loaded, recipe=loaded.recipe.change({"data.size": 512}))
    given = np.zeros((2000, 8000, 3), dtype=np.uint8)
    given[:, 4000:] = 220
    found = mask_of(large, given, side=1024)
    assert found.shape == (2000, 8000)
    assert not found[:, :3990].any()
    assert found[:, 4010:].all()


def test_other_arrays_are_refused(loaded: Loaded) -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(SnellenError, match="expected uint8 RGB"):
            mask_of(loaded, wrong, side=32)


def test_export_gives_the_same_masks(tmp_path: Path) -> None:
    task = segmentation()
    settings = {
        "model": {
            "name": "test_efficientnet",
            "weights": "none",
            "dropout": 0.1,
            "decoder": {"name": "unet", "settings": {"channels": [16, 16, 8, 8, 8]}},
        }
    }
    model = task.model(Recipe().change({"task": "segmentation", **RECIPE, **settings}), ("a", "b", "c"))
    torch.manual_seed(0)
    for parameter in model.get_classifier().parameters():
        nn.init.normal_(parameter, std=0.1)
    images = np.random.default_rng(0).random((3, 3, 40, 40), dtype=np.float32)  # Not a multiple of the stride.
    artifact, _ = ship(
        model, folder=tmp_path, size=40, classes=("a", "b", "c"), mean=(0.5,) * 3, std=(0.5,) * 3, images=images,
        about={"task": "segmentation"}, seconds=0.1, answer=Answer.by(task),
    )  # fmt: skip
    assert artifact["ok"]
    assert artifact["parity"]["max_abs"] < 1e-4
    assert artifact["parity"]["agreement"] > 0.999
    opened = onnxruntime.InferenceSession(artifact["path"], providers=["CPUExecutionProvider"])
    (found,) = opened.run(["probabilities"], {"image": images[:2]})
    assert found.shape == (2, 3, 40, 40)
    assert found.sum(axis=1) == pytest.approx(np.ones((2, 40, 40)), abs=1e-5)
    about = opened.get_modelmeta().custom_metadata_map
    assert about["task"] == "segmentation"
    assert "nearest pixel" in about["preprocessing"]
