"""Judge the class of every piece of a mask by heads that saw none of its image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from snellen.train.augment import plain
from snellen.train.job import normal_of
from snellen.train.segmenter import Eye

# Pieces of an image that are looked at (the largest), their smallest area, and the side that they are brought to, in pixels.
MOST_PIECES, LEAST_AREA, SIDE = 8, 160, 128
# How much of the surroundings is cut out with a piece, by its longer side.
MARGIN = 1.2
DIMENSIONS, MOST_LEARNT, FEWEST = 128, 20_000, 5


@dataclass(frozen=True, slots=True)
class Piece:
    """One connected piece of one class: image, class index (1 and up), box in pixels (x0, y0, x1, y1), `look`: what the
    network sees of it [d], `vote`: mean probability that the segmenter gives each class in it [classes - 1]."""

    image: int
    label: int
    box: tuple[int, int, int, int]
    look: np.ndarray
    vote: np.ndarray


@dataclass(frozen=True, slots=True)
class Doubt:
    """The piece of an image whose class is doubted most: own and suggested class index, their probabilities, box in pixels of the stored image."""

    label: int
    suggested: int
    own: float
    other: float
    box: tuple[int, int, int, int]


def pieces_of(eye: Eye, image: np.ndarray, mask: np.ndarray, seen: np.ndarray, row: int) -> list[Piece]:
    """The largest pieces of a mask [s, s]; `image` [s, s, 3] uint8; `seen` [classes, s, s] held-out probabilities."""
    found = sorted(_pieces(mask), key=lambda item: -int(item[1].sum()))[:MOST_PIECES]
    if not found:
        return []
    mean, std = normal_of(eye.model)
    cuts = np.stack([_cut(image, inside, mean) for _, inside in found])
    eye.model.eval()
    with torch.inference_mode(), eye.setting.autocast():
        maps = eye.model.forward_features(eye.setting.place(plain(cuts, SIDE, mean, std)))  # type: ignore[operator]
        looks = eye.model.forward_head(maps, pre_logits=True).float().cpu().numpy()  # type: ignore[operator]
    return [
        Piece(row, label, _box(inside), look.astype(np.float16), _vote(seen, inside))
        for (label, inside), look in zip(found, looks, strict=True)
    ]


def _pieces(mask: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for label in np.unique(mask[mask > 0]):
        numbers, count = ndimage.label(mask == label)
        areas = np.bincount(numbers.reshape(-1), minlength=count + 1)
        for number in np.argsort(-areas[1:], kind="stable")[:MOST_PIECES] + 1:
            if areas[number] >= LEAST_AREA:
                yield int(label), numbers == number


def _box(inside: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _vote(seen: np.ndarray, inside: np.ndarray) -> np.ndarray:
    shares = seen[1:, inside].mean(axis=1)
    return np.asarray(shares / max(float(shares.sum()), 1e-6))


def _cut(image: np.ndarray, inside: np.ndarray, mean: Sequence[float]) -> np.ndarray:
    """The piece alone on the network's mean colour, brought to SIDE x SIDE."""
    fill = tuple(round(255 * value) for value in mean)
    alone = Image.fromarray(np.where(inside[..., None], image, np.asarray(fill, dtype=np.uint8)))
    x0, y0, x1, y1 = _box(inside)
    half = MARGIN * max(x1 - x0, y1 - y0) / 2
    left, top, side = round((x0 + x1) / 2 - half), round((y0 + y1) / 2 - half), max(1, round(2 * half))
    canvas = Image.new("RGB", (side, side), fill)
    canvas.paste(alone, (-left, -top))
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def doubts(pieces: Sequence[Piece], folds: np.ndarray, seed: int) -> dict[int, Doubt]:
    """The most doubted piece of every image that has one; `folds` [n] of the images.

    The probability is the mean of the segmenter's vote and of a head on the pieces' looks. Confident learning (Northcutt,
    Jiang & Chuang 2021, arXiv:1911.00068, §3) says which class is a candidate. Fewer than two classes with FEWEST pieces
    leave nothing to judge.
    """
    if not pieces:
        return {}
    labels = np.asarray([piece.label for piece in pieces])
    present = [label for label in np.unique(labels) if (labels == label).sum() >= FEWEST]
    kept = np.flatnonzero(np.isin(labels, present)).tolist()
    if len(present) < 2:
        return {}
    owner = np.asarray([pieces[i].image for i in kept])
    looks = np.stack([pieces[i].look for i in kept]).astype(np.float32)
    votes = np.stack([pieces[i].vote for i in kept])
    own = np.searchsorted(present, labels[kept])
    heads = _out_of_fold(looks, own, folds[owner], len(present), seed)
    chances = (votes[:, np.asarray(present) - 1] + heads) / 2
    limits = np.asarray([chances[own == k, k].mean() for k in range(len(present))])
    found: dict[int, Doubt] = {}
    for place, row in enumerate(chances):
        others = np.where(row >= limits, row, -1.0)
        others[own[place]] = -1.0
        best = int(others.argmax())
        if others[best] <= row[own[place]]:
            continue
        piece = pieces[kept[place]]
        doubt = Doubt(piece.label, int(present[best]), float(row[own[place]]), float(row[best]), piece.box)
        known = found.get(piece.image)
        if known is None or doubt.other - doubt.own > known.other - known.own:
            found[piece.image] = doubt
    return found


def _out_of_fold(looks: np.ndarray, own: np.ndarray, folds: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """[m, classes] of heads that were trained on the other folds; a class that those lack has probability 0."""
    found = np.full((len(own), classes), 1 / classes)
    for fold in np.unique(folds):
        mine, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        others = np.sort(np.random.default_rng(seed).permutation(others)[:MOST_LEARNT])
        if len(np.unique(own[others])) < 2:
            continue
        size = min(DIMENSIONS, looks.shape[1], len(others) - 1)
        head = make_pipeline(
            StandardScaler(), PCA(size, random_state=seed), LogisticRegression(C=0.02, max_iter=300, tol=1e-3)
        )
        head.fit(looks[others], own[others])
        found[mine] = 0.0
        found[np.ix_(mine, head.classes_)] = head.predict_proba(looks[mine])
    return found
