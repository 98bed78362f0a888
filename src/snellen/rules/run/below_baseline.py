"""What it does
Finds a model from image to image that is not shown to be better than the simple method (bicubic enlargement, the best
classical filter): at its best epoch, the mean difference of PSNR over validation images, image by image, is not above 0 by
its 95 % interval.

Why it matters
The simple method needs no training, no weights and no care. A network that does not beat it costs all of these for nothing,
and its PSNR alone does not show it: 30 dB is much on one set of images and little on another.

Known problems
The best of many epochs flatters the model a little. Images cut from one photograph are not independent, so the interval is
somewhat too narrow. A perceptual loss gives up PSNR on purpose: then look at the feature distance.

Source
SPEC T4. Timofte et al. 2016, "Seven Ways to Improve Example-Based Single Image Super Resolution", on honest baselines;
Student's t for the mean of paired differences.
"""

from __future__ import annotations

import math
from typing import Any

from scipy.stats import t as student

from snellen.rules.curves import numbers
from snellen.run import Run
from snellen.values import Finding

READS = ("restored",)


def below_baseline(run: Run, *, level: float = 0.95) -> list[Finding]:
    """Find `worse` or `no_better` (evidence `kind`); `level` of the interval. Silent where gains are not finite numbers."""
    records = [item for item in run.signals("restored") if math.isfinite(float(item["gain"]))]
    if not records:
        return []
    best = max(records, key=lambda item: float(item["gain"]))
    (gain,), n, (error,) = numbers([best], "gain"), int(best["n"]), numbers([best], "error") or [math.inf]
    reach = float(student.ppf((1 + level) / 2, n - 1)) * error if n > 1 else math.inf
    if gain - reach > 0:
        return []
    kind = "worse" if gain <= 0 else "no_better"
    said = "no better than" if kind == "worse" else "not shown to be better than"
    message = (
        f"At its best epoch ({best['epoch']}) the model restores validation images at {best['psnr']:.2f} dB, {said} the simple "
        f"method at {best['baseline']:.2f} dB: {gain:+.2f} ± {reach:.2f} dB over {n} images."
    )
    evidence: dict[str, Any] = {
        "kind": kind, "epoch": best["epoch"], "psnr": best["psnr"], "baseline": best["baseline"], "gain": gain, "reach": reach, "n": n,
    }  # fmt: skip
    return [Finding(rule="below_baseline", severity="warn", message=message, evidence=evidence)]


def _run(*gains: float, error: float = 0.1, n: int = 10) -> dict[str, Any]:
    return {
        "recipe": {"task": "denoising"},
        "signals": [
            {"meter": "restored", "psnr": 28 + gain, "baseline": 28.0, "gain": gain, "error": error, "n": n}
            for gain in gains
        ],
    }


FIRES = (
    _run(-3.0, -1.0, -0.4),
    _run(-1.0, 0.1),
    _run(0.0, 0.0, 0.0, error=0.0),
    # One image proves nothing.
    _run(-1.0, 0.6, error=float("nan"), n=1),
)
SILENT = (
    _run(-3.0, 0.2, 0.9),
    _run(0.9, 0.5, -0.3),
    _run(0.3, 0.31, n=100),
)
