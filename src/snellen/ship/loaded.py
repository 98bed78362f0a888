"""The kept weights of a run as a model that can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snellen import store
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run
from snellen.shelf import TASKS
from snellen.train.augment import resize
from snellen.train.features import Head, embed
from snellen.train.job import normal_of, samples_of, usable_for
from snellen.train.kept_features import kept, origin
from snellen.train.machine import Setting
from snellen.train.observe import outputs, stored
from snellen.train.source import Samples


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run's best weights in eval mode, with what is needed to feed them."""

    run: Run
    recipe: Recipe
    task: Any
    model: torch.nn.Module
    classes: tuple[str, ...]
    setting: Setting

    @property
    def size(self) -> int:
        """Side of the images at evaluation, in pixels."""
        return self.recipe.data.eval_size or self.recipe.data.size

    def samples(self, catalog: Catalog, pixels: Pixels) -> Samples:
        """Some samples ready to be read, with what is wanted of them."""
        return samples_of(self.task, self.recipe, [catalog], self.classes, pixels, self._cache)[0]

    @property
    def _cache(self) -> Path | None:
        # A run of a case has the case's cache.
        home = self.run.folder.parent
        return home.parent / "cache" if home.name == "runs" else None

    def predict(self, catalog: Catalog, pixels: Pixels) -> Rows:
        """Stored-row form of the predictions on some samples."""
        samples = self.samples(catalog, pixels)
        with torch.inference_mode():
            return stored(self.task, samples, self.outputs(samples), self.size, self.classes)

    def outputs(self, samples: Samples) -> Iterator[torch.Tensor]:
        """What the model gives for the samples, batch by batch; without gradients is the caller's business. Where its trunk was
        not trained, the audit's pass has left what it gives for them, and only the head is run."""
        features = self._features(samples)
        if features is not None:
            head = Head(self.model, dropout=0.0).eval()
            return (
                head(self.setting.place(torch.from_numpy(part)))
                for part in np.split(features, range(64, len(features), 64))
            )
        return outputs(self.model, self.setting, samples.plain(self.size, *normal_of(self.model)))

    def _features(self, samples: Samples) -> np.ndarray | None:
        if self._cache is None or samples.truth is not None or not hasattr(self.model, "forward_head"):
            return None
        about = origin(
            self.model, self.setting, name=self.recipe.model.name, stored=samples.pixels.size, size=self.size
        )
        found = kept(self._cache / "features", about, samples.ids)
        return None if found is None else np.array(found[0][found[1]])

    def features(self, catalog: Catalog, pixels: Pixels) -> np.ndarray:
        """Embeddings [n, d] float32 of some samples: what the classifier sees."""
        samples = Samples.of(catalog, np.zeros(len(catalog), np.int64), pixels)
        return embed(self.model, samples.plain(self.size, *normal_of(self.model)), self.setting)

    def images(self, catalog: Catalog, pixels: Pixels) -> np.ndarray:
        """Pixels as the exported model takes them, float32 [n, 3, size, size] in 0..1."""
        stored = torch.from_numpy(pixels.gather(pixels.rows_of(catalog))).permute(0, 3, 1, 2).float() / 255
        return resize(stored, self.size).clamp(0, 1).contiguous().numpy()


def load(run: Run) -> Loaded:
    """Rebuild the model and read `best`; raises SnellenError where the run is not finished or damaged."""
    recipe, environment = run.recipe, run.environment
    setting = Setting(environment["precision"], environment["layout"], environment["device"])
    task = TASKS.pick(recipe.task)()
    classes = task.classes(usable_for(recipe, run.catalog))
    model = task.model(recipe.change({"model.weights": "none"}), classes)
    tensors, _ = store.read_tensors(run.checkpoint("best"))
    model.load_state_dict(tensors)
    return Loaded(run, recipe, task, setting.prepare(model).eval(), classes, setting)
