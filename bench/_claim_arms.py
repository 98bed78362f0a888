"""One arm of a claim: trained for one seed on the claim's data, measured on images that nothing was chosen by."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _claims import BARE, Claim
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.data.split import split
from snellen.recipe import Recipe
from snellen.rows import Predictions
from snellen.ship.loaded import Loaded, load
from snellen.tasks._retrieval import pairs, retrieval, verified
from snellen.train.draws import keys
from snellen.train.loop import train
from snellen.train.machine import Setting


@dataclass(frozen=True, slots=True)
class Ground:
    """A claim's data: `catalog` is trained and validated on, `held` is measured on."""

    catalog: Catalog
    held: Catalog
    pixels: Pixels
    drop: tuple[str, ...]


def ground(claim: Claim, root: Path, cache: Path, *, images: int | None = None) -> Ground:
    """Read, divide and decode the data; `images` (None: all) training images at most are used."""
    whole = split(read([root / claim.data]), val=0.15, test=0.15, seed=0)
    whole, pixels = open_pixels(whole, size=BARE["data.size"], cache=cache)
    whole = whole.usable()
    fits = np.isin(whole.column("target").astype(str), claim.unseen)
    held = whole.where(fits if claim.unseen else np.ones(len(whole), bool)).of("test")
    catalog = whole.where(~fits).of("train", "val")
    if images is not None:
        catalog, held = fewer(catalog, images), fewer(held, images)
    return Ground(catalog, held, pixels, _tail(catalog, claim.tail))


def fewer(catalog: Catalog, images: int) -> Catalog:
    """Of every split and class the same share, those with the smallest keys."""
    order, kept = keys(catalog.ids), np.zeros(len(catalog), bool)
    kinds = np.char.add(catalog.column("split").astype(str), catalog.column("target").astype(str))
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        count = max(4, round(len(rows) * images / len(catalog)))
        kept[rows[np.argsort(order[rows], kind="stable")[:count]]] = True
    return catalog.where(kept)


def _tail(catalog: Catalog, factor: int) -> tuple[str, ...]:
    """Ids of the training images that are left out so that class i of k keeps factor ** (-i / (k - 1)) of the first's (the
    long tail of Cui et al. 2019, §5.1); classes in the order of their names, images in the order of their keys."""
    if factor == 1:
        return ()
    train = catalog.of("train")
    order, targets = keys(train.ids), train.column("target").astype(str)
    names, counts = np.unique(targets, return_counts=True)
    dropped: list[str] = []
    for place, name in enumerate(names):
        rows = np.flatnonzero(targets == name)
        kept = max(2, round(counts.min() * factor ** (-place / (len(names) - 1))))
        dropped += [train.ids[row] for row in rows[np.argsort(order[rows], kind="stable")[kept:]]]
    return tuple(dropped)


def recipe_of(claim: Claim, patch: Mapping[str, Any], found: Ground, epochs: int) -> Recipe:
    """The resolved recipe of an arm."""
    stage = {"name": "all", "unfreeze": "all", "epochs": epochs, "warmup": min(1.0, epochs / 10)}
    own = {**BARE, "stages": [stage], "metric": claim.metric, "data.drop": found.drop}
    return Recipe().change(own).change(dict(patch)).resolve()


def arm(claim: Claim, recipe: Recipe, found: Ground, seed: int, work: Path, setting: Setting) -> dict[str, Any]:
    """Train (or go on with) one seed and measure it; what is kept is small: which images were right, and some numbers."""
    folder = work / f"{claim.data}-{recipe.id}-s{seed}"
    begin = time.perf_counter()
    run = train(
        recipe.change({"seed": seed}), found.catalog, found.pixels, folder, setting=setting, cache=work / "cache"
    )
    loaded = load(run)
    told = _verified(loaded, found) if claim.measure == "verification" else _rows(loaded, found)
    if claim.measure == "spread":
        told["numbers"] |= _spread(loaded, found)
    kept = {"recipe": recipe.id, "seconds": round(run.cost["seconds"] or time.perf_counter() - begin, 1), **told}
    # Forty megabytes of weights for each of a hundred runs: what was measured is all that is kept.
    shutil.rmtree(folder)
    return kept


def _rows(loaded: Loaded, found: Ground) -> dict[str, Any]:
    rows = loaded.predict(found.held, found.pixels)
    own = np.maximum(rows.probabilities[np.arange(len(rows.ids)), rows.targets].astype(np.float64), 1e-7)
    recalls = [rows.correct[rows.targets == k].mean() for k in np.unique(rows.targets)]
    numbers = {"accuracy": rows.correct.mean(), "recall_macro": np.mean(recalls), "log_loss": -np.log(own).mean()}
    return {"right": _packed(rows.correct), "targets": rows.targets.tolist(), "numbers": _plain(numbers)}


def _spread(loaded: Loaded, found: Ground) -> dict[str, Any]:
    """Mean distance of the held-out images' features to their class's mean: as it is, and as a share of the mean distance
    between class means (the scale of the features cancels)."""
    features, targets = loaded.features(found.held, found.pixels), found.held.column("target").astype(str)
    names, codes = np.unique(targets, return_inverse=True)
    means = np.stack([features[codes == code].mean(axis=0) for code in range(len(names))])
    within = float(np.linalg.norm(features - means[codes], axis=1).mean())
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)[np.triu_indices(len(names), 1)].mean()
    return _plain({"intra_class": within, "intra_over_inter": within / apart})


def _verified(loaded: Loaded, found: Ground) -> dict[str, Any]:
    """Whether each pair was told right by the cosine of its features, and how well images find their class."""
    features, targets = loaded.features(found.held, found.pixels), found.held.column("target").astype(str)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    left, right, same = pairs(targets)
    told = verified((unit[left] * unit[right]).sum(axis=1), same) == same
    numbers = {"accuracy": told.mean(), "recall_at_1": retrieval(features, targets)["recall_at_1"]["value"]}
    return {"right": _packed(told), "targets": same.astype(int).tolist(), "numbers": _plain(numbers)}


def _packed(right: np.ndarray) -> str:
    return np.packbits(right).tobytes().hex()


def _plain(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {key: round(float(value), 6) for key, value in numbers.items()}


def predictions(told: Mapping[str, Any]) -> Predictions:
    """An arm as rows that say which images were right: enough for accuracy and recall."""
    targets = np.asarray(told["targets"], dtype=np.int64)
    right = np.unpackbits(np.frombuffer(bytes.fromhex(told["right"]), dtype=np.uint8))[: len(targets)].astype(bool)
    classes = int(targets.max()) + 1
    said = np.where(right, targets, (targets + 1) % classes)
    return Predictions(
        tuple(map(str, range(len(targets)))), targets, np.eye(classes)[said], tuple(map(str, range(classes)))
    )
