"""PSNR, SSIM and feature distance against other implementations, at their edges, and where they disagree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from snellen.tasks._image_scores import (
    as_file,
    disagreement,
    feature_distance,
    image_scores,
    lpips_at_hand,
    psnr,
    ssim,
)


def pair(noise: float = 0.05, side: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    wanted = as_file(torch.rand(3, side, side, generator=chance))
    return as_file(wanted + noise * torch.randn(wanted.shape, generator=chance)), wanted


def test_psnr_is_torchmetrics() -> None:
    output, wanted = pair()
    expected = float(peak_signal_noise_ratio(output, wanted, data_range=1.0))
    assert psnr(output.numpy(), wanted.numpy()) == pytest.approx(expected, abs=1e-4)


def test_equal_images_have_a_finite_psnr() -> None:
    _, wanted = pair()
    found = image_scores(wanted, wanted)
    assert found["psnr"] == 100
    assert found["ssim"] == pytest.approx(1, abs=1e-5)
    assert found["feature_distance"] == pytest.approx(0, abs=1e-6)


def test_brightness_is_bt601() -> None:
    # A change of 25 in blue alone is one of 25 × 24.966 / 255 in brightness.
    wanted = torch.full((3, 20, 20), 100 / 255)
    output = wanted.clone()
    output[2] += 25 / 255
    change = 25 / 255 * 24.966 / 255
    assert image_scores(output, wanted)["psnr_y"] == pytest.approx(-20 * np.log10(change), abs=1e-3)


def test_a_border_is_left_out() -> None:
    output, wanted = pair(0.0)
    output = output.clone()
    output[:, :4] = 0
    found = image_scores(output, wanted, border=4)
    assert found["psnr"] < 30
    assert found["psnr_y"] == 100


def test_more_noise_scores_worse_everywhere() -> None:
    little, much = (image_scores(*pair(noise)) for noise in (0.02, 0.1))
    assert all(little[name] > much[name] for name in ("psnr", "psnr_y", "ssim"))
    assert little["feature_distance"] < much["feature_distance"]


def test_one_pixel_has_no_ssim_but_a_psnr() -> None:
    found = image_scores(torch.zeros(3, 1, 1), torch.full((3, 1, 1), 0.1), border=4)
    assert np.isnan(found["ssim"])
    assert found["psnr"] == pytest.approx(20, abs=0.2)
    assert np.isfinite(found["feature_distance"])
    assert np.isnan(ssim(np.zeros((10, 40)), np.zeros((10, 40))))


def test_scores_are_of_what_a_file_would_hold() -> None:
    output, wanted = pair()
    assert image_scores(output + 0.3 / 255, wanted) == image_scores(output, wanted)
    assert image_scores(wanted * 0 + 7, wanted)["psnr"] == image_scores(torch.ones_like(wanted), wanted)["psnr"]


def test_blur_and_noise_of_one_psnr_differ_in_features() -> None:
    """What the three are side by side for."""
    x = torch.linspace(0, 40, 64)
    wanted = as_file((0.5 + 0.2 * torch.sin(x)[None, :] * torch.cos(x)[:, None]).repeat(3, 1, 1))
    blurred = torch.nn.functional.avg_pool2d(wanted[None], 3, 1, 1, count_include_pad=False)[0]
    error = float((blurred - wanted).square().mean()) ** 0.5
    noisy = wanted + error * torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0))
    assert abs(psnr(blurred.numpy(), wanted.numpy()) - psnr(noisy.numpy(), wanted.numpy())) < 0.3
    assert feature_distance(as_file(noisy), wanted) > 1.2 * feature_distance(as_file(blurred), wanted)


def test_disagreement() -> None:
    gaps, correlations = disagreement({"psnr": [1, 2, 3, 4], "feature_distance": [1, 3, 2, 4]})
    assert correlations == {"psnr ~ feature_distance": pytest.approx(-0.8)}
    assert gaps.tolist() == pytest.approx([1.0, 0.0, 0.0, 1.0])
    gaps, correlations = disagreement({"psnr": [1, 2, 3], "ssim": [0.1, np.nan, 0.3]})
    assert np.isnan(gaps[1])
    assert correlations == {"psnr ~ ssim": pytest.approx(1.0)}
    gaps, correlations = disagreement({"psnr": [1, 2], "ssim": [0.5, 0.5]})
    assert np.isnan(correlations["psnr ~ ssim"])
    assert disagreement({"psnr": [1.0], "ssim": [1.0]})[1] == {}


def test_lpips_is_there_only_where_its_weights_are() -> None:
    assert ("lpips" in image_scores(*pair(side=64))) == lpips_at_hand()
