"""Lab: what all trials of a case share, and one way to get the run of a recipe and a seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run
from snellen.train.loop import train
from snellen.train.machine import Setting


@dataclass(frozen=True, slots=True)
class Lab:
    """`deadline` on the monotonic clock (None: no budget); `experience`: file of what trials of all cases have shown (None: it
    is neither read nor written)."""

    case: Case
    catalog: Catalog
    pixels: Pixels
    setting: Setting
    cache: Path
    watch: Callable[[Mapping[str, Any]], None]
    stop: Callable[[], bool]
    deadline: float | None
    experience: Path | None = None

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()

    def trained(self, recipe: Recipe, seed: int, *, title: str = "") -> Run:
        """The run of a recipe and a seed: trained, resumed, or read where it is finished."""
        recipe = recipe.change({"seed": seed})
        place = self.case.run(recipe.id, seed).folder
        if title:
            self.watch({"title": title})
        return train(
            recipe, self.catalog, self.pixels, place,
            setting=self.setting, cache=self.cache, watch=self.watch, stop=self.stop,
        )  # fmt: skip

    def validation(self, recipe: Recipe, seed: int, *, title: str = "") -> Rows:
        """The run's stored rows of the validation split."""
        return self.trained(recipe, seed, title=title).predictions("val")
