"""One arm of a claim: trained for one seed on the claim's data, measured on images that nothing was chosen by."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _claims import BARE, Claim
from snellen import store
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

# What was asked of an arm, the same for all arms of one data: a file of its own in this folder beside theirs.
ASKED, FOLDER = ("targets", "groups"), "asked"


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


def arm(claim: Claim, recipe: Recipe, found: Ground, folder: Path, cache: Path, setting: Setting) -> dict[str, Any]:
    """Train (or go on with) the recipe's seed in `folder` and measure it; what is told is small: which images were right, and
    some numbers. The folder stays: whoever has written down what is told removes it."""
    begin = time.perf_counter()
    run = train(recipe, found.catalog, found.pixels, folder, setting=setting, cache=cache)
    loaded = load(run)
    told = _verified(loaded, found) if claim.measure == "verification" else _rows(loaded, found)
    if claim.measure == "spread":
        told["numbers"] |= _spread(loaded, found)
    return {"seconds": round(run.cost["seconds"] or time.perf_counter() - begin, 1), **told}


def _rows(loaded: Loaded, found: Ground) -> dict[str, Any]:
    rows = loaded.predict(found.held, found.pixels)
    own = np.maximum(rows.probabilities[np.arange(len(rows.ids)), rows.targets].astype(np.float64), 1e-7)
    recalls = [rows.correct[rows.targets == k].mean() for k in np.unique(rows.targets)]
    numbers = {"accuracy": rows.correct.mean(), "recall_macro": np.mean(recalls), "log_loss": -np.log(own).mean()}
    return {"right": _packed(rows.correct), "targets": spaced(rows.targets), "numbers": _plain(numbers)}


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
    """Whether each pair was told right by the cosine of its features, the class of its first image, and how well images find
    their class."""
    features, targets = loaded.features(found.held, found.pixels), found.held.column("target").astype(str)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    left, right, same = pairs(targets)
    told = verified((unit[left] * unit[right]).sum(axis=1), same) == same
    numbers = {"accuracy": told.mean(), "recall_at_1": retrieval(features, targets)["recall_at_1"]["value"]}
    codes = np.unique(targets, return_inverse=True)[1]
    return {
        "right": _packed(told), "targets": spaced(same.astype(int)), "groups": spaced(codes[left]), "numbers": _plain(numbers),
    }  # fmt: skip


def _packed(right: np.ndarray) -> str:
    return np.packbits(right).tobytes().hex()


def spaced(numbers: Iterable[int]) -> str:
    """Whole numbers as one string, which is one line of JSON."""
    return " ".join(str(int(number)) for number in numbers)


def _whole(text: str) -> np.ndarray:
    return np.asarray(text.split(), dtype=np.int64)


def _plain(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {key: round(float(value), 6) for key, value in numbers.items()}


def keep(path: Path, told: Mapping[str, Any]) -> None:
    """Write an arm; what was asked of it is written once for all arms of its data, under a name that follows from it."""
    asked = {key: told[key] for key in ASKED if key in told}
    text = "\n".join(f"{key} {value}" for key, value in asked.items())
    name = f"{told['data']}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
    place = path.parent / FOLDER / f"{name}.json"
    if not place.is_file():
        store.write_json(place, asked)
    store.write_json(path, {**{key: value for key, value in told.items() if key not in ASKED}, "asked": name})


def kept(path: Path) -> dict[str, Any]:
    """An arm as `keep` got it."""
    told = store.read_json(path)
    asked = store.read_json(path.parent / FOLDER / f"{told.pop('asked')}.json")
    return {**told, **asked}


def predictions(told: Mapping[str, Any]) -> Predictions:
    """An arm as rows that say which images were right: enough for accuracy and recall."""
    right, targets = _right(told), _whole(told["targets"])
    classes = int(targets.max()) + 1
    said = np.where(right, targets, (targets + 1) % classes)
    return Predictions(
        tuple(map(str, range(len(targets)))), targets, np.eye(classes)[said], tuple(map(str, range(classes)))
    )


def by_group(told: Mapping[str, Any]) -> np.ndarray:
    """[groups]: of each group the share that was right, weighted by its size so that their mean is the share of all."""
    groups = _whole(told["groups"])
    return np.bincount(groups, weights=_right(told)) * (groups.max() + 1) / len(groups)


def _right(told: Mapping[str, Any]) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(told["right"]), dtype=np.uint8))
    return bits[: told["targets"].count(" ") + 1].astype(bool)
