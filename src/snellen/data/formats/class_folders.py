"""Class folders: the class of an image is the name of a folder above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from snellen.data.formats.metadata import lines_about, tell_unused
from snellen.data.formats.notes import Notes
from snellen.data.formats.sample import Reading, Sample
from snellen.data.layout import places, split_name
from snellen.data.walk import find_images
from snellen.values import SnellenError

FORMAT = "class folders"


def read_class_folders(root: Path, name: str) -> Reading:
    """Every image below a class folder. Raises SnellenError where there are no images, or no class folders."""
    found = find_images(root)
    ignored = Counter(found.ignored)
    if not found.files:
        others = sum(found.ignored.values())
        raise SnellenError(
            f"{root} holds no images ({others} other files); expected class folders with .jpg, .png, … files in them"
        )
    table = lines_about(root, ("path",))
    notes = Notes()
    tell_unused(table, {"/".join(file) for file in found.files}, notes)
    labels = {file: row["label"] for file in found.files if (row := table.get("/".join(file))) and row.get("label")}
    placed = places(found.files, labels)
    if len(placed) < len(found.files):
        ignored["image outside the class folders"] += len(found.files) - len(placed)
    if not placed:
        raise SnellenError(
            f"{root} holds {len(found.files)} images but no class folders; put the images of each class in a folder "
            "of its name, or give a CSV file with the columns path and label; images alone are enough for --task "
            "super-resolution and denoising"
        )
    samples = []
    for file, place in placed.items():
        line: Mapping[str, str] | None = table.get("/".join(file))
        split = place.split or split_name((line or {}).get("split", ""), where=str(root))
        source = f"{name}/{place.source}" if place.source else name
        samples.append(Sample(root, "/".join(file), place.target, split, source, line))
    return Reading(tasks=("classification",), format=FORMAT, samples=samples, notes=notes.listed(), ignored=ignored)
