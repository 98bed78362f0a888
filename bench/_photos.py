"""Image files to measure on: photos of a stated size made from the data at hand, and the embedded images as a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from snellen.catalog import SPLITS
from snellen.data.planted import PACKED

SUFFIXES = (".jpg", ".jpeg", ".png")
QUALITY = 90
# An image that is enlarged is smoother than a photo of that size, and so a smaller file: this much noise (standard deviation,
# grey levels) stands for the grain of a camera.
GRAIN = 3.0


@dataclass(frozen=True, slots=True)
class Photos:
    """A folder of class folders, its number of files and their mean size in kilobytes."""

    folder: Path
    count: int
    kilobytes: float

    def __str__(self) -> str:
        return f"{self.count} JPEG files of {self.kilobytes:.0f} kB on average"


def photos(
    folder: Path, data: Path | None, *, count: int, shorter: int | None = None, megapixels: float | None = None
) -> Photos:
    """Write `count` JPEG files of quality 90 with this shorter side, or of so many megapixels, from the images of `data`
    (None: the embedded ones). Where there are fewer images, later copies lose some edge, so that no two files are alike."""
    random = np.random.default_rng(0)
    sizes = []
    for number, (target, image) in enumerate(_sources(data, count)):
        image = _scaled(image, shorter, megapixels)
        path = folder / target / f"photo_{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = random.normal(0, GRAIN, (image.height, image.width, 1)).astype(np.float32)
        grained = np.clip(np.asarray(image, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(grained).save(path, quality=QUALITY)
        sizes.append(path.stat().st_size)
    return Photos(folder, len(sizes), float(np.mean(sizes)) / 1000)


def _sources(data: Path | None, count: int) -> Iterator[tuple[str, Image.Image]]:
    """(class, image), drawn evenly from all classes."""
    if data is None:
        with np.load(PACKED) as packed:
            images, labels, classes = packed["images"], packed["labels"], packed["classes"]
        order = np.random.default_rng(0).permutation(len(images))
        for number in range(count):
            place = order[number % len(images)]
            yield str(classes[labels[place]]), Image.fromarray(images[place]).convert("RGB")
        return
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise SystemExit(f"{data} holds no images ({', '.join(SUFFIXES)})")
    order = np.random.default_rng(0).permutation(len(files))
    for number in range(count):
        path, again = files[order[number % len(files)]], number // len(files)
        with Image.open(path) as image:
            yield path.parent.name, image.convert("RGB").crop((again, again, image.width - again, image.height - again))


def _scaled(image: Image.Image, shorter: int | None, megapixels: float | None) -> Image.Image:
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5 if megapixels else (shorter or 0) / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)


def embedded(folder: Path, *, each: int | None = None) -> Path:
    """The embedded Fashion-MNIST as split/class/*.png; `each`: at most so many of a class in a split."""
    with np.load(PACKED) as packed:
        rows = zip(packed["images"], packed["labels"].tolist(), packed["splits"].tolist(), strict=True)
        classes = packed["classes"].tolist()
        for number, (image, label, split) in enumerate(rows):
            place = folder / SPLITS[split] / classes[label]
            place.mkdir(parents=True, exist_ok=True)
            if each is None or len(list(place.iterdir())) < each:
                Image.fromarray(image).save(place / f"{number:05d}.png")
    return folder
