"""What tasks from image to image share (SPEC T1, T4): the given image is made of the wanted one, and the answer is compared with it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor, nn

from snellen.budget import Cost
from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.rows import Statistics
from snellen.shelf import LOSSES, MODELS, hint
from snellen.tasks._critics import judged, needs_critic
from snellen.tasks._image_scores import LESS_IS_BETTER, as_file, image_scores, lpips_at_hand
from snellen.values import SnellenError

SCORES = ("psnr", "psnr_y", "ssim", "feature_distance", *(("lpips",) if lpips_at_hand() else ()))
# What the model gains over the simple method, image by image.
GAINS = {f"{name}_gain": name for name in SCORES}
PLAIN = "baseline_"
# Where both are perfect (beyond 60 dB), neither is better.
TINY = 1e-6
# Scores of the simple method that are remembered: they are the same in every epoch.
MOST_KNOWN = 4096
LEVEL = 0.95

_known: dict[bytes, dict[str, float]] = {}


class Restoration:
    """Rows hold every score of the answer and of the simple method (`baseline_…`). Their share is the simple method's part in
    the squared errors of both: 1/2 is no better than it, 1 is perfect; their loss is -log of that, in nats. So images of
    any difficulty are comparable, and what guesses between the two methods has log 2, as in any choice between two."""

    name = ""
    # Pixels left out on each side where scores are on the brightness.
    border = 0
    output = "restored"
    free = True
    metrics = (*SCORES, *(PLAIN + name for name in SCORES), *GAINS)

    def classes(self, catalog: Catalog) -> tuple[str, ...]:
        """There are none."""
        return ()

    def fit(self, catalog: Catalog) -> np.ndarray:
        """Which samples can be used, [n] bool: all."""
        return np.ones(len(catalog), dtype=bool)

    def known(self, catalog: Catalog, classes: tuple[str, ...]) -> Catalog:
        """All samples."""
        return catalog

    def target(self, catalog: Catalog, classes: tuple[str, ...]) -> np.ndarray:
        """No sample has a label: zeros [n] int64."""
        return np.zeros(len(catalog), dtype=np.int64)

    def model(self, recipe: Recipe, classes: tuple[str, ...]) -> nn.Module:
        """The network from noise; raises SnellenError where it is no part of the models shelf, or does not enlarge as asked."""
        name, scale = recipe.model.name, recipe.degrade.scale
        known = MODELS.settings(name) if name in MODELS.names() else {}
        if not known or "classes" in known:
            there = [other for other in MODELS.names() if "classes" not in MODELS.settings(other)]
            raise SnellenError(
                f"model {name!r} makes no images of images; for {self.name} there are: {', '.join(there)}"
            )
        settings = {**recipe.model.settings, **({"scale": scale} if "scale" in known else {})}
        try:
            model: nn.Module = MODELS.build(name, settings)
        except ValueError as error:
            raise SnellenError(str(error)) from error
        if getattr(model, "scale", 1) != scale:
            raise SnellenError(
                f"model {name} does not enlarge {scale} times; choose another model.name (edsr does), or degrade.scale: 1"
            )
        return judged(model, recipe.loss)

    def loss(self, recipe: Recipe) -> Callable[..., Any]:
        """loss(output [n, 3, h, w], target of the same shape, or [n, 2, 3, h, w] as at evaluation) -> [n]; of a loss that needs
        a critic, fit(critic) -> loss."""
        made = LOSSES.build(recipe.loss.name, recipe.loss.settings)
        return (lambda critic: _of_wanted(made(critic))) if needs_critic(recipe.loss) else _of_wanted(made)

    def predict(self, output: Tensor, target: Tensor) -> dict[str, np.ndarray]:
        """Images [b, 3, h, w] and [b, 2, 3, h, w] (the wanted one; what the simple method gives) → scores of both, [b] each."""
        rows = [_compared(one, *pair, border=self.border) for one, pair in zip(output, target, strict=True)]
        return {name: np.asarray([row[name] for row in rows], dtype=np.float64) for name in rows[0]}

    def rows(
        self, ids: Sequence[str], labels: np.ndarray, numbers: Mapping[str, np.ndarray], classes: tuple[str, ...]
    ) -> Statistics:
        """Stored rows of what `predict` gave."""
        fixed = tuple(name for name in numbers if name.startswith(PLAIN))
        return Statistics(self.name, tuple(ids), dict(numbers), (), fixed)

    def paired(self, rows: Statistics, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Values [n], more is better, and weights [n] of a metric; an image where it is not defined weighs nothing."""
        values = _values(rows, metric)
        good = np.isfinite(values)
        if not good.any():
            raise SnellenError(
                f"{metric} is not defined for any of the {len(values)} images at hand; choose another metric"
            )
        sign = -1.0 if metric in LESS_IS_BETTER else 1.0
        return np.where(good, sign * values, 0.0), good * (len(values) / good.sum())

    def score(self, rows: Statistics, metric: str) -> float:
        """Mean of a metric over images, signed so that more is better."""
        values, weights = self.paired(rows, metric)
        return float((values * weights).mean())

    def measure(self, rows: Statistics, *, seed: int = 0) -> Mapping[str, Mapping[str, Any]]:
        """Every metric that there is with its 95 % interval over images (Student's t): {metric: {"value", "low", "high", "n"}}."""
        there = [name for name in self.metrics if GAINS.get(name, name) in rows.columns]
        return {name: _interval(_values(rows, name)) for name in there}

    def guess(self, rows: Statistics, catalog: Catalog, metric: str) -> float:
        """What the simple method scores: 0 as a gain, else its own."""
        return 0.0 if metric in GAINS else self.score(rows, PLAIN + metric)

    def answer(self, output: Tensor) -> Tensor:
        """What the exported file gives: pixels in 0..1."""
        return output.clamp(0, 1)

    def same(self, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Whether two answers have the same 8-bit values, give or take rounding, [n] bool."""
        return np.asarray((np.abs(found - expected) < 0.5 / 255).reshape(len(found), -1).all(axis=1))

    def sizes(
        self, catalog: Catalog, side: float, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Side of a training patch of the given image, and of what the audit looks at and latency is measured on, in pixels."""
        most = max(16, int(side) // base.degrade.scale // 8 * 8)
        size = int(given.get("data.size") or min(base.data.size, most))
        return size, int(given.get("data.eval_size") or max(AUDITED, size))


AUDITED = 128


def _of_wanted(between: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss, told which of a target's two images is the wanted one."""

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return between(output, target if target.ndim == output.ndim else target[:, 0])

    return loss


def _compared(output: Tensor, wanted: Tensor, plain: Tensor, *, border: int) -> dict[str, float]:
    own, other = image_scores(output, wanted, border=border), _remembered(wanted, plain, border)
    errors = [float((as_file(image) - as_file(wanted)).double().square().mean()) for image in (output, plain)]
    share = (errors[1] + TINY) / (errors[0] + errors[1] + 2 * TINY)
    # A broken model's answer must not be clipped into a good number.
    loss = -math.log(share) if bool(output.isfinite().all()) else math.nan
    return {"loss": loss, "share": share, **own, **{PLAIN + name: value for name, value in other.items()}}


def _remembered(wanted: Tensor, plain: Tensor, border: int) -> dict[str, float]:
    pixels = torch.stack([as_file(wanted), as_file(plain)]).numpy().tobytes()
    key = hashlib.blake2b(pixels + bytes([border]), digest_size=16).digest()
    if key not in _known:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[key] = image_scores(plain, wanted, border=border)
    return _known[key]


def _values(rows: Statistics, metric: str) -> np.ndarray:
    if metric in GAINS and GAINS[metric] in rows.columns:
        own, other = rows[GAINS[metric]], rows[PLAIN + GAINS[metric]]
        return np.asarray(other - own if GAINS[metric] in LESS_IS_BETTER else own - other)
    if metric not in rows.columns:
        known = (*rows.columns, *(name for name in GAINS if GAINS[name] in rows.columns))
        raise SnellenError(f"no metric is named {metric!r}{hint(metric, known)}")
    return rows[metric]


def _interval(values: np.ndarray) -> dict[str, Any]:
    good = values[np.isfinite(values)]
    about = {"n": len(good), "level": LEVEL}
    if len(good) < 2:
        return {"value": float(good[0]) if len(good) else None, "low": None, "high": None, **about}
    reach = float(student.ppf((1 + LEVEL) / 2, len(good) - 1) * good.std(ddof=1) / math.sqrt(len(good)))
    return {"value": float(good.mean()), "low": float(good.mean() - reach), "high": float(good.mean() + reach), **about}
