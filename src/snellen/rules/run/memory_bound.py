"""What it does
Finds a training that ran short of memory: batches that were cut into parts because a step did not fit, or a process that held more than
nine tenths of the machine's memory.

Why it matters
A batch that is cut has the same gradient, but each part its own statistics of batch normalisation, and steps take longer. Close to the
limit the system begins to swap, and everything becomes many times slower, or the process is killed.

Known problems
What other programs hold is not counted, and of a graphics processor only the cut batches are seen. The highest use is that of the whole
process: reading and auditing count too.

Source
SPEC S4, S5; T. Chen et al., arXiv:1604.06174 (recomputed activations: train.checkpointing).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import told
from snellen.run import Run
from snellen.values import Finding, Severity


def memory_bound(run: Run, *, share: float = 0.9) -> list[Finding]:
    """Find a training that memory held back. `share` of the machine's memory that is too much."""
    items = run.signals("memory")
    parts = max(int(item.get("parts", 0)) for item in items)
    used = max(float(item["peak_bytes"]) / float(item.get("total_bytes") or "inf") for item in items)
    if not parts and used <= share:
        return []
    batch, peak = told(run, "train.batch"), max(float(item["peak_bytes"]) for item in items)
    if parts:
        kept = told(run, "train.freeze_norm")
        said = f"Batches of {batch} images did not fit and were cut into {parts} parts"
        message = (
            f"{said}, each with its own statistics of batch normalisation."
            if not kept
            else f"{said}; steps take longer for it."
        )
        severity: Severity = "info" if kept else "warn"
    else:
        message = f"The process held up to {peak / 1e9:.1f} GB, {used:.0%} of the machine's memory."
        severity = "warn"
    advice = "train.checkpointing: true, a smaller data.size or a smaller train.batch need less"
    evidence: dict[str, Any] = {
        "kind": "cut" if parts else "full", "parts": parts, "batch": batch, "peak": peak / 1e9, "used": used, "limit": share,
    }  # fmt: skip
    return [
        Finding(
            rule="memory_bound",
            severity=severity,
            message=f"{message} {advice[0].upper()}{advice[1:]}.",
            evidence=evidence,
        )
    ]


def _case(peak: float, parts: int = 0, **recipe: Any) -> dict[str, Any]:
    seen = {"meter": "memory", "stage": "all", "peak_bytes": peak * 1e9, "total_bytes": 16e9}
    changes = {f"train.{key}": value for key, value in recipe.items()}
    return {"signals": [{**seen, "parts": parts} if parts else seen] * 2, "recipe": changes}


FIRES = (_case(15.2), _case(4.0, 2), _case(4.0, 4, freeze_norm=True))
SILENT = (
    _case(8.0),
    # Of another log the machine is not known.
    {"signals": [{"meter": "memory", "stage": "all", "peak_bytes": 9e9}]},
)
