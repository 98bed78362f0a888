"""Networks from image to image: what they begin as, how far they reach, tiles without seams, any size, free sides in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from snellen.parts._shrink import Shrink
from snellen.parts._tiles import tiled
from snellen.parts.models import _restorer
from snellen.parts.models._restorer import Enlarge
from snellen.shelf import FILTERS, MODELS, TASKS
from snellen.ship.answer import Answer
from snellen.ship.bundle import ship
from snellen.tasks._image_scores import psnr
from snellen.train import stages

SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "edsr": ("edsr", {"channels": 8, "blocks": 4}),
    "edsr x4": ("edsr", {"scale": 4, "channels": 8, "blocks": 4}),
    "residual_unet": ("residual_unet", {"channels": 4, "levels": 2, "blocks": 1}),
    "residual_unet of one level": ("residual_unet", {"channels": 4, "levels": 0, "blocks": 2, "unshuffle": 1}),
    "residual_unet from a filter": ("residual_unet", {"channels": 4, "levels": 1, "blocks": 1, "start": 70.0}),
}
every = pytest.mark.parametrize("case", SMALL)


def made(case: str) -> Any:
    """A small network whose last layer does something."""
    torch.manual_seed(0)
    name, settings = SMALL[case]
    model = MODELS.build(name, settings).eval()
    nn.init.normal_(model.last.weight, std=0.1)
    return model


@every
@torch.no_grad()
def test_tiles_have_no_seams(case: str) -> None:
    model, image = made(case), torch.rand(1, 3, 83, 121)
    whole = model.restored(image)
    parts = tiled(model.restored, image, tile=32, reach=model.reach, multiple=model.multiple, scale=model.scale)
    assert whole.shape[2:] == (83 * model.scale, 121 * model.scale)
    assert (whole - parts).abs().max() < 1e-5


@torch.no_grad()
def test_too_little_overlap_would_be_seen() -> None:
    model, image = made("edsr"), torch.rand(1, 3, 64, 64)
    parts = tiled(model.restored, image, tile=32, reach=1, scale=2)
    assert (model.restored(image) - parts).abs().max() > 1e-4


@every
@torch.no_grad()
def test_nothing_beyond_the_reach_matters(case: str) -> None:
    model = made(case)
    side = 2 * (model.reach + model.multiple) + 1
    image = torch.rand(1, 3, 9, side)
    other = image.clone()
    other[..., 0] += 1
    changed = (model(other) - model(image)).abs().amax(dim=(0, 1, 2)).nonzero().max()
    assert changed < (model.reach + 1) * model.scale


@torch.no_grad()
def test_large_images_are_taken_in_tiles_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    model, image, seen = made("edsr"), torch.rand(1, 3, 40, 100), []
    whole = model(image)
    monkeypatch.setattr(_restorer, "TILE", 16)
    model.first.register_forward_hook(lambda module, given, output: seen.append(given[0].shape[-1]))
    assert (model(image) - whole).abs().max() < 1e-5
    assert max(seen) < 100


@every
@torch.no_grad()
def test_an_untrained_network_gives_the_input_back(case: str) -> None:
    name, settings = SMALL[case]
    model, image = MODELS.build(name, settings).eval(), torch.rand(1, 3, 24, 32)
    wanted = Enlarge(model.scale)(image) if model.scale > 1 else image
    if settings.get("start"):
        wanted = Shrink(settings["start"])(image)
    assert torch.equal(model(image), wanted)


@torch.no_grad()
def test_it_can_begin_as_the_classical_filter(shared: Callable[[str], Path]) -> None:
    file = sorted((shared("photos_sr") / "HR" / "val").glob("*.png"))[0]
    clean = np.asarray(Image.open(file).convert("RGB").crop((60, 60, 188, 188)), dtype=np.float32) / 255
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape), 0, 1).astype(np.float32)
    model = MODELS.build("residual_unet", {"channels": 4, "start": 70.0}).eval()
    found = model(torch.from_numpy(noisy).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    filtered = FILTERS.build("dct", {"strength": 70.0})(noisy)
    assert np.abs(found - filtered).max() < 1e-6
    assert psnr(found, clean) > psnr(noisy, clean) + 5


@torch.no_grad()
def test_the_second_step_is_worth_it(shared: Callable[[str], Path]) -> None:
    """Against keeping whole what the first step kept."""

    class Kept(Shrink):
        def _trusted(self, guide: torch.Tensor) -> torch.Tensor:
            return self._kept(guide)

    gains = []
    for file in sorted((shared("photos_sr") / "HR" / "train").glob("*.png"))[:4]:
        clean = torch.from_numpy(np.asarray(Image.open(file).convert("RGB").crop((0, 0, 128, 128)), dtype=np.float32))
        clean = clean.permute(2, 0, 1)[None] / 255
        noisy = clean + 25 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        scores = [psnr(filtered(noisy).numpy(), clean.numpy()) for filtered in (Shrink(70.0), Kept(70.0))]
        gains.append(scores[0] - scores[1])
    # Not for every image: of one that is all smooth the threshold leaves less.
    assert np.mean(gains) > 0.2


def test_the_filter_inside_is_trained() -> None:
    """What it takes for noise; where it begins, it is the filter to the bit."""
    model = MODELS.build("residual_unet", {"channels": 4, "start": 70.0})
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(images), Shrink(70.0)(images))
    model(images).square().sum().backward()
    grad = model.filter.doubt.grad
    assert grad.isfinite().all()
    assert (grad != 0).float().mean() > 0.5
    with torch.no_grad():
        model.filter.doubt += 0.5
        assert not torch.allclose(model(images), Shrink(70.0)(images), atol=1e-3)


def test_half_precision_leaves_the_filter_alone() -> None:
    images = torch.rand(1, 3, 32, 32)
    model = MODELS.build("residual_unet", {"channels": 4, "start": 70.0}).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(images), Shrink(70.0)(images))


@every
@torch.no_grad()
def test_one_pixel_and_odd_sides(case: str) -> None:
    model = made(case)
    for height, width in ((1, 1), (1, 7), (5, 3)):
        assert model(torch.rand(1, 3, height, width)).shape[2:] == (height * model.scale, width * model.scale)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarging_is_pillows_bicubic(scale: int) -> None:
    pixels = np.random.default_rng(0).integers(40, 216, (20, 24, 3), dtype=np.uint8)
    given = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    found = (Enlarge(scale)(given)[0].clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    wanted = np.asarray(Image.fromarray(pixels).resize((24 * scale, 20 * scale), Image.Resampling.BICUBIC), dtype=float)
    inner = slice(3 * scale, -3 * scale)
    # Pillow rounds to 8 bits between the two directions.
    assert np.abs(found - wanted)[inner, inner].max() <= 1.6


@every
def test_the_house_can_stage_it(case: str) -> None:
    model = made(case)
    found = stages.sections(model)
    ids = [id(parameter) for parameters in found.values() for parameter in parameters]
    assert sorted(ids) == sorted(id(parameter) for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("edsr", {"scale": 1}),
        ("edsr", {"blocks": 0}),
        ("residual_unet", {"levels": -1}),
        ("residual_unet", {"start": -1.0}),
    ],
)
def test_impossible_sizes_are_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        MODELS.build(name, settings)


@pytest.mark.parametrize(
    ("case", "task"),
    [("edsr", "super_resolution"), ("residual_unet", "denoising"), ("residual_unet from a filter", "denoising")],
)
def test_the_exported_file_takes_any_size(case: str, task: str, tmp_path: Path) -> None:
    # Where all is black or of one colour, a filter must not divide nothing by nothing.
    flat = np.stack([np.zeros((3, 48, 48), dtype=np.float32), np.full((3, 48, 48), 0.5, dtype=np.float32)])
    images = np.concatenate([np.random.default_rng(0).random((2, 3, 48, 48), dtype=np.float32), flat])
    artifact, _ = ship(
        made(case), folder=tmp_path, size=48, classes=(), mean=(0, 0, 0), std=(1, 1, 1), images=images, about={"task": task},
        answer=Answer.by(TASKS.pick(task)()), seconds=0.1,
    )  # fmt: skip
    assert artifact["ok"]
    assert artifact["parity"]["max_abs"] < 1e-5
