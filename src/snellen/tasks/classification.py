"""Single-label image classification (SPEC T1, T2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snellen.advise import Advice, advise
from snellen.budget import Cost, choose_size
from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.rows import Predictions
from snellen.shelf import LOSSES, MODELS, hint
from snellen.tasks._contract import Example
from snellen.tasks._heads import headed
from snellen.tasks._intervals import interval
from snellen.tasks._paired import METRICS as SCORES
from snellen.tasks._scores import LESS_IS_BETTER, METRICS
from snellen.values import SnellenError

DATA = "classification"
RECIPE = {"metric": "accuracy"}
OWN = ("accuracy", "auc", "f1_macro", "log_loss", "recall_macro")
PAIRED = ("accuracy", "auc", "calibrated_log_loss", "f1_macro", "log_loss", "recall_macro")
SMOOTH = "calibrated_log_loss"
READER = "labels"
PICTURES = "gradcam"
ANSWER = "classes"
SECTION = "classes"
SCREENS = True
MIXES = True
ABLATES = ("augment", "cutmix", "mixup", "cosine", "label-smoothing", "focal")
TRUNK = True


class classification:
    """What the path needs to know of the task (docs/architecture.md, section 3)."""

    metrics = tuple(METRICS)
    output = "probabilities"

    def classes(self, catalog: Catalog) -> tuple[str, ...]:
        """Names of the targets that training knows; raises SnellenError where there are fewer than two."""
        known = catalog.classes
        if len(known) < 2:
            raise SnellenError(f"training needs at least two classes with usable images, found {list(known)}")
        return known

    def fit(self, catalog: Catalog) -> np.ndarray:
        """Which samples' annotations can be used, [n] bool: all."""
        return np.ones(len(catalog), dtype=bool)

    def known(self, catalog: Catalog, classes: tuple[str, ...]) -> Catalog:
        """The samples of these classes: what training does not know cannot be learnt or scored; the audit lists it."""
        return catalog.where(np.isin(catalog.column("target").astype(str), classes))

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
        settings: dict[str, Any] = {
            "classes": len(classes), "sizes": sizes, **recipe.model.model_dump(exclude={"settings", "decoder"}),
        }  # fmt: skip
        known = MODELS.settings(part.name)
        chosen = {key: value for key, value in settings.items() if key in known}
        try:
            model: nn.Module = MODELS.build(part.name, {**chosen, **recipe.model.settings})
        except (ValueError, RuntimeError) as error:
            raise SnellenError(str(error)) from error
        # A zero head begins at guessing whatever the scale of the features, and alike for every seed.
        for parameter in model.get_classifier().parameters():  # type: ignore[operator]
            nn.init.zeros_(parameter)
        return headed(model, recipe.loss)

    def loss(self, recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
        """loss(output [n, k], target [n] or [n, k]) -> [n]; a loss that needs "counts" is first called with them."""
        result: Callable[[Tensor, Tensor], Tensor] = LOSSES.build(recipe.loss.name, recipe.loss.settings)
        return result

    def predict(self, output: Tensor, target: Tensor) -> dict[str, np.ndarray]:
        """Logits [b, k] -> {"probabilities": [b, k]}."""
        return {"probabilities": self.answer(output.float()).cpu().numpy()}

    def rows(
        self, ids: Sequence[str], labels: np.ndarray, numbers: Mapping[str, np.ndarray], classes: tuple[str, ...]
    ) -> Predictions:
        """Stored rows of samples with these labels [n] and what `predict` gave for them."""
        return Predictions(tuple(ids), labels, numbers["probabilities"], classes)

    def paired(self, rows: Predictions, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Values [n] and weights [n] of one of PAIRED; mean(values × weights) is the metric."""
        return SCORES[metric](rows)

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

    def guess(self, rows: Predictions, catalog: Catalog, metric: str) -> float:
        """The metric's value when the largest training class of the catalog is always the answer."""
        largest = rows.classes.index(next(iter(catalog.usable().of("train").counts())))
        answer = np.full_like(rows.probabilities, 1e-6)
        answer[:, largest] = 1.0
        answer /= answer.sum(axis=1, keepdims=True)
        return float(self.score(Predictions(rows.ids, rows.targets, answer, rows.classes), metric))

    def sizes(
        self, catalog: Catalog, side: float, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Training and evaluation size in pixels, before anything is decoded."""
        return choose_size(catalog, side, cost, budget, base=base, given=given)

    def advise(
        self, catalog: Catalog, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any],
        sizes: tuple[int, int], leaked: tuple[str, ...] = (),
    ) -> Advice:  # fmt: skip
        """The recommended recipe, each choice with its reason."""
        return advise(catalog, cost, budget, base=base, given=given, sizes=sizes, leaked=leaked)

    def answer(self, output: Tensor) -> Tensor:
        """What the exported file gives: logits [n, k] -> probabilities [n, k]."""
        return torch.softmax(output, dim=1)

    def same(self, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Whether two answers say the same of each sample, [n] bool."""
        return np.asarray(found.argmax(axis=1) == expected.argmax(axis=1))

    def preparation(self, size: int) -> str:
        """What must happen to a photo before it enters the exported model, in words."""
        return (
            f"Apply the EXIF orientation, put transparency on white, convert to RGB. Resize to exactly {size}x{size} (antialiased "
            f"bilinear; the aspect ratio is not kept, nothing is cropped). Divide by 255: float32 in 0..1, channels first "
            f"[n,3,{size},{size}]. Mean and standard deviation are applied inside the model; so is softmax."
        )

    def example(self) -> Example:
        """A perfect answer to twelve samples of six classes, for the law of tasks."""
        labels = np.arange(12) % 6
        return Example(Recipe(), torch.eye(6).repeat(2, 1) * 4, torch.from_numpy(labels), labels, tuple("abcdef"))
