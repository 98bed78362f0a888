"""Nothing but the label is wanted of a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe


def labels(
    task: Any, catalog: Catalog, classes: tuple[str, ...], pixels: Pixels, *, recipe: Recipe, cache: Path | None = None
) -> None:
    """There is no picture beside the image: the loop reads stored pixels and labels."""
    return
