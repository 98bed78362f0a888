"""Degradations: each image by its own draws alone, and what each is said to do. Classical filters take noise away."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from snellen.recipe import Part
from snellen.shelf import DEGRADATIONS, FILTERS
from snellen.tasks._classical import available, tune
from snellen.tasks._degrade import Degrader
from snellen.tasks._image_scores import psnr


def smooth(n: int = 3, side: int = 48) -> torch.Tensor:
    """Images with slow waves and an edge, [n, 3, side, side] in 0.1..0.9."""
    x = torch.linspace(0, 6, side)
    waves = torch.sin(x)[None, :] * torch.cos(0.7 * x)[:, None]
    images = torch.stack([0.5 + 0.2 * waves * (1 + i) / n for i in range(n)])[:, None].repeat(1, 3, 1, 1)
    images[:, :, :, side // 2 :] += 0.2
    return images


@pytest.mark.parametrize("name", DEGRADATIONS.names())
def test_neighbours_do_not_matter(name: str) -> None:
    degrade, draws = DEGRADATIONS.build(name, {}), DEGRADATIONS.constant(name, "DRAWS")
    images, u = torch.rand(5, 3, 24, 32), torch.rand(5, draws, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    together = degrade(images, u)
    assert torch.equal(images, before)
    assert torch.equal(degrade(images, u), together)
    assert (together >= 0).all()
    assert (together <= 1).all()
    for row in range(5):
        assert torch.allclose(degrade(images[row : row + 1], u[row : row + 1])[0], together[row], atol=1e-6)


def test_noise_has_its_strength_and_no_pattern() -> None:
    grey = torch.full((2, 3, 64, 64), 0.5)
    noisy = DEGRADATIONS.build("gaussian", {"low": 10.0, "high": 30.0})(
        grey, torch.tensor([[0.0, 0.1, 0.2], [0.5, 0.3, 0.4]])
    )
    spread = (noisy - 0.5).flatten(1).std(dim=1) * 255
    assert spread.tolist() == pytest.approx([10.0, 20.0], rel=0.03)
    first, second = (noisy - 0.5).flatten(1)
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.03


def test_the_order_is_that_of_a_camera() -> None:
    parts = [Part(name="jpeg"), Part(name="gaussian"), Part(name="blur")]
    degrader = Degrader.of(parts, scale=2)
    assert [count for count, _ in degrader.steps] == [1, 0, 1, 3]
    found = degrader(torch.rand(2, 3, 32, 32), np.full((2, degrader.draws), 0.5, dtype=np.float32))
    assert found.shape == (2, 3, 16, 16)
    assert torch.equal((found * 255).round() / 255, found)


def test_sides_that_are_no_multiple_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples"):
        DEGRADATIONS.build("bicubic", {"scale": 2})(torch.rand(1, 3, 9, 8), torch.zeros(1, 0))


def noisy_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    wanted = smooth(1)[0].permute(1, 2, 0).numpy()
    noise = np.random.default_rng(seed).normal(0, 25 / 255, wanted.shape)
    return np.clip(wanted + noise, 0, 1).astype(np.float32), wanted


@pytest.mark.parametrize("name", available()[0])
def test_a_filter_takes_noise_away(name: str) -> None:
    given, wanted = noisy_pair(0)
    before = given.copy()
    found = FILTERS.build(name, {})(given)
    assert found.shape == given.shape
    assert found.dtype == np.float32
    assert np.array_equal(given, before)
    assert psnr(found, wanted) > psnr(given, wanted) + 3


def test_filters_are_tuned_and_ranked() -> None:
    pairs = [noisy_pair(seed) for seed in range(2)]
    ranked = tune([given for given, _ in pairs], [wanted for _, wanted in pairs])
    assert {tuned.name for tuned in ranked} == set(available()[0])
    assert [tuned.psnr for tuned in ranked] == sorted((tuned.psnr for tuned in ranked), reverse=True)
    best = ranked[0]
    for strength in FILTERS.constant(best.name, "STRENGTHS"):
        score = np.mean(
            [psnr(FILTERS.build(best.name, {"strength": strength})(given), wanted) for given, wanted in pairs]
        )
        assert score <= best.psnr + 1e-6


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 30, 3), (33, 17, 3)])
def test_the_block_filter_takes_any_size(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert FILTERS.build("dct", {})(image).shape == shape
    # Hardly anything is below so low a threshold: the transform gives the image back.
    for strength in (0.0, 1e-3):
        assert np.allclose(FILTERS.build("dct", {"strength": strength})(image), image, atol=1e-4)
