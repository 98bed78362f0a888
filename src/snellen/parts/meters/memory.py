"""Memory of the process, and whether batches had to be cut for it (SPEC S5)."""

from __future__ import annotations

from typing import Any

import psutil


def memory(epoch: Any) -> dict[str, Any]:
    """Highest resident set of the process so far, in bytes (the current one where the system does not tell), beside the machine's
    memory; `parts`: into how many parts a batch was cut because a step did not fit."""
    info = psutil.Process().memory_info()
    peak = getattr(info, "peak_wset", None)
    if peak is None:
        peak = _peak_posix() or info.rss
    found = {"peak_bytes": int(peak), "total_bytes": int(psutil.virtual_memory().total)}
    cut = max((step.get("parts", 0) for step in epoch.steps), default=0) if epoch is not None else 0
    return {**found, "parts": cut} if cut else found


def _peak_posix() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
