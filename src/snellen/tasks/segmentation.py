"""Semantic segmentation: a class for every pixel (SPEC T1, T3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snellen.advise import Advice
from snellen.budget import Cost
from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.rows import Statistics
from snellen.shelf import DECODERS, LOSSES, MODELS, hint
from snellen.tasks import _overlap
from snellen.tasks._contract import Example
from snellen.tasks._mask_advice import advise, sizes
from snellen.tasks._pixels import IGNORE, numbers_of
from snellen.values import SnellenError

DATA = "segmentation"
RECIPE = {
    "metric": "miou",
    # Half as wide as is usual: beside a light encoder the usual one takes most of a step.
    "model.decoder": {"name": "unet", "settings": {"channels": [128, 64, 32, 16, 16]}},
    "loss": {"name": "dice_focal", "settings": {"gamma": 0.0}},
    "train.batch": 8,
    # An image holds thousands of pixels: few of them tell the gap, and each costs a forward pass in every epoch.
    "train.gap_samples": 48,
    # Decoders begin at noise, each seed at its own: the mean of two is neither.
    "improve.soup": False,
}
OWN = ("miou", "dice", "boundary_f", "image_iou", "log_loss")
PAIRED = ("miou", "dice", "boundary_f", "image_iou", "log_loss", "calibrated_log_loss")
SMOOTH = "calibrated_log_loss"
READER = "masks"
PICTURES = "overlays"
ANSWER = "masks"
SECTION = "masks"
SCREENS = False
ABLATES = ("augment", "cosine", "averaged-weights", "clipping")
TRUNK = True
# Names of an id that stands for no class.
NO_CLASS = ("ignore", "void", "unlabelled", "unlabeled", "not labelled")


class segmentation:
    """What the path needs to know of the task (docs/architecture.md, section 3)."""

    metrics = ("miou", "dice", "boundary_f", "pixel_accuracy", "image_iou", "log_loss")
    output = "probabilities"

    def classes(self, catalog: Catalog) -> tuple[str, ...]:
        """Names of the classes that the masks of training hold, by id; raises SnellenError where there are fewer than two."""
        names = _names(catalog)
        held = {number for ids in _ids(self._training(catalog)) for number in ids}
        known = tuple(dict.fromkeys(names[number] for number in sorted(names) if number in held))
        if len(known) < 2:
            raise SnellenError(f"training needs at least two classes in its masks, found {list(known)}")
        return known

    def _training(self, catalog: Catalog) -> Catalog:
        usable = catalog.where(self.fit(catalog)).usable()
        return usable.of("train") if len(usable.of("train")) else usable

    def fit(self, catalog: Catalog) -> np.ndarray:
        """Which samples have a mask that can be used, [n] bool."""
        return np.asarray(catalog.column("mask_problem").astype(str) == "")

    def known(self, catalog: Catalog, classes: tuple[str, ...]) -> Catalog:
        """The samples whose masks hold one of the classes; pixels of others are as if nobody had labelled them."""
        numbers = self.numbers(catalog, classes)
        return catalog.where([any(number in numbers for number in ids) for ids in _ids(catalog)])

    def numbers(self, catalog: Catalog, classes: tuple[str, ...]) -> dict[int, int]:
        """Class by the id that stands for it in the masks."""
        return {number: classes.index(name) for number, name in _names(catalog).items() if name in classes}

    def target(self, catalog: Catalog, classes: tuple[str, ...]) -> np.ndarray:
        """Of every image the class that the fewest images hold, [n] int64: what balanced sampling evens out."""
        numbers = self.numbers(catalog, classes)
        held = [sorted({numbers[number] for number in ids if number in numbers}) for ids in _ids(catalog)]
        counts = Counter(place for places in held for place in places)
        # Of equals the last: background is mostly the first.
        return np.asarray([min(places, key=lambda place: (counts[place], -place)) for places in held], dtype=np.int64)

    def model(self, recipe: Recipe, classes: tuple[str, ...]) -> nn.Module:
        """A decoder on the named timm network; raises SnellenError where there is no such one or its weights cannot be had."""
        model, part = recipe.model, recipe.model.decoder
        if part is None or recipe.model_part().name != "timm_model":
            raise SnellenError(
                f"model.name = {model.name}, model.decoder = {part and part.name}: segmentation needs a timm network and a "
                f"decoder, one of {', '.join(DECODERS.names())}"
            )
        settings = {"name": model.name, "classes": 2, "weights": model.weights, "drop_path": model.drop_path}
        try:
            encoder = MODELS.build("timm_model", settings)
            chosen = DECODERS.resolve(part.name, part.settings)
            made: nn.Module = DECODERS.pick(part.name)(encoder, model.name, len(classes), model.dropout, **chosen)
        except (ValueError, RuntimeError) as error:
            raise SnellenError(str(error)) from error
        return made

    def loss(self, recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
        """loss(output [n, k, h, w], target [n, h, w]) -> [n]. A loss of labels is averaged over an image's labelled pixels."""
        name = recipe.loss.name
        loss: Callable[[Tensor, Tensor], Tensor] = LOSSES.build(name, recipe.loss.settings)
        takes = LOSSES.constant(name, "TAKES") or "labels"
        if takes == "pixels":
            return loss
        if takes != "labels":
            raise SnellenError(
                f"the loss {name} takes {takes}, and segmentation gives pixels; choose dice_focal or another"
            )
        return _of_pixels(loss)

    def predict(self, output: Tensor, target: Tensor) -> dict[str, np.ndarray]:
        """Logits [b, k, h, w] and masks [b, h, w] -> counts of every image (tasks/_pixels)."""
        return numbers_of(output, target)

    def rows(
        self, ids: Sequence[str], labels: np.ndarray, numbers: Mapping[str, np.ndarray], classes: tuple[str, ...]
    ) -> Statistics:
        """Stored rows: the counts by image."""
        return Statistics("segmentation", tuple(ids), dict(numbers), classes, fixed=("wanted", "edge_wanted"))

    def paired(self, rows: Statistics, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Values [n] and weights [n] (1) of one of PAIRED; their mean is the metric."""
        return _overlap.paired(rows, metric), np.ones(len(rows.ids))

    def score(self, rows: Statistics, metric: str) -> float:
        """One metric of stored rows, signed so that more is better; raises SnellenError for an unknown name, or where the
        metric is not defined for these rows."""
        if metric not in (*self.metrics, *PAIRED):
            raise SnellenError(f"no metric is named {metric!r}{hint(metric, self.metrics)}")
        value = _overlap.score(rows, metric)
        if value is None:
            raise SnellenError(f"{metric} is not defined for the {len(rows.ids)} rows at hand; choose another metric")
        return value

    def measure(self, rows: Statistics, *, seed: int = 0) -> Mapping[str, Mapping[str, Any]]:
        """Every metric of T3, and IoU and Dice of each class, with intervals over images."""
        return _overlap.measure(rows, seed=seed)

    def guess(self, rows: Statistics, catalog: Catalog, metric: str) -> float:
        """The metric's value when the most frequent class is said everywhere."""
        return self.score(_overlap.constant_answer(rows), metric)

    def sizes(
        self, catalog: Catalog, side: float, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Training and evaluation size in pixels, before anything is decoded."""
        return sizes(catalog, side, cost, budget, base=base, given=given)

    def advise(
        self, catalog: Catalog, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any],
        sizes: tuple[int, int], leaked: tuple[str, ...] = (),
    ) -> Advice:  # fmt: skip
        """The recommended recipe, each choice with its reason."""
        classes = self.classes(catalog)
        numbers = self.numbers(catalog, classes)
        held = Counter(
            place for ids in _ids(self._training(catalog)) for place in {numbers[i] for i in ids if i in numbers}
        )
        counts = tuple(held[place] for place in range(len(classes)))
        return advise(catalog, cost, budget, base=base, given=given, sizes=sizes, leaked=leaked, counts=counts)

    def answer(self, output: Tensor) -> Tensor:
        """What the exported file gives: logits [n, k, h, w] -> probabilities [n, k, h, w]."""
        return torch.softmax(output, dim=1)

    def same(self, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Whether two answers say the same of each pixel, [n, h, w] bool."""
        return np.asarray(found.argmax(axis=1) == expected.argmax(axis=1))

    def preparation(self, size: int) -> str:
        """What must happen to a photo before it enters the exported model, in words."""
        return (
            f"Apply the EXIF orientation, put transparency on white, convert to RGB. Resize to exactly {size}x{size} (antialiased "
            f"bilinear; the aspect ratio is not kept, nothing is cropped). Divide by 255: float32 in 0..1, channels first "
            f"[n,3,{size},{size}]. Mean and standard deviation are applied inside the model; so is softmax over the classes, axis 1. "
            f"The mask is the class of the largest probability; resize it back by the nearest pixel."
        )

    def example(self) -> Example:
        """Twelve masks of three classes, answered perfectly, for the law of tasks."""
        target = torch.zeros(12, 16, 16, dtype=torch.long)
        for image in range(12):
            target[image, 2 : 6 + image % 4, 3:9] = 1
            target[image, 10:14, 4 : 8 + image % 5] = 2
        target[:, 0] = IGNORE
        output = nn.functional.one_hot(target.where(target != IGNORE, 0), 3).movedim(-1, 1).float() * 20
        recipe = Recipe().change({"task": "segmentation", **RECIPE})
        return Example(recipe, output, target, np.full(12, 2), ("ground", "plate", "cup"))


def _names(catalog: Catalog) -> dict[int, str]:
    """Class names by id, without ids that stand for no class; where no names were given, of the ids that masks hold."""
    given: Mapping[str, str] = catalog.about("classes") or {}
    named = {int(number): str(name) for number, name in given.items()}
    if not named:
        held = sorted({number for ids in _ids(catalog) for number in ids} - {IGNORE})
        named = {number: "background" if number == 0 else f"class {number}" for number in held}
    return {number: name for number, name in named.items() if name.strip().lower() not in NO_CLASS}


def _ids(catalog: Catalog) -> list[list[int]]:
    """Ids that each mask holds."""
    return [list(ids or ()) for ids in catalog.table.column("mask_ids").to_pylist()]


def _of_pixels(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def by_image(output: Tensor, target: Tensor) -> Tensor:
        known = target != IGNORE
        flat = loss(output.movedim(1, -1).flatten(0, 2), target.where(known, 0).long().flatten())
        values = flat.view(target.shape) * known
        return values.sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)

    return by_image
