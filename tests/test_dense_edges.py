"""Whole paths on what real folders hold: images of all sizes down to one pixel, masks of all kinds, and a very large image."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from snellen import verbs
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import MODELS
from snellen.ship.loaded import Loaded
from snellen.ship.tiles import mask_of
from snellen.tasks.segmentation import RECIPE, segmentation
from snellen.train.machine import Setting
from snellen.values import SnellenError

TINY: dict[str, Any] = {
    "model.name": "test_efficientnet", "model.weights": "none", "model.dropout": 0.1,
    "model.decoder": {"name": "unet", "settings": {"channels": [16, 16, 8, 8, 8]}},
    "data.size": 32, "data.eval_size": 32, "train.threads": 1, "improve.remedies": 0, "train.batch": 4,
}  # fmt: skip
SIZES = ((64, 48), (33, 80), (200, 120), (50, 50), (1, 1), (64, 64), (90, 31), (47, 47))


def _pair(folder: Path, split: str, name: str, size: tuple[int, int], mask: Image.Image) -> None:
    chance = np.random.default_rng(len(name) + size[0])
    for kind in ("images", "masks"):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)
    pixels = chance.integers(0, 90, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "images" / split / f"{name}.png")
    mask.save(folder / "masks" / split / f"{name}.png")


def _mask(size: tuple[int, int], number: int, kind: str = "L") -> Image.Image:
    values = np.zeros((size[1], size[0]), dtype=np.uint16 if kind == "I;16" else np.uint8)
    values[: max(1, size[1] // 2), : max(1, size[0] // 2)] = number
    made = Image.fromarray(values)
    if kind == "P":
        made.putpalette([0, 0, 0, 250, 10, 10, 10, 250, 10, 10, 10, 250])
    return made


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mixed sizes and kinds of mask; `cow` (id 300) is in a 16-bit mask of training, `moon` in validation alone."""
    folder = tmp_path_factory.mktemp("各种 sizes") / "data"
    names = {"0": "background", "1": "cat", "2": "dog", "300": "cow", "4": "moon"}
    for place, size in enumerate(SIZES):
        kind, number = (("L", 1), ("P", 2), ("I;16", 300))[place % 3]
        _pair(folder, "train", f"t{place}", size, _mask(size, number, kind))
    for place, size in enumerate(SIZES[:4]):
        _pair(folder, "val", f"v{place}", size, _mask(size, 4 if place == 3 else place % 2 + 1))
        _pair(folder, "test", f"e{place}", size, _mask(size, place % 2 + 1))
    (folder / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    return folder


def test_mixed_sizes_kinds_and_one_pixel(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match=r"1 of 16 images cannot be used .*max_bad"):
        verbs.run(mixed, out=tmp_path / "strict", epochs=2, heal=False, changes=TINY)
    answer = verbs.run(mixed, out=tmp_path / "case", epochs=2, heal=False, changes={**TINY, "data.max_bad": 0.2})
    assert answer["task"] == "segmentation"
    (folder,) = (tmp_path / "case" / "runs").iterdir()
    run = Run.open(folder)
    rows = run.predictions("val")
    # A class that no training mask holds cannot be said, and its pixels are as if nobody had labelled them.
    assert rows.classes == ("background", "cat", "dog", "cow")
    train = run.catalog.usable().of("train")
    # An image of one pixel shows nothing: it is named by the audit, counted, and left out.
    assert sorted(train.column("width").astype(int).tolist()) == sorted(size[0] for size in SIZES if size != (1, 1))
    assert answer["test"]["miou"]["n"] == 4


def test_a_mask_larger_than_its_image_is_named(mixed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for split in ("train", "val", "test"):
        for place in range(4):
            _pair(folder, split, f"{split}{place}", (40, 40), _mask((40, 40), place % 2 + 1))
    _pair(folder, "train", "large", (40, 40), _mask((60, 50), 1))
    answer = verbs.audit(folder, out=tmp_path / "case")
    named = {finding["rule"]: finding for finding in answer["findings"]}
    assert [Path(path).name for path in named["mask_sizes"]["samples"]] == ["large.png"]
    with pytest.raises(SnellenError, match=r"1 of 13 images cannot be used .*max_bad"):
        verbs.run(folder, out=tmp_path / "other", epochs=2, heal=False, changes=TINY)


class _Bright(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = images.mean(dim=1, keepdim=True)
        return torch.cat([-grey, grey], dim=1) * 9


def test_the_mask_of_a_photo_of_8000_pixels_a_side() -> None:
    recipe = Recipe().change({"task": "segmentation", **RECIPE, "data.size": 64})
    loaded = Loaded(SimpleNamespace(), recipe, segmentation(), _Bright(), ("a", "b"), Setting())  # type: ignore[arg-type]
    photo = np.zeros((8000, 8000, 3), dtype=np.uint8)
    photo[:, 4000:] = 220
    tracemalloc.start()
    found = mask_of(loaded, photo, side=1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (8000, 8000)
    assert not found[:, :3900].any()
    assert found[:, 4100:].all()
    # The mask, and a batch of windows with what it is cut from.
    assert peak < photo.nbytes


@torch.no_grad()
def test_a_large_photo_is_restored_tile_by_tile() -> None:
    seen: list[int] = []
    for name, settings in (("edsr", {"scale": 4, "channels": 4, "blocks": 1}), ("residual_unet", {"channels": 4, "levels": 0, "blocks": 1})):  # fmt: skip
        model = MODELS.build(name, settings).eval()
        model.first.register_forward_hook(lambda module, given, output: seen.append(given[0].shape[-1]))
        given = torch.rand(1, 3, 40, 8000)
        assert model(given).shape == (1, 3, 40 * model.scale, 8000 * model.scale)
    assert max(seen) < 700
    assert len(seen) > 20


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("super_resolution", {"degrade.scale": 4, "model.settings": {"channels": 8, "blocks": 4}}),
        ("denoising", {"model.settings": {"channels": 8, "levels": 1, "blocks": 1}}),
    ],
)
def test_photos_of_mixed_sizes_and_one_pixel_are_restored(
    task: str, changes: dict[str, Any], shared: Callable[[str], Path], tmp_path: Path
) -> None:
    source = sorted((shared("photos_sr") / "HR" / "val").glob("*.png"))
    sizes = {"train": ((1, 1), (90, 41), (120, 120), (7, 200), (64, 64)), "val": ((100, 77), (64, 64), (3, 5)), "test": ((81, 64), (90, 90), (1, 9))}  # fmt: skip
    for split, every in sizes.items():
        (tmp_path / "照片" / split).mkdir(parents=True)
        for place, (width, height) in enumerate(every):
            place_of = (place * 20, 10, place * 20 + width, 10 + height)
            Image.open(source[place]).crop(place_of).save(tmp_path / "照片" / split / f"{split}{place}.png")
    changes = {"task": task, "data.size": 16, "train.threads": 1, "data.max_bad": 0.2, **changes}
    answer = verbs.run(tmp_path / "照片", out=tmp_path / "case", epochs=2, heal=False, changes=changes)
    assert answer["test"]["psnr_gain"]["n"] == 3
    assert answer["test"]["ssim"]["n"] == 2
    assert [gate["passed"] for gate in answer["gates"] if gate["name"] == "parity_onnx"] == [True]
