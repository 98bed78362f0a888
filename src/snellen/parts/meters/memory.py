"""Memory of the process."""

from __future__ import annotations

from typing import Any

import psutil


def memory(epoch: Any) -> dict[str, Any]:
    """Highest resident set of the process so far, in bytes (the current one where the system does not tell)."""
    info = psutil.Process().memory_info()
    peak = getattr(info, "peak_wset", None)
    if peak is None:
        peak = _peak_posix() or info.rss
    return {"peak_bytes": int(peak)}


def _peak_posix() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
