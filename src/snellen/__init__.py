"""Snellen examines, trains, corrects and ships image models, and proves that each remedy helped.

    import snellen
    answer = snellen.run("photos/", budget=600)
    print(answer["test"]["accuracy"], answer["report"])

The verbs are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "apply",
    "audit",
    "demo",
    "diagnose",
    "heal",
    "predict",
    "report",
    "review",
    "run",
    "ship",
    "train",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'snellen' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module("snellen.verbs"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
