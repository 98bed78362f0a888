"""What it does
Compares the time in which training waited for its next batch with the time of an epoch: more than 40 % in the median of
the epochs, the first left out, is a finding.

Why it matters
The processor or the graphics card idles while images are read, decoded and augmented. A cache, smaller files, more workers
or lighter augmentation give that time back at no cost in quality.

Known problems
Where batches are made in the same process, as here, making them is work and not waiting in the strict sense; the share says
what could be saved at most. Epochs below two seconds are not judged.

Source
SPEC S5; J. Mohan et al., arXiv:2007.06775 (data stalls).
"""

from __future__ import annotations

from typing import Any

from snellen.catalog import MissingSignal
from snellen.rules.curves import median
from snellen.run import Run
from snellen.values import Finding


def loader_bound(run: Run, *, share: float = 0.4, seconds: float = 2.0) -> list[Finding]:
    """Find training that waits for its data.

    `share`: of an epoch's time; `seconds`: shortest epoch that is judged.
    """
    items = [item for item in run.signals("speed") if item.get("waiting_seconds") is not None]
    if not items:
        raise MissingSignal("the time spent waiting for batches")
    # The first epoch of all fills caches.
    judged = [item for item in items[1:] or items if item["seconds"] >= seconds]
    if not judged:
        return []
    seen = median(item["waiting_seconds"] / item["seconds"] for item in judged)
    if not seen > share:
        return []
    message = (
        f"Training waited for its batches {seen:.0%} of the time (median of {len(judged)} epochs of "
        f"{median(item['seconds'] for item in judged):.1f} s; limit {share:.0%})."
    )
    evidence: dict[str, Any] = {
        "share": seen,
        "limit": share,
        "excess": seen / share,
        "epochs": len(judged),
        "seconds": median(item["seconds"] for item in judged),
    }
    return [Finding(rule="loader_bound", severity="warn", message=message, evidence=evidence)]


def _run(waits: list[float], seconds: float = 10.0) -> list[dict[str, Any]]:
    return [{"meter": "speed", "seconds": seconds, "images_per_second": 50.0, "waiting_seconds": w} for w in waits]


FIRES = ({"signals": _run([8.0, 7.0, 7.5])}, {"signals": _run([6.0])}, {"signals": _run([1.0, 30.0, 29.0, 31.0], 60.0)})
SILENT = (
    {"signals": _run([2.0, 1.5, 1.8])},
    # The first epoch filled the cache.
    {"signals": _run([9.0, 1.0, 1.1])},
    # Tenths of a second: nothing to gain.
    {"signals": _run([0.3, 0.3, 0.3], 0.4)},
)
