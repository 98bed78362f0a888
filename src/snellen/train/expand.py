"""Expand: augmented copies of training images as files, for sets that are small (SPEC D8: 3 to 5 times as many)."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from snellen import store
from snellen.catalog import Catalog
from snellen.data.decode import Decoded, decode
from snellen.recipe import Recipe
from snellen.train.augment import augmenter
from snellen.train.draws import keys

# Pixels of a copy's longer side at most, and of the square that a smaller image is worked on in.
LARGEST, SMALL = 1024, 32


def copies(
    catalog: Catalog, recipe: Recipe, folder: Path, *, times: int, watch: Callable[[Mapping[str, Any]], None]
) -> tuple[list[dict[str, str]], dict[str, int]]:
    """Write `times` - 1 augmented copies of every usable training image into `folder`/images and list them.

    Returns rows with path (relative to `folder`), label, split, group, source and original (the id of the image that
    it was made of), and how many images could not be decoded, by reason. The group is the original's, or where it has none
    its content: a copy can never come to lie in another split than its original. What happens to copy k of an image follows
    from the recipe's seed, k and the image. Copies have the shape of their original, at most LARGEST pixels along its
    longer side, as PNG.
    """
    train = catalog.usable().of("train")
    classes = catalog.classes
    told: list[dict[str, str]] = []
    skipped: Counter[str] = Counter()
    rows = train.table.select(["id", "content", "target", "group", "source"]).to_pylist()
    for place, (row, path) in enumerate(zip(rows, train.paths(), strict=True)):
        decoded = _decoded(path)
        if decoded.pixels is None:
            skipped[decoded.verdict] += 1
            continue
        for count in range(1, times):
            name = f"images/{row['id']}-{count}.png"
            store.write_bytes(folder / name, _picture(decoded, row, count, recipe, classes))
            told.append({"path": name, **listed(row), "split": "train", "original": row["id"]})
        watch({"done": place + 1, "total": len(rows)})
    return told, dict(skipped)


def listed(row: Mapping[str, str]) -> dict[str, str]:
    """What a list says of an image and of its copies alike; the group is what keeps them together."""
    group = row["group"] or f"content-{row['content']}"
    return {"label": row["target"], "group": group, "source": row["source"]}


def _decoded(path: Path) -> Decoded:
    """The image squashed to a square whose side is its longer one, at most LARGEST."""
    small = decode(path, SMALL)
    if small.pixels is None:
        return small
    return decode(path, min(max(small.measured["width"], small.measured["height"], SMALL), LARGEST))


def _picture(decoded: Decoded, row: Mapping[str, str], count: int, recipe: Recipe, classes: tuple[str, ...]) -> bytes:
    assert decoded.pixels is not None
    side, width, height = len(decoded.pixels), decoded.measured["width"], decoded.measured["height"]
    augment = augmenter(recipe.change({"data.size": side}), classes, (0.0,) * 3, (1.0,) * 3)
    target = np.asarray([classes.index(row["target"])])
    made = augment(decoded.pixels[None].copy(), target, seed=recipe.seed, epoch=count, keys=keys([row["id"]]))
    colours = (made[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    scale = min(1.0, side / max(width, height))
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    sink = io.BytesIO()
    Image.fromarray(colours).resize(shape, Image.Resampling.BICUBIC).save(sink, "PNG")
    return sink.getvalue()
