"""How the cost of an audit grows: near duplicates, proposing and registering copies, judging labels, the split and the catalog's rules, to 100,000 images.

    python bench/audit_scale.py [--data FOLDER] [--most 100000] [--quick]

Each row of the catalog is a blend of two real images (of --data, else the embedded ones) with another brightness and noise, and has the
label and the measurements of the first; one row in twenty is a slightly changed copy of another row. Its embedding are 64
directions of the same thumbnails, which have the spread of real data; its pixels are blended when they are asked for. Decoding and
embedding cost the same for every image and are told as a rate. Printed: seconds of all processors, and the slope of log seconds over log images
(1: linear, 2: quadratic); beside them the share of copies that were found. Writes results/audit_scale.json and AUDIT.md.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from _audit_whole import write_page
from _command import DATA, command
from _photos import embedded as images_of
from _results import RESULTS, environment
from _rounds import calibration
from snellen import store
from snellen.catalog import OK, Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.measure import THUMB
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.data.split import split
from snellen.examine import audit
from snellen.parts.meters.memory import memory
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.train.copies import proposed, verified
from snellen.train.machine import Setting
from snellen.train.measure import embedded, measure
from snellen.values import FrozenMap

COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
# Images that are measured as material, at which size, and one row of how many is a copy.
BASE, SIZE, COPIES = 4_000, 64, 20
# Images whose embedding is timed; up to so many rows all are compared with all, for comparison.
TIMED, COMPARED = 256, 30_000
# Of the proposed pairs so many are registered at most, and told for all: each costs the same.
REGISTERED = 1_000
STEPS = ("near", "index", "all with all", "register", "split", "judge", "rules")


@dataclass(frozen=True, slots=True)
class Blend:
    """Of every row the two real images, the share of the first, and the light."""

    one: np.ndarray
    other: np.ndarray
    share: np.ndarray
    light: np.ndarray

    @classmethod
    def drawn(cls, count: int, base: int, random: np.random.Generator) -> Blend:
        """As many rows by lot."""
        one, other = random.integers(base, size=(2, count))
        return cls(one, other, random.uniform(0.5, 1, count), random.uniform(0.8, 1.2, count))

    def copied(self, source: np.ndarray) -> Blend:
        """The same; the first rows are copies of the rows `source`, a little brighter."""
        parts = [np.concatenate([part[source], part[len(source) :]]) for part in (self.one, self.other, self.share)]
        return Blend(*parts, np.concatenate([self.light[source] * 1.04, self.light[len(source) :]]))

    def of(self, images: np.ndarray, rows: np.ndarray, noise: float) -> np.ndarray:
        """Some rows [b, …] uint8 of the real `images` [m, …]; the noise of a row is the same every time."""
        shape = (-1, *(1,) * (images.ndim - 1))
        share, light = (part[rows].reshape(shape).astype(np.float32) for part in (self.share, self.light))
        mixed = (images[self.one[rows]] * share + images[self.other[rows]] * (1 - share)) * light
        grain = np.random.default_rng(0).normal(0, noise, (997, *images.shape[1:])).astype(np.float32)
        return np.clip(mixed + grain[rows % 997], 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Blended(Pixels):
    """Pixels that are blended of real ones when they are asked for."""

    blend: Blend | None = None

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """The images of these rows, [b, size, size, 3] uint8."""
        assert self.blend is not None
        return self.blend.of(self.array, rows, 3.0)


def material(folder: Path, cache: Path) -> tuple[Catalog, np.ndarray, str]:
    """Usable samples with their measurements, their pixels [m, SIZE, SIZE, 3], and what the steps that are left out cost."""
    began = time.process_time()
    catalog, pixels = open_pixels(read([folder]), size=SIZE, cache=cache)
    decoding = (time.process_time() - began) / max(1, len(catalog))
    usable = catalog.usable()
    usable = usable.take(np.random.default_rng(0).permutation(len(usable))[:BASE])
    some = usable.take(range(min(TIMED, len(usable))))
    model = Setting().prepare(TASKS.pick("classification")().model(Recipe(), ("a", "b")))
    embedded(some.take(range(8)), pixels, model, Setting(), size=SIZE)
    began = time.process_time()
    embedded(some, pixels, model, Setting(), size=SIZE)
    embedding = (time.process_time() - began) / len(some)
    note = (
        f"Material: {len(usable)} images of {folder.name}. Reading, decoding and measuring a file of it takes {1000 * decoding:.2f} ms of a "
        f"processor, embedding it at {SIZE} px {1000 * embedding:.1f} ms, at any number of them."
    )
    return usable, pixels.gather(pixels.rows_of(usable)), note


def enlarged(base: Catalog, images: np.ndarray, count: int) -> tuple[Catalog, Pixels, np.ndarray]:
    """A catalog of `count` rows with embeddings, its pixels, and for its first rows the row that each is a copy of."""
    random = np.random.default_rng(count)
    source = random.integers(count // COPIES, count, size=count // COPIES)
    blend = Blend.drawn(count, len(base), random).copied(source)
    thumbs = np.concatenate(
        [blend.of(base.column("thumb"), rows, 2.0) for rows in np.array_split(np.arange(count), -(-count // 4096))]
    )
    names = [f"s{row:07d}" for row in range(count)]
    columns = {
        "id": names,
        "content": names,
        "split": random.choice(["train", "val", "test"], count, p=[0.8, 0.1, 0.1]).tolist(),
        "verdict": [OK] * count,
        "thumb": thumbs,
        "embedding": directions(thumbs).astype(np.float16),
    }
    index = FrozenMap({name: row for row, name in enumerate(names)})
    return base.take(blend.one).with_columns(columns), Blended(images, index, blend=blend), source


def timed(base: Catalog, images: np.ndarray, count: int) -> dict[str, Any]:
    """Seconds of the steps, the share of copies that share a cluster with their source, and of those that the
    index proposes with their source."""
    catalog, pixels, source = enlarged(base, images, count)
    embedding, seconds = catalog.column("embedding"), Seconds({})
    pairs = seconds("index", lambda: proposed(embedding))
    if count <= COMPARED:
        seconds("all with all", lambda: compared(embedding.astype(np.float32)))
    some = np.random.default_rng(0).permutation(pairs)[:REGISTERED]
    seconds("register", lambda: verified(some, catalog.column("thumb"), pixels, pixels.rows_of(catalog)))
    seconds.told["register"] *= len(pairs) / max(1, len(some))
    near = seconds("near", lambda: near_clusters(catalog))
    catalog = catalog.with_columns({"near": near})
    unsplit = catalog.with_columns({"split": [""] * count})
    seconds("split", lambda: split(unsplit, val=0.1, test=0.1, seed=0))
    catalog = seconds("judge", lambda: measure(catalog, pixels, nn.Identity(), Setting(), size=SIZE))
    findings = seconds("rules", lambda: audit(catalog.drop_columns(["thumb"])))
    first = near[: len(source)]
    return {
        "images": count, **seconds.told, "found": float(((first == near[source]) & (first >= 0)).mean()),
        "known": float(np.isin(keys(np.stack([np.arange(len(source)), source], axis=1), count), keys(pairs, count)).mean()),
        "pairs": len(pairs),
        "findings": len(findings), "peak_bytes": memory(None)["peak_bytes"],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds by step."""

    told: dict[str, float]

    def __call__(self, step: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        done = work()
        self.told[step] = time.process_time() - began
        return done


def keys(pairs: np.ndarray, count: int) -> np.ndarray:
    """One number for every pair [p, 2] of rows below `count`, whichever comes first, [p]."""
    return np.asarray(pairs.min(axis=1) * count + pairs.max(axis=1))


def compared(points: np.ndarray) -> None:
    """The nearest by comparing all with all, in parts that fit into memory."""
    for start in range(0, len(points), 1024):
        np.argpartition(-(points[start : start + 1024] @ points.T), 6, axis=1)


def directions(thumbs: np.ndarray, count: int = 64) -> np.ndarray:
    """Unit vectors [n, count] of the thumbnails' leading directions: as many numbers as a reduced embedding has."""
    centred = thumbs.reshape(-1, THUMB * THUMB * 3).astype(np.float32) - thumbs.mean(axis=0, dtype=np.float32)
    some = centred[:: max(1, len(centred) // 20_000)]
    points = centred @ np.linalg.eigh(some.T @ some)[1][:, -count:]
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def slope(rows: Sequence[dict[str, Any]], step: str) -> float | None:
    """Least-squares slope of log seconds over log images, of the last three sizes that have the step."""
    known = [row for row in rows if step in row][-3:]
    if len(known) < 2:
        return None
    return float(np.polyfit(np.log([row["images"] for row in known]), np.log([row[step] for row in known]), 1)[0])


def keep(rows: Sequence[dict[str, Any]], note: str) -> None:
    """Write what is known so far."""
    speed = calibration()
    store.write_json(
        RESULTS / "audit_scale.json",
        {
            # The table of ratios reads every result: this one has none.
            "script": "audit_scale", "command": command("audit_scale"), "ratios": [],
            "environment": environment(os.cpu_count() or 1),
            "calibration": {"gemm": speed.gemm, "memcpy": speed.memcpy}, "steps": list(STEPS), "rows": list(rows),
            "slopes": {step: slope(rows, step) for step in STEPS}, "note": note,
        },
    )  # fmt: skip
    write_page()


def main() -> None:
    """Print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ[DATA]) if os.environ.get(DATA) else None)
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="the largest catalog")
    parser.add_argument("--quick", action="store_true", help="to 3,000 images, to see that it runs; nothing is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
        folder = given.data or images_of(Path(name) / "images", each=5 if given.quick else None)
        base, images, note = material(folder, Path(name) / "cache")
        print(note, flush=True)
        timed(base, images, 500)  # Imports and first use are no cost of a size.
        rows: list[dict[str, Any]] = []
        for count in (count for count in COUNTS if count <= (COUNTS[1] if given.quick else given.most)):
            rows.append(timed(base, images, count))
            print(", ".join(f"{key} {value:.4g}" for key, value in rows[-1].items()), flush=True)
            if not given.quick:
                keep(rows, note)
    print("slopes:", {step: slope(rows, step) for step in STEPS})


if __name__ == "__main__":
    main()
