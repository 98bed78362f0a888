"""What a peer's program prints at its end: seconds since its process began, and which images it answered right."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import psutil


def tell(right: Mapping[str, bool], about: Mapping[str, Any]) -> None:
    """One JSON object on standard output; `right` by path relative to the data's folder."""
    seconds = time.time() - psutil.Process().create_time()
    accuracy = {
        split: sum(chosen) / max(len(chosen), 1)
        for split in ("val", "test")
        if (chosen := [value for path, value in right.items() if path.startswith(f"{split}/")])
    }
    both = sum(right.values()) / max(len(right), 1)
    print(json.dumps({**about, "seconds": seconds, "accuracy": both, **accuracy, "right": dict(right)}))
