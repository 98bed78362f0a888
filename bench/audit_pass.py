"""What the audit's passes cost: pixel measurements beside decoding alone, copies and transforms beside the embedding.

    python bench/audit_pass.py [--data FOLDER] [--rounds 3] [--quick]

The pass that fills the pixel store measures whatever rules read of pixels alone. Peer: the same decoding by Pillow with as many threads,
written to a file of the same kind, and nothing measured (peers/decode_only.py). Files: JPEG of 500 px and of 12 megapixels made
from the images of --data, and the first of its own files. Then the embedding of the same images is timed, the search for copies with the
registration of what is proposed, and the look at transforms, all in one round. Files are in the system's cache for both sides. Told
are seconds of all processors together, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import _command
from _photos import embedded as images_of
from _photos import photos
from _rounds import Measured, Ratio, Side, measure
from peers import decode_only as peer
from snellen.catalog import Catalog
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.survey import stored_size
from snellen.train.copies import copies
from snellen.train.machine import Setting
from snellen.train.measure import embedded
from snellen.train.semantics import measure_transforms

STORED = 160


def spent(sides: Mapping[str, Side], given: argparse.Namespace) -> Measured:
    """The sides by turns, in seconds of all processors: what other programs do meanwhile does not count, so no round is dropped."""
    return measure(sides, rounds=given.rounds, threads=given.threads, choosy=False, clock=time.process_time)


def filled(
    catalog: Catalog, folder: Path, given: argparse.Namespace, *, name: str, size: int, of: str
) -> tuple[Ratio, Measured]:
    """The pass that fills the store, from a catalog that is read already."""
    files, cache = catalog.usable().paths(), folder / "fresh"

    def ours() -> None:
        open_pixels(catalog, size=size, cache=cache)
        shutil.rmtree(cache)

    def theirs() -> None:
        peer.decode(files, size, folder / "peer.npy")

    sides = {"ours": ours, "peer": theirs, "nowhere": lambda: peer.decode(files, size, None)}
    measured = spent(sides, given)
    bare = measured.ratio("audit", "", goal="<= 1.15", peer="nowhere")
    note = (
        f"{of}, {size} px stored: decoding, measuring, writing pixels and measurements, against decoding and writing; against decoding "
        f"that writes nothing {bare.ratio:.2f} [{bare.low:.2f}, {bare.high:.2f}]."
    )
    return measured.ratio("audit", f"pixel measurements, {name}", goal="<= 1.15", note=note), measured


def looked(catalog: Catalog, folder: Path, given: argparse.Namespace) -> tuple[list[Ratio], Measured]:
    """Copies and transforms beside the embedding of the same images."""
    size = stored_size(catalog)
    catalog, pixels = open_pixels(catalog, size=size, cache=folder / "cache")
    model = Setting().prepare(TASKS.pick("classification")().model(Recipe(), catalog.classes or ("a", "b")))
    told: dict[str, int] = {}

    def ours() -> dict[str, float]:
        seconds: dict[str, float] = {}
        seen = _timed("embedding", seconds, lambda: embedded(catalog, pixels, model, Setting(), size=size))
        told["copies"] = len(_timed("copies", seconds, lambda: copies(seen, pixels)))
        _timed("transforms", seconds, lambda: measure_transforms(seen, pixels, model, Setting(), size=size))
        return seconds

    measured = spent({"ours": ours}, given)
    of = f"{len(catalog)} images at {size} px"
    notes = {
        "copies": f"{of}: searching neighbours and registering what is proposed ({told['copies']} pairs verified)",
        "transforms": f"{of}: at most 360 of them are looked at again, mirrored and turned, however many there are",
    }
    why = "The ratio is how many times as long the embedding of all images takes."
    return [
        measured.ratio(
            "audit", f"{name} beside the embedding", ours=f"ours {name}", peer="ours embedding", goal="",
            note=f"{note}. {why}",
        )
        for name, note in notes.items()
    ], measured  # fmt: skip


def _timed(name: str, seconds: dict[str, float], work: Callable[[], Any]) -> Any:
    began = time.process_time()
    done = work()
    seconds[name] = time.process_time() - began
    return done


def first(catalog: Catalog, count: int) -> Catalog:
    """The first usable samples in the order of their ids, which are hashes: a fixed random part."""
    usable = catalog.usable()
    return usable.take(np.argsort(np.asarray(usable.ids, dtype=str), kind="stable")[:count])


def main() -> None:
    """Measure and keep."""
    given = _command.parse(_command.parser(__doc__, rounds=3))  # A round takes minutes.
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
        folder = Path(name)
        made = {
            "500 px": photos(folder / "small", given.data, count=24 if given.quick else 400, shorter=500),
            "12 megapixels": photos(folder / "large", given.data, count=4 if given.quick else 24, megapixels=12),
        }
        own = first(read([given.data or images_of(folder / "images")]), 40 if given.quick else 600)
        found: list[tuple[Sequence[Ratio], Measured]] = []
        for kind, those in made.items():
            row, measured = filled(read([those.folder]), folder, given, name=kind, size=STORED, of=str(those))
            found.append(([row], measured))
        size = stored_size(own)
        row, measured = filled(
            own, folder, given, name="the data's files", size=size, of=f"{len(own)} files of the data"
        )
        found += [([row], measured), looked(own, folder, given)]
    ratios = [ratio for rows, _ in found for ratio in rows]
    _command.finish("audit_pass", ratios, [measured for _, measured in found], given)


if __name__ == "__main__":
    main()
