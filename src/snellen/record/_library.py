"""Import a library that is not Snellen's own when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from snellen.values import SnellenError


def library(*names: str) -> Any:
    """The first of these modules that is installed; raises SnellenError that says what to install."""
    for name in names:
        if importlib.util.find_spec(name.split(".", 1)[0]) is not None:
            return importlib.import_module(name)
    first = names[0].split(".", 1)[0]
    raise SnellenError(f"{first} is not installed here, and this callback is for its trainings: pip install {first}")
