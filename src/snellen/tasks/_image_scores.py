"""How near an image is to the wanted one: PSNR, SSIM and feature distance side by side, because they disagree (SPEC T4).

All on 8-bit values, as a file would hold them. `psnr`: over the three channels and all pixels. `psnr_y`, `ssim`: on the
brightness (BT.601), without a border for super-resolution, which is how its results are published.
`feature_distance`: in the features of EfficientNet-Lite0, of the middle 256 pixels at most, less is better. It stands in for LPIPS, whose network's weights
cannot be had everywhere: it is built alike, but its weights were never fitted to what people see. `lpips`: where they can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata, spearmanr
from torch import Tensor

from snellen.shelf import LOSSES

# PSNR of equal images would be infinite, and the mean with it.
MOST_DB = 100.0
# Features are looked at in the middle of an image: a network over all of it, after every epoch, would cost more than training.
FEATURES_SIDE = 256
# SSIM's window; smaller images have none.
WINDOW = 11
LESS_IS_BETTER = ("feature_distance", "lpips")
# Rec. ITU-R BT.601, studio range, of values in 0..1: what MATLAB's rgb2ycbcr gives.
_BRIGHTNESS = np.asarray([65.481, 128.553, 24.966]) / 255
_FLOOR = 16 / 255
# The network of LPIPS, in torch's own folder of downloads.
LPIPS_NETWORK, LPIPS_FILE = "alex", "alexnet-owt-7be5be79.pth"


def image_scores(output: Tensor, wanted: Tensor, *, border: int = 0) -> dict[str, float]:
    """All scores of one image [3, h, w] in 0..1 against the wanted one; NaN where one is not defined (SSIM below 11 pixels).

    `border`: pixels left out on each side for `psnr_y` and `ssim`, where that leaves any.
    """
    first, second = as_file(output), as_file(wanted)
    own, other = (_brightness(image.permute(1, 2, 0).numpy(), border) for image in (first, second))
    found = {
        "psnr": psnr(first.numpy(), second.numpy()), "psnr_y": psnr(own, other), "ssim": ssim(own, other),
        "feature_distance": feature_distance(_middle(first), _middle(second)),
    }  # fmt: skip
    return {**found, "lpips": _lpips(first, second)} if lpips_at_hand() else found


def _middle(image: Tensor) -> Tensor:
    top, left = (max(0, (length - FEATURES_SIDE) // 2) for length in image.shape[1:])
    return image[:, top : top + FEATURES_SIDE, left : left + FEATURES_SIDE]


def as_file(image: Tensor) -> Tensor:
    """Clipped to 0..1 and rounded to 8 bits, in memory of its own."""
    return image.detach().float().cpu().clamp(0, 1).mul(255).round().div(255)


def psnr(output: np.ndarray, wanted: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of values in 0..1, at most 100."""
    error = float(np.mean((np.asarray(output, dtype=np.float64) - wanted) ** 2))
    return MOST_DB if error <= 10 ** (-MOST_DB / 10) else float(-10 * np.log10(error))


def ssim(output: np.ndarray, wanted: np.ndarray) -> float:
    """Structural similarity of planes [h, w] in 0..1 (Wang et al. 2004; Gaussian window of sd 1.5); NaN below 11 pixels."""
    if min(output.shape) < WINDOW:
        return float("nan")
    from torchmetrics.functional.image import structural_similarity_index_measure

    pair = [torch.from_numpy(np.ascontiguousarray(plane))[None, None].float() for plane in (output, wanted)]
    found = structural_similarity_index_measure(pair[0], pair[1], data_range=1.0)
    return float(found)  # type: ignore[arg-type]


def feature_distance(output: Tensor, wanted: Tensor) -> float:
    """Distance of images [3, h, w] in the features of EfficientNet-Lite0 (parts/losses/perceptual)."""
    distance = LOSSES.build("perceptual", {"weight": 1.0, "pixel": 0.0})
    with torch.no_grad():
        return float(distance(output[None], wanted[None])[0])


def lpips_at_hand() -> bool:
    """Whether the weights of the network under LPIPS lie in torch's folder: nothing is downloaded for a score."""
    return (Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_FILE).is_file()


def _lpips(output: Tensor, wanted: Tensor) -> float:
    from torchmetrics.functional.image.lpips import learned_perceptual_image_patch_similarity

    return float(
        learned_perceptual_image_patch_similarity(
            output[None], wanted[None], net_type="alex", normalize=True, reduction="mean"
        )
    )


def _brightness(image: np.ndarray, border: int) -> np.ndarray:
    plane = image.astype(np.float64) @ _BRIGHTNESS + _FLOOR
    if border and min(plane.shape) > 2 * border:
        plane = plane[border:-border, border:-border]
    return np.asarray(plane)


def disagreement(columns: Mapping[str, Sequence[float]]) -> tuple[np.ndarray, dict[str, float]]:
    """How far scores disagree on which images are good: per image [n] the widest gap of its ranks, as a share of n - 1,
    and for every pair of scores Spearman's correlation ("psnr ~ ssim"; NaN where a score is the same for all images).

    Scores of which less is better are turned round; images where one is NaN have NaN and are not ranked.
    """
    names = list(columns)
    signed = [np.asarray(columns[n], dtype=np.float64) * (-1 if n in LESS_IS_BETTER else 1) for n in names]
    table = np.stack(signed)
    good = np.isfinite(table).all(axis=0)
    gaps = np.full(table.shape[1], np.nan)
    if good.sum() < 2:
        return gaps, {}
    ranks = np.stack([rankdata(row) for row in table[:, good]])
    gaps[good] = (ranks.max(axis=0) - ranks.min(axis=0)) / (good.sum() - 1)
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    return gaps, {f"{names[i]} ~ {names[j]}": _correlation(ranks[i], ranks[j]) for i, j in pairs}


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)
