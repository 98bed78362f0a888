"""Rows 1 and 2: what feeding a training costs, from the second epoch on and in the first.

    python bench/epoch.py [--data FOLDER] [--rounds 7] [--quick]

Source: JPEG files of quality 90 made in a temporary folder from the images of --data (without it from the embedded ones,
enlarged): 400 whose shorter side is 500 px, and 24 of 12 megapixels. Ours: the pixel store and the batched augmentation
(crop, flip, brightness, contrast, hue, saturation; 128 px out of a store of 160 px, as is advised for 128). Peer:
torchvision's ImageFolder and DataLoader (RandomResizedCrop, flip, ColorJitter, ToTensor, Normalize) with the best of 0, 1
and 2 workers, which is found first. Files are in the system's cache for both.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import _command
from _material import PARTS
from _photos import Photos, photos
from _rounds import Measured, Ratio
from peers import torchvision_epoch as peer
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.recipe import Recipe
from snellen.train.augment import augmenter
from snellen.train.source import PixelSource, Samples

SIZE, STORED, BATCH, LOW = 128, 160, 32, 0.4
HALF = (0.5,) * 3


def opened(folder: Path, cache: Path) -> PixelSource:
    """From files to batches, by our way."""
    parts = [{"name": "crop", "settings": {"low": LOW}} if part["name"] == "crop" else part for part in PARTS]
    recipe = Recipe().change({"data.size": SIZE, "augment.parts": parts}).resolve()
    catalog, pixels = open_pixels(read([folder]), size=STORED, cache=cache)
    classes = catalog.classes
    targets = np.searchsorted(classes, catalog.column("target").astype(str))
    return PixelSource(Samples.of(catalog, targets, pixels), augmenter(recipe, classes, HALF, HALF), seed=0)


def epoch(source: PixelSource, number: int) -> int:
    """Every batch of an epoch in a random order; how many images there were."""
    order = np.random.default_rng(number).permutation(len(source.samples))
    return sum(len(source.batch(order[start : start + BATCH], number)) for start in range(0, len(order), BATCH))


def best_workers(folder: Path) -> tuple[int, dict[int, float]]:
    """Number of workers with which the peer is fastest, and the seconds of an epoch by it (the better of two, warm)."""
    seconds = {}
    for workers in peer.WORKERS:
        batches = peer.loader(folder, workers=workers, size=SIZE, batch=BATCH, low=LOW)
        peer.epoch(batches)
        tries = []
        for _ in range(2):
            start = time.perf_counter()
            peer.epoch(batches)
            tries.append(time.perf_counter() - start)
        seconds[workers] = min(tries)
    return min(seconds, key=lambda workers: seconds[workers]), seconds


def later(made: Photos, folder: Path, given: argparse.Namespace) -> tuple[Ratio, Measured]:
    """Row 1."""
    workers, seconds = best_workers(made.folder)
    batches = peer.loader(made.folder, workers=workers, size=SIZE, batch=BATCH, low=LOW)
    source = opened(made.folder, folder / "cache")
    numbers = iter(range(1, 10**6))
    # One epoch of ours takes a tenth of a second: several of them are timed together, and told for one.
    several = 1 if given.quick else 10

    def ours() -> dict[str, float]:
        start = time.perf_counter()
        for _ in range(several):
            epoch(source, next(numbers))
        return {"epoch": (time.perf_counter() - start) / several}

    measured = _command.measured({"ours": ours, "peer": lambda: peer.epoch(batches)}, given)
    tried = ", ".join(f"{count}: {value:.2f} s" for count, value in seconds.items())
    note = (
        f"{made}; store of {STORED} px, batch {BATCH}. Peer with {workers} workers, its best (an epoch with {tried})."
    )
    return measured.ratio(
        "1", "images/s from epoch 2 on", goal=">= 20", ours="ours epoch", images=made.count, note=note
    ), measured


def first(made: Photos, folder: Path, given: argparse.Namespace, *, name: str, goal: str) -> tuple[Ratio, Measured]:
    """Row 2: from a folder to the end of the first epoch, nothing kept from before."""
    workers, _ = best_workers(made.folder)

    def ours() -> None:
        cache = folder / "fresh"
        epoch(opened(made.folder, cache), 0)
        shutil.rmtree(cache)

    def theirs() -> None:
        peer.epoch(peer.loader(made.folder, workers=workers, size=SIZE, batch=BATCH, low=LOW))

    measured = _command.measured({"ours": ours, "peer": theirs}, given)
    note = (
        f"{made}; from the folder to the end of the epoch: reading, hashing, decoding, measuring, writing the store and "
        f"augmenting against ImageFolder, starting {workers} workers (its best) and an epoch."
    )
    return measured.ratio("2", f"first epoch, {name}", goal=goal, note=note), measured


def main() -> None:
    """Measure and keep."""
    given = _command.parse(_command.parser(__doc__))
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
        folder = Path(name)
        small = photos(
            folder / "small", given.data, count=24 if given.quick else 400, shorter=100 if given.quick else 500
        )
        large = photos(
            folder / "large", given.data, count=4 if given.quick else 24, megapixels=1 if given.quick else 12
        )
        found: Sequence[tuple[Ratio, Measured]] = [
            later(small, folder, given),
            first(small, folder, given, name="500 px", goal="<= 1.10"),
            first(large, folder, given, name="12 megapixels", goal=">= 4"),
        ]
    _command.finish("epoch", [ratio for ratio, _ in found], [measured for _, measured in found], given)


if __name__ == "__main__":
    main()
