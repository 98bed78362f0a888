"""Semantics: which transforms turn an image of one class into one of another, by the model's own consistency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

from snellen.catalog import OK, Catalog
from snellen.data.pixels import Pixels
from snellen.train.augment import normalise, resize
from snellen.train.features import embed
from snellen.train.folded import folded
from snellen.train.job import normal_of
from snellen.train.machine import Setting
from snellen.train.source import at_once

# What augmentations do: mirror (flip), and turn far (rotate beyond 90 degrees, TrivialAugment).
TRANSFORMS = ("flip", "turn")
# Images of a class that are asked about, and fewer than which say nothing; images in all, and so the most classes.
EACH, LEAST, MOST = 12, 5, 360
DIRECTIONS, SHRINKAGE = 128, 0.35
BATCH = 64
# Side of the grey pictures, and images that the head is fitted on at most.
PICTURE, KNOWN = 16, 5000


def measure_transforms(
    catalog: Catalog, pixels: Pixels, model: nn.Module, setting: Setting, *, size: int, seed: int = 0
) -> Catalog:
    """Add `about("transforms")`: how images of each class are taken before and after each transform.

    Each entry: {"transform", "class", "n", "kept", "to", "moved", "others", "others_n"}: of `n` images that were taken for
    their class, `kept` still are, `moved` are taken for the class `to` (the most frequent other one); `others` of the
    `others_n` images of third classes are taken for `to` as well. Asked is a linear head on the frozen features in
    `embedding` and on a small grey picture, fitted on images that are not asked about: it has seen no augmentation, so it
    has not been taught that the transform keeps the class. The picture is there because a pretrained network was: it hardly
    tells a b from a d. Reads training and validation images; never test. The list is empty where there are too few.
    """
    rows, codes, names = _labelled(catalog)
    asked = _asked(codes, seed)
    if not len(asked) or len(np.unique(np.delete(codes, asked))) < 2:
        return catalog.with_about({"transforms": []})
    known = np.random.default_rng(seed).permutation(np.delete(np.arange(len(rows)), asked))[:KNOWN]
    features = catalog.column("embedding")
    learnt = features[rows[known]].astype(np.float32)
    head = _Head(_points(learnt, _pictures(pixels, catalog.take(rows[known]))), codes[known], seed)
    part = catalog.take(rows[asked])
    mean_std = normal_of(model)
    quick = folded(model, setting.place(normalise(next(_images(pixels, part.take(range(1)), size)), *mean_std)))

    def taken(transform: str) -> np.ndarray:
        seen = (normalise(_moved(images, transform), *mean_std) for images in _images(pixels, part, size))
        return head.classes(_points(embed(quick, seen, setting), _moved(pictures, transform)))

    pictures, own = _pictures(pixels, part), codes[asked]
    before = head.classes(_points(features[rows[asked]].astype(np.float32), pictures))
    entries = [entry for name in TRANSFORMS for entry in _entries(name, own, before, taken(name), names)]
    return catalog.with_about({"transforms": entries})


def _labelled(catalog: Catalog) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows that can be asked or learnt from, the class of each, and the classes' names."""
    targets = catalog.column("target").astype(str)
    split, good = catalog.column("split").astype(str), catalog.column("verdict").astype(str) == OK
    rows = np.flatnonzero(good & (targets != "") & (split != "test"))
    names, codes = np.unique(targets[rows], return_inverse=True)
    return rows, codes.reshape(-1), names.tolist()


def _asked(codes: np.ndarray, seed: int) -> np.ndarray:
    """Places of the images to ask about: at most EACH of a class and half of it, of the largest classes."""
    counts = np.bincount(codes)
    each = int(np.clip(MOST // max(len(counts), 1), LEAST, EACH))
    chance = np.random.default_rng(seed)
    found = [
        chance.permutation(np.flatnonzero(codes == code))[: min(each, counts[code] // 2)]
        for code in np.argsort(-counts, kind="stable")[: MOST // each]
        if counts[code] // 2 >= LEAST
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


class _Head:
    """A linear discriminant on the leading directions of points."""

    def __init__(self, points: np.ndarray, codes: np.ndarray, seed: int) -> None:
        self.reduced = PCA(min(DIRECTIONS, *points.shape), random_state=seed).fit(points)
        self.judge = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
        self.judge.fit(self.reduced.transform(points), codes)

    def classes(self, points: np.ndarray) -> np.ndarray:
        """The likeliest class of each, [n]."""
        return np.asarray(self.judge.predict(self.reduced.transform(points)))


def _points(features: np.ndarray, pictures: Tensor) -> np.ndarray:
    """Directions of the features and, beside them, of what is light and dark where: [n, d + PICTURE ** 2]."""
    grey = pictures.flatten(1)
    return np.concatenate([_unit(features), _unit((grey - grey.mean(dim=1, keepdim=True)).numpy())], axis=1)


def _unit(features: np.ndarray) -> np.ndarray:
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9))


def _images(pixels: Pixels, part: Catalog, size: int) -> Iterator[Tensor]:
    """The images [n, 3, size, size] in 0..1, some at a time: all of them at once would take hundreds of megabytes."""
    rows, step = pixels.rows_of(part), at_once(size)
    for at in range(0, len(rows), step):
        stored = torch.from_numpy(pixels.gather(rows[at : at + step])).permute(0, 3, 1, 2).float() / 255
        yield resize(stored, size)


def _pictures(pixels: Pixels, part: Catalog) -> Tensor:
    """Small grey pictures [n, 1, PICTURE, PICTURE]; a few images at a time, since all of them may not fit into memory."""
    rows = pixels.rows_of(part)
    found = [
        resize(torch.from_numpy(pixels.gather(rows[at : at + BATCH])).float().mean(dim=3)[:, None] / 255, PICTURE)
        for at in range(0, len(rows), BATCH)
    ]
    return torch.cat(found)


def _moved(images: Tensor, transform: str) -> Tensor:
    axes = {"flip": (3,), "turn": (2, 3)}.get(transform)
    return images.flip(axes) if axes else images


def _entries(
    transform: str, own: np.ndarray, before: np.ndarray, after: np.ndarray, names: list[str]
) -> list[dict[str, Any]]:
    right = before == own
    found = []
    for code in np.unique(own[right]):
        mine = right & (own == code)
        counts = np.bincount(after[mine], minlength=len(names))
        kept, counts[code] = int(counts[code]), 0
        to = int(counts.argmax())
        third = right & (own != code) & (own != to)
        found.append(
            {"transform": transform, "class": names[code], "n": int(mine.sum()), "kept": kept, "to": names[to],
             "moved": int(counts[to]), "others": int((after[third] == to).sum()), "others_n": int(third.sum())}
        )  # fmt: skip
    return found
