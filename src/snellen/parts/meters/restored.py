"""What the model gains over the simple method on validation images (SPEC T4)."""

from __future__ import annotations

from typing import Any

import numpy as np

TASKS = ("super_resolution", "denoising")


def restored(epoch: Any) -> dict[str, Any]:
    """Mean PSNR in dB of the model and of the simple method, their difference image by image with its standard error, n."""
    rows = epoch.validation
    gains = rows["psnr"] - rows["baseline_psnr"]
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else float("nan")
    return {
        "psnr": float(rows["psnr"].mean()),
        "baseline": float(rows["baseline_psnr"].mean()),
        "gain": float(gains.mean()),
        "error": error,
        "n": len(gains),
    }
