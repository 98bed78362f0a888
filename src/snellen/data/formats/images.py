"""Images without any annotation, for tasks that make their own inputs of them (super-resolution, denoising)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from snellen.data.formats.names import split_in, split_of
from snellen.data.formats.notes import Notes
from snellen.data.formats.pairs import wanted_of
from snellen.data.formats.sample import Reading, Sample
from snellen.data.formats.tree import Parts, images_of, shown

FORMAT = "images"
TASKS = ("images",)
OWN = ()


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """Never: images without annotation are read as such only where that is asked for."""
    return None


def read_images(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """Every image, in whatever folders; a folder called train, val or test says the split.

    Where there are folders of wanted images (HR, GT) beside folders of given ones (LRx2, noisy25), the wanted ones are taken:
    worse ones would teach their own faults. The others are told.
    """
    notes = Notes()
    images = images_of(files)
    wanted = wanted_of(images)
    for image in images if wanted else ():
        if image not in wanted:
            notes.add("given_ignored", shown(image))
    samples = [
        Sample(root, shown(image), split=_split(image), source=name)
        for image in images
        if not wanted or image in wanted
    ]
    return Reading(tasks=TASKS, format=FORMAT, samples=samples, notes=notes.listed())


def _split(image: Parts) -> str:
    return split_of(image[:-1]) or next(filter(None, map(split_in, image[:-1])), "")
