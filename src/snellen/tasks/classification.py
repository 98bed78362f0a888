"""Single-label image classification (SPEC T1, T2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.run import Predictions
from snellen.shelf import LOSSES, MODELS, hint
from snellen.tasks._intervals import interval
from snellen.tasks._scores import LESS_IS_BETTER, METRICS
from snellen.values import SnellenError


class classification:
    """What a training needs to know of the task: target, model, loss, rows, metrics."""

    metrics = tuple(METRICS)

    def target(self, catalog: Catalog, classes: tuple[str, ...]) -> np.ndarray:
        """Class index of every sample, [n] int64; raises SnellenError for a class that training does not know."""
        index = {name: i for i, name in enumerate(classes)}
        names = catalog.column("target").tolist()
        unknown = sorted({name for name in names if name not in index})
        if unknown:
            raise SnellenError(f"class {unknown[0]!r} has no training image; known classes: {', '.join(classes)}")
        return np.asarray([index[name] for name in names], dtype=np.int64)

    def model(self, recipe: Recipe, classes: tuple[str, ...]) -> nn.Module:
        """The model with a new head; raises SnellenError where its name is unknown or its weights cannot be had."""
        part = recipe.model_part()
        sizes = (recipe.data.size, recipe.data.eval_size or recipe.data.size)
        settings: dict[str, Any] = {"classes": len(classes), "sizes": sizes, **recipe.model.model_dump()}
        known = MODELS.settings(part.name)
        try:
            model: nn.Module = MODELS.build(part.name, {key: value for key, value in settings.items() if key in known})
        except (ValueError, RuntimeError) as error:
            raise SnellenError(str(error)) from error
        # A zero head begins at guessing whatever the scale of the features, and alike for every seed.
        for parameter in model.get_classifier().parameters():  # type: ignore[operator]
            nn.init.zeros_(parameter)
        return model

    def loss(self, recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
        """loss(output [n, k], target [n] or [n, k]) -> [n]."""
        result: Callable[[Tensor, Tensor], Tensor] = LOSSES.build(recipe.loss.name, recipe.loss.settings)
        return result

    def predict(self, output: Tensor) -> Tensor:
        """Logits [n, k] -> probabilities [n, k]."""
        return torch.softmax(output.float(), dim=1)

    def score(self, rows: Predictions, metric: str) -> float:
        """One metric of stored rows, signed so that more is better.

        Raises SnellenError for an unknown name, or where the metric is not defined for these rows.
        """
        if metric not in METRICS:
            raise SnellenError(f"no metric is named {metric!r}{hint(metric, METRICS)}")
        value = METRICS[metric](rows.targets, rows.probabilities)
        if value is None:
            raise SnellenError(f"{metric} is not defined for the {len(rows.ids)} rows at hand; choose another metric")
        return -value if metric in LESS_IS_BETTER else value

    def measure(self, rows: Predictions, *, seed: int = 0) -> Mapping[str, Mapping[str, Any]]:
        """Every metric of T2 with its 95 % interval: {metric: {"value", "low", "high", "n"}}."""
        return {name: interval(name, rows, seed=seed) for name in METRICS}
