"""What the training rows work with: some samples of the data decoded once, a recipe, and the probed setting."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _photos import embedded
from peers.plain_loop import Given
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.data.split import split
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import TASKS
from snellen.train.augment import augmenter
from snellen.train.job import normal_of, usable_for
from snellen.train.loop import train
from snellen.train.machine import Setting
from snellen.train.probe import probe
from snellen.train.source import Samples

# A network of a hundred thousand weights from noise on 32-px images: to see that a script runs.
QUICK = {
    "model": {"name": "test_efficientnet", "weights": "none", "dropout": 0.0},
    "data.size": 32, "data.eval_size": 32, "train.batch": 8, "train.gap_samples": 16,
}  # fmt: skip
PARTS = [{"name": name} for name in ("flip", "crop", "brightness_contrast", "hue_saturation")]


@dataclass(frozen=True, slots=True)
class Material:
    """`folder` is temporary: everything that is written goes there."""

    folder: Path
    recipe: Recipe
    catalog: Catalog
    pixels: Pixels
    setting: Setting

    @contextmanager
    def cache(self) -> Iterator[Path]:
        """An empty cache, removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="cache-", dir=self.folder) as name:
            yield Path(name)

    def train(self, recipe: Recipe) -> Run:
        """A whole training in a folder of its own, from an empty cache."""
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        with self.cache() as cache:
            return train(recipe, self.catalog, self.pixels, folder, setting=self.setting, cache=cache)

    def samples(self, which: str) -> Samples:
        """The samples of a split that the recipe trains or validates on."""
        usable = usable_for(self.recipe, self.catalog)
        part = usable.of(which)
        return Samples.of(part, TASKS.pick(self.recipe.task)().target(part, usable.classes), self.pixels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the targets."""
        return usable_for(self.recipe, self.catalog).classes

    def __str__(self) -> str:
        counts = f"{len(self.samples('train'))} training and {len(self.samples('val'))} validation images"
        return (
            f"{self.recipe.model.name}, {counts}, {self.recipe.data.size} px, batch {self.recipe.train.batch}, "
            f"{self.setting.layout} {self.setting.precision} on both sides"
        )


@contextmanager
def material(given: argparse.Namespace, patch: Mapping[str, Any], *, images: int) -> Iterator[Material]:
    """Decode about `images` samples of --data (of the embedded images without it) for a recipe changed by `patch`."""
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
        folder = Path(name)
        recipe = Recipe().change(
            {"augment.parts": PARTS, "model.dropout": 0.0, **(QUICK if given.quick else {}), **patch}
        )
        source = given.data or embedded(folder / "embedded", each=4 if given.quick else None)
        catalog = _some(split(read([source]), val=0.15, test=0.15, seed=0), 40 if given.quick else images)
        catalog, pixels = open_pixels(catalog, size=recipe.data.eval_size or recipe.data.size, cache=folder / "cache")
        yield Material(folder, recipe, catalog, pixels, Setting() if given.quick else probed(recipe, folder / "cache"))


def at_hand(found: Material) -> Given:
    """The same material for a loop by hand."""
    recipe, task = found.recipe.resolve(), TASKS.pick(found.recipe.task)()
    training = found.samples("train")
    subset = training.take(np.sort(np.argsort(training.keys, kind="stable")[: recipe.train.gap_samples]))
    mean, std = normal_of(task.model(recipe, found.classes))
    augment = augmenter(recipe, found.classes, mean, std)
    return Given(recipe, task, found.classes, training, found.samples("val"), subset, augment, found.setting)


def _some(catalog: Catalog, images: int) -> Catalog:
    """Those with the smallest ids, which are hashes of their content: a fixed random part. Every class stays in training."""
    order = np.argsort(np.asarray(catalog.ids, dtype=str), kind="stable")
    chosen = np.sort(order[:images])
    known = set(catalog.take(chosen).of("train").column("target").tolist())
    part = catalog.take(chosen)
    return part.where([target in known for target in part.column("target").tolist()])


def probed(recipe: Recipe, cache: Path) -> Setting:
    """The fastest layout and precision of the recipe's model on this machine."""
    task = TASKS.pick(recipe.task)()
    plain = recipe.change({"model.weights": "none"})
    costs = probe(
        lambda: task.model(plain, ("a", "b")), name=recipe.model.name, cache=cache, size=recipe.data.size,
        batch=recipe.train.batch,
    )  # fmt: skip
    return costs.setting
