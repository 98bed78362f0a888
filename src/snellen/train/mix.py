"""Mixup and CutMix of a batch (SPEC D8; Zhang et al. 2018, "mixup"; Yun et al. 2019, "CutMix")."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.recipe import Augment
from snellen.values import SnellenError


def mix(inputs: Tensor, targets: Tensor, classes: int, augment: Augment, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs [n, 3, h, w] or features [n, d] with targets [n] → mixed inputs and targets ([n, k] where mixed).

    Where both mixes are on, each batch takes one of them by chance. Features cannot be cut: they are mixed linearly.
    """
    if not (augment.mixup or augment.cutmix):
        return inputs, targets
    if targets.ndim > 1:
        raise SnellenError(
            f"augment.mixup = {augment.mixup:g} and augment.cutmix = {augment.cutmix:g} mix labels of whole images, and here "
            "every pixel has a target; set both to 0"
        )
    chance = np.random.default_rng(seed)
    cut = bool(augment.cutmix) and (not augment.mixup or chance.random() < 0.5)
    strength = augment.cutmix if cut else augment.mixup
    share = float(chance.beta(strength, strength))
    partner = torch.from_numpy(chance.permutation(len(inputs)))
    if cut and inputs.ndim == 4:
        inputs, share = _cut(inputs, partner, share, chance)
    else:
        inputs = share * inputs + (1 - share) * inputs[partner]
    hot = F.one_hot(targets, classes).to(torch.float32)
    return inputs, share * hot + (1 - share) * hot[partner]


def _cut(images: Tensor, partner: Tensor, share: float, chance: np.random.Generator) -> tuple[Tensor, float]:
    height, width = images.shape[2:]
    side = (1 - share) ** 0.5
    y, x = int(chance.integers(height)), int(chance.integers(width))
    top, bottom = max(0, y - int(height * side / 2)), min(height, y + int(height * side / 2))
    left, right = max(0, x - int(width * side / 2)), min(width, x + int(width * side / 2))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    # The box may be cut by the edge: the target follows the pixels that were really replaced.
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
