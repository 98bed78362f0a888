"""Adversarial loss: a patch discriminator, trained beside the network, says where an image looks made (SPEC L1, T4).

Goodfellow et al. 2014 (arXiv:1406.2661, eq. 1 and the end of §3: the generator's loss does not saturate); a discriminator of patches:
Isola et al. 2017 (arXiv:1611.07004, §3.2.2); pixels, features and a small adversarial weight: Ledig et al. 2017, "SRGAN"
(arXiv:1609.04802, §2.2).
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from snellen.parts.losses._features import feature_distance
from snellen.parts.losses._images import difference, per_sample

TASKS = ("super_resolution", "denoising")
TAKES = "images"
NEEDS = ("critic",)

Loss = Callable[[Tensor, Tensor], Tensor]


def adversarial(
    *, weight: float = 1e-3, features: float = 0.1, pixel: float = 1.0, epsilon: float = 1e-3, width: int = 32
) -> Callable[[nn.Module], Loss]:
    """Return fit(critic) -> loss(output [n, 3, h, w], target of the same shape, both 0..1) -> [n].

    pixel × Charbonnier + features × feature distance + weight × the generator's loss + the discriminator's. One step trains both:
    the generator's part reaches the network alone, the discriminator's the discriminator alone. `width`: channels of its first
    layer. It costs PSNR on purpose; the feature distance says what it brings. Raises ValueError where shapes differ or `weight`
    is not above 0 (`perceptual` is the same loss without a discriminator), RuntimeError without the package of the features.
    """
    if not weight > 0:
        raise ValueError(f"adversarial with weight {weight:g}: expected more than 0; without it this is perceptual")

    def fit(critic: nn.Module) -> Loss:
        def loss(output: Tensor, target: Tensor) -> Tensor:
            apart = difference(output, target)
            found = pixel * per_sample((apart.square() + epsilon**2).sqrt() - epsilon) + critic_loss(
                critic, output.detach(), target
            )
            if features:
                found = found + features * feature_distance(output, target)
            return found + weight * _surprise(_as_it_is(critic, output))

        return loss

    return fit


def critic(*, width: int) -> nn.Module:
    """The discriminator: images [n, 3, h, w] → logits [n, 1, h/8, w/8] that a patch is real. It begins undecided."""
    layers: list[nn.Module] = []
    for before, after in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    last = nn.Conv2d(4 * width, 1, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(*layers, last)


def critic_loss(judge: nn.Module, made: Tensor, real: Tensor) -> Tensor:
    """What the discriminator is wrong by, [n]: 2 log 2 where it cannot tell, 0 where it always can."""
    return _surprise(judge(real)) + _surprise(-judge(made))


def _surprise(logits: Tensor) -> Tensor:
    """-log of the probability that the patches are real, [n]."""
    return per_sample(F.softplus(-logits))


def _as_it_is(judge: nn.Module, images: Tensor) -> Tensor:
    """The discriminator's answer, with a gradient for the images and none for its weights."""
    held = {name: value.detach() for name, value in judge.named_parameters()}
    answer: Tensor = functional_call(judge, held, (images,))
    return answer
