"""Map: every image a point of the plane, so that a person can see what lies together."""

from __future__ import annotations

import importlib.util
import io

import numpy as np
from PIL import Image
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from snellen.train.outliers import sample

# t-SNE costs more than everything else here: it is fitted on a sample, on the leading directions, in few steps.
FITTED, DIRECTIONS, STEPS = 5_000, 50, 500
LEAST = 10
# Small pictures for the report, of so many points at most.
PICTURES, SIDE = 2_000, 40


def layouts(points: np.ndarray, *, seed: int = 0, fitted: int = FITTED) -> dict[str, np.ndarray]:
    """Columns `map_pca` and `map_tsne` (and `map_umap` where umap-learn is installed) [n, 2] float32.

    points [n, d] are principal components, leading first. t-SNE: van der Maaten & Hinton 2008 (JMLR 9:2579), from a PCA start
    (Kobak & Berens 2019, doi:10.1038/s41467-019-13056-x). Of more than `fitted` images a seeded sample is laid out, and each
    of the others lies at its nearest neighbour of the sample. UMAP: McInnes, Healy & Melville 2018, arXiv:1802.03426.
    """
    flat = np.zeros((len(points), 2), dtype=np.float32)
    flat[:, : min(2, points.shape[1])] = points[:, :2]
    if len(points) < LEAST or not np.ptp(points):
        return {"map_pca": flat, "map_tsne": flat.copy()}
    chosen, leading = sample(len(points), fitted, seed), points[:, :DIRECTIONS]
    found = {"map_pca": flat, "map_tsne": _spread(leading, chosen, _tsne(leading[chosen], seed))}
    if importlib.util.find_spec("umap") is not None:
        found["map_umap"] = _spread(leading, chosen, _umap(leading[chosen], seed))
    return found


def _tsne(points: np.ndarray, seed: int) -> np.ndarray:
    method = TSNE(
        perplexity=min(30.0, (len(points) - 1) / 3), init="pca", learning_rate="auto", max_iter=STEPS, random_state=seed
    )
    return np.asarray(method.fit_transform(points), dtype=np.float32)


def _umap(points: np.ndarray, seed: int) -> np.ndarray:
    from umap import UMAP

    method = UMAP(n_neighbors=min(15, len(points) - 1), random_state=seed, n_jobs=1)
    return np.asarray(method.fit_transform(points), dtype=np.float32)


def _spread(points: np.ndarray, chosen: np.ndarray, placed: np.ndarray) -> np.ndarray:
    if len(chosen) == len(points):
        return placed
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(points[chosen])
    return np.asarray(placed[nearest.kneighbors(points, return_distance=False)[:, 0]])


def pictures(pixels: np.ndarray) -> list[bytes]:
    """Images [n, side, side, 3] uint8 as small JPEG files, 40 pixels wide and high."""
    found = []
    for image in pixels:
        sink = io.BytesIO()
        Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX).save(sink, "JPEG", quality=70)
        found.append(sink.getvalue())
    return found


def shown(suspicious: np.ndarray, *, most: int = PICTURES, seed: int = 0) -> np.ndarray:
    """Sorted positions of the images that get a small picture: those of `suspicious` [n] bool first, then a seeded sample."""
    order = np.random.default_rng(seed).permutation(len(suspicious))
    return np.sort(order[np.argsort(~suspicious[order], kind="stable")][:most])
