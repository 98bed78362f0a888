"""Copies: crops, mirror images, turned and re-encoded copies, proposed by embeddings and verified by laying one upon the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from snellen.catalog import OK, Catalog
from snellen.data.index import nearest
from snellen.data.measure import THUMB
from snellen.data.pixels import Pixels
from snellen.train.alignment import FINE, aligned

# Directions of the embedding that neighbours are sought in, found on so many images at most.
DIRECTIONS, FITTED = 64, 20_000
# A copy is among the nearest PROPOSED, and nearer than CLOSE times the last of the NEIGHBOURS.
NEIGHBOURS, PROPOSED, CLOSE = 6, 4, 0.88
# Of the eight orientations those are tried in which the thumbnails are most alike.
VIEWS = 2
# Pairs that fit so well are one picture; where strangers fit nearly as well, those that fit better than these by so many deviations.
LEAST, MOST, DEVIATIONS = 0.965, 0.9995, 4.5
# Where most proposals fit so well they are copies, or frames of one scene: then pairs drawn by lot are the strangers.
MOSTLY, LOT = 0.95, 200
# Fewer scores tell nothing of what is usual.
FEWEST = 20
# Means of the channels, less their own mean, may differ by so much (of 255).
MOST_TINT = 24.0
AT_ONCE = 256


def copies(
    catalog: Catalog,
    pixels: Pixels,
    *,
    seed: int = 0,
    most: int | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> np.ndarray:
    """Rows [p, 2] of usable images of different content that show one picture.

    Reads content, verdict, embedding and thumb; raises MissingSignal without them. Cost: a search that grows as n^1.5
    (data/index), and some milliseconds for every pair that is proposed, mostly about one for an image, at most 4. `most`:
    so many are looked at, the nearest; where that leaves some out, `tell` hears of it.
    """
    usable = np.flatnonzero(catalog.column("verdict").astype(str) == OK)
    _, first = np.unique(catalog.column("content").astype(str)[usable], return_index=True)
    rows = usable[np.sort(first)]
    if len(rows) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    pairs = proposed(catalog.column("embedding")[rows])
    if most is not None and len(pairs) > most:
        tell(
            f"{most} of {len(pairs)} pairs of images that are much alike are compared in detail, the nearest: time is short"
        )
        pairs = pairs[:most]
    part = catalog.take(rows)
    thumbs, places = part.column("thumb"), pixels.rows_of(part)
    scores = strangers = verified(pairs, thumbs, pixels, places)
    if len(scores) and float(np.median(scores)) > MOSTLY:
        lot = np.random.default_rng(seed).integers(0, len(rows), (LOT, 2))
        strangers = verified(lot[lot[:, 0] != lot[:, 1]], thumbs, pixels, places)
    return np.asarray(rows[pairs[(scores >= limit(strangers)) & _of_one_colour(*thumbs[pairs.T])]])


def proposed(embedding: np.ndarray) -> np.ndarray:
    """Pairs [p, 2] of positions, each once, the smaller first, whose embeddings [n, d] are nearer than those of neighbours are;
    those that are nearest in proportion come first."""
    rows, away = nearest(_reduced(embedding.astype(np.float32)), NEIGHBOURS)
    # With too few images there is nothing to tell what is usual.
    usual = away[:, -1:] if away.shape[1] == NEIGHBOURS else np.full((len(rows), 1), np.inf)
    near = (away <= CLOSE * usual) & np.isfinite(away)
    near[:, PROPOSED:] = False
    one = np.repeat(np.arange(len(rows)), rows.shape[1]).reshape(rows.shape)[near]
    # With too few images there is no usual distance: then all are alike near, and the order of the rows stays.
    share = np.where(np.isfinite(usual), away / np.where(np.isfinite(usual), np.maximum(usual, 1e-9), 1.0), 0.0)[near]
    found, first = np.unique(np.sort(np.stack([one, rows[near]], axis=1), axis=1), axis=0, return_index=True)
    return np.asarray(found[np.argsort(share[first], kind="stable")])


def verified(pairs: np.ndarray, thumbs: np.ndarray, pixels: Pixels, places: np.ndarray) -> np.ndarray:
    """How well the images of each pair fit, [p]: -1..1, see train/alignment. `thumbs` [n, 432]; `places` [n] rows of the pixels."""
    found = [np.zeros(0, dtype=np.float32)]
    for start in range(0, len(pairs), AT_ONCE):
        one, other = pairs[start : start + AT_ONCE].T
        views = _views(thumbs[one], thumbs[other])
        with torch.inference_mode():
            found.append(aligned(_grey(pixels, places[one]), _grey(pixels, places[other]), views).numpy())
    return np.concatenate(found)


def limit(strangers: np.ndarray) -> float:
    """The score from which on a pair is one picture: LEAST, but more where strangers of this data fit nearly as well. Some copies
    among the strangers do no harm: middle and spread are medians."""
    known = np.arctanh(np.clip(strangers[strangers > -1], -0.999, MOST))
    if len(known) < FEWEST:
        return LEAST
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - middle)))
    return float(np.clip(np.tanh(middle + DEVIATIONS * spread), LEAST, MOST))


def _reduced(embedding: np.ndarray) -> np.ndarray:
    """Directions of the embeddings in their leading subspace, as unit vectors [n, at most DIRECTIONS]."""
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-9)
    centred = unit - unit.mean(axis=0)
    some = centred[:: max(1, len(centred) // FITTED)]
    _, directions = np.linalg.eigh(some.T @ some)
    points = centred @ directions[:, -DIRECTIONS:]
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _of_one_colour(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[p] bool: drawings that differ in nothing but their colour are two pictures. Brightness does not count."""
    means = [values.astype(np.float32).reshape(len(values), -1, 3).mean(axis=1) for values in (one, other)]
    tints = [values - values.mean(axis=1, keepdims=True) for values in means]
    return np.asarray(np.abs(tints[0] - tints[1]).max(axis=1) <= MOST_TINT)


def _views(one: np.ndarray, other: np.ndarray) -> torch.Tensor:
    """The orientations [p, VIEWS] of the other thumbnails in which they are most like the first."""
    shape = (-1, THUMB, THUMB, 3)
    mine, theirs = (values.astype(np.float32).reshape(shape).mean(axis=3) for values in (one, other))
    mine = mine - mine.mean(axis=(1, 2), keepdims=True)
    alike = []
    for view in range(8):
        flipped = theirs[:, :, ::-1] if view % 2 else theirs
        alike.append((mine * np.rot90(flipped, view // 2, (1, 2))).sum(axis=(1, 2)))
    return torch.from_numpy(np.argsort(-np.stack(alike, axis=1), axis=1, kind="stable")[:, :VIEWS].copy())


def _grey(pixels: Pixels, rows: np.ndarray) -> torch.Tensor:
    """Luminance [p, 1, FINE, FINE] float32, 0..255."""
    images = torch.from_numpy(pixels.gather(rows)).permute(0, 3, 1, 2).float()
    grey = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    if grey.shape[-1] >= FINE:
        return F.interpolate(grey, size=(FINE, FINE), mode="area")
    return F.interpolate(grey, size=(FINE, FINE), mode="bilinear", align_corners=False)
