"""The best classical filter of the shelf, its strength tuned on training images: what a denoising network must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from snellen.advise import Choice
from snellen.catalog import Catalog
from snellen.data.decode import whole
from snellen.recipe import Recipe
from snellen.shelf import FILTERS
from snellen.tasks._degrade import Degrader
from snellen.tasks._image_scores import psnr
from snellen.tasks._patches import tensor
from snellen.values import SnellenError

# A filter is judged on the middle of so many training images: strengths do not depend on the size.
SIDE, IMAGES = 128, 16


@dataclass(frozen=True, slots=True)
class Tuned:
    """A filter at the strength that was best for it, with its mean PSNR in dB on the images that it was tuned on."""

    name: str
    strength: float
    psnr: float


def available() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Filters that can run here, and those whose library is not installed."""
    every = FILTERS.names()
    there = tuple(name for name in every if all(find_spec(library) for library in FILTERS.constant(name, "NEEDS")))
    return there, tuple(name for name in every if name not in there)


def tune(given: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> tuple[Tuned, ...]:
    """Every filter at its best strength, the best filter first; images [h, w, 3] float32 in 0..1, of training.

    Strengths are tried upwards until one is worse than the two before it. Raises SnellenError without images.
    """
    if not given:
        raise SnellenError("there are no training images to tune the classical filters on")
    pairs = [(_middle(one), _middle(other)) for one, other in zip(given, wanted, strict=True)]
    found = [_tuned(name, pairs) for name in available()[0]]
    return tuple(sorted(found, key=lambda tuned: -tuned.psnr))


@dataclass(frozen=True, slots=True)
class Ranking:
    """`tuned`: every filter at its best strength, the best first; on `n` images, which have `before` dB as they are given."""

    tuned: tuple[Tuned, ...]
    n: int
    before: float

    def gain(self, name: str) -> tuple[float, float]:
        """What a filter gains over the given images in dB, and its strength; raises StopIteration where it was not tried."""
        found = next(one for one in self.tuned if one.name == name)
        return found.psnr - self.before, found.strength


def ranking(catalog: Catalog, recipe: Recipe) -> Ranking:
    """The filters, tuned on training images that are made worse as the recipe says; raises SnellenError without any."""
    train = catalog.usable().of("train")
    chosen = train.take(np.linspace(0, len(train) - 1, min(IMAGES, len(train))).astype(np.int64))
    wanted = [_middle(whole(path)) for path in chosen.paths()]
    degrade = Degrader.of(recipe.degrade.parts)
    draws = np.random.default_rng(0).random((len(wanted), degrade.draws), dtype=np.float32)
    images = [tensor(image[None]) for image in wanted]
    given = [degrade(image, draw[None])[0].permute(1, 2, 0).numpy() for image, draw in zip(images, draws, strict=True)]
    tuned = tune(given, [image[0].permute(1, 2, 0).numpy() for image in images])
    before = float(np.mean([psnr(a, b / 255) for a, b in zip(given, wanted, strict=True)]))
    return Ranking(tuned, len(wanted), before)


def baseline(ranked: Ranking) -> Choice:
    """The filter to beat: the best."""
    best, missing, n, before = ranked.tuned[0], available()[1], ranked.n, ranked.before
    others = ", ".join(f"{other.name} {other.psnr:.2f}" for other in ranked.tuned[1:])
    absent = f"; not tried, because scikit-image is not installed: {', '.join(missing)}" if missing else ""
    reason = (
        f"the classical filter to beat: {best.name} at strength {best.strength:g}, {best.psnr:.2f} dB on {n} training images "
        f"({before:.2f} dB as given; {others}){absent}"
    )
    zh = f"需要超过的经典滤波：{best.name}，强度 {best.strength:g}，在 {n} 张训练图像上 {best.psnr:.2f} dB（输入 {before:.2f} dB）"
    value = {"name": best.name, "settings": {"strength": best.strength}}
    return Choice("degrade.baseline", value, reason, "SPEC T4", zh)


def _tuned(name: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Tuned:
    tried: list[Tuned] = []
    strengths: Any = FILTERS.constant(name, "STRENGTHS")
    for strength in strengths:
        denoise = FILTERS.build(name, {"strength": strength})
        score = float(np.mean([psnr(denoise(noisy), clean) for noisy, clean in pairs]))
        tried.append(Tuned(name, float(strength), score))
        if len(tried) > 2 and score < min(tried[-2].psnr, tried[-3].psnr):
            break
    return max(tried, key=lambda tuned: tuned.psnr)


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (length - SIDE) // 2) for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])
