"""How the cost of an audit grows: near duplicates, the index of embeddings and the catalog's rules, to 100,000 images.

    python bench/audit_scale.py [--data FOLDER] [--most 100000] [--quick]

Each row of the catalog is a blend of two real images' thumbnails (of --data, else the embedded ones) with another brightness and
noise, and has the measurements of the first; one row in twenty is a slightly changed copy of another row. The index is asked for
the neighbours of 64 directions of the same thumbnails, which have the spread of real data. Printed: seconds, and the slope of log seconds over log images (1: linear, 2: quadratic); beside them the share of copies that were found.
Not part of RESULTS.md: there is no peer.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from _command import DATA
from _photos import embedded
from snellen.catalog import OK, Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.index import nearest
from snellen.data.measure import THUMB
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.examine import audit

COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
# Images that are measured as material, and one row of how many is a copy.
BASE, COPIES = 4_000, 20


def material(folder: Path, cache: Path) -> Catalog:
    """Usable samples with their measurements."""
    catalog, _ = open_pixels(read([folder]), size=64, cache=cache)
    usable = catalog.usable()
    return usable.take(np.random.default_rng(0).permutation(len(usable))[:BASE])


def enlarged(base: Catalog, count: int) -> tuple[Catalog, np.ndarray]:
    """A catalog of `count` rows, and for its first rows the row that each is a copy of."""
    random = np.random.default_rng(count)
    one, other = random.integers(len(base), size=(2, count))
    images = base.column("thumb").astype(np.float32)
    share = random.uniform(0.5, 1, (count, 1)).astype(np.float32)
    thumbs = images[one] * share + images[other] * (1 - share)
    thumbs = thumbs * random.uniform(0.8, 1.2, (count, 1)) + random.normal(0, 6, thumbs.shape)
    copies = count // COPIES
    source = random.integers(copies, count, size=copies)
    thumbs[:copies] = thumbs[source] * 1.04 + random.normal(0, 2, (copies, THUMB * THUMB * 3))
    names = [f"s{row:07d}" for row in range(count)]
    columns = {
        "id": names,
        "content": names,
        "split": random.choice(["train", "val", "test"], count, p=[0.8, 0.1, 0.1]).tolist(),
        "verdict": [OK] * count,
        "thumb": np.clip(thumbs, 0, 255).astype(np.uint8),
    }
    return base.take(one).with_columns(columns), source


def timed(base: Catalog, count: int) -> dict[str, float]:
    """Seconds of the parts, the share of copies that share a cluster with their source, and of those whose source is their
    nearest in the index."""
    catalog, source = enlarged(base, count)
    start = time.perf_counter()
    near = near_clusters(catalog)
    middle = time.perf_counter()
    findings = audit(catalog.with_columns({"near": near}).drop_columns(["thumb"]))
    end = time.perf_counter()
    first = near[: len(source)]
    found = float(((first == near[source]) & (first >= 0)).mean())
    points = directions(catalog.column("thumb"))
    begin = time.perf_counter()
    rows, _ = nearest(points, 6)
    index = time.perf_counter() - begin
    known = float((rows[: len(source)] == source[:, None]).any(axis=1).mean())
    return {
        "near": middle - start, "index": index, "rules": end - middle, "found": found, "known": known, "findings": len(findings),
    }  # fmt: skip


def directions(thumbs: np.ndarray, count: int = 64) -> np.ndarray:
    """Unit vectors [n, count] of the thumbnails' leading directions: as many numbers as a reduced embedding has."""
    centred = thumbs.astype(np.float32) - thumbs.mean(axis=0, dtype=np.float32)
    some = centred[:: max(1, len(centred) // 20_000)]
    points = centred @ np.linalg.eigh(some.T @ some)[1][:, -count:]
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def slope(counts: Sequence[int], seconds: Sequence[float]) -> float:
    """Least-squares slope of log seconds over log images, of the last three sizes."""
    return float(np.polyfit(np.log(counts[-3:]), np.log(seconds[-3:]), 1)[0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ[DATA]) if os.environ.get(DATA) else None)
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="the largest catalog")
    parser.add_argument("--quick", action="store_true", help="to 3,000 images, to see that it runs")
    given = parser.parse_args()
    most = COUNTS[1] if given.quick else given.most
    counts = [count for count in COUNTS if count <= most]
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
        each = 5 if given.quick else None
        folder = given.data or embedded(Path(name) / "images", each=each)
        base = material(folder, Path(name) / "cache")
        timed(base, 500)  # Imports and first use are no cost of a size.
        rows = []
        print(f"material: {len(base)} images, {os.cpu_count()} cores")
        print(
            f"{'images':>8}  {'near (s)':>9}  {'found':>6}  {'index (s)':>9}  {'found':>6}  {'rules (s)':>9}  findings"
        )
        for count in counts:
            rows.append(timed(base, count))
            row = rows[-1]
            print(
                f"{count:>8}  {row['near']:>9.2f}  {row['found']:>6.1%}  {row['index']:>9.2f}  {row['known']:>6.1%}  "
                f"{row['rules']:>9.2f}  {row['findings']:.0f}",
                flush=True,
            )
    for part in ("near", "index", "rules"):
        print(f"slope of {part} over the last sizes: {slope(counts, [row[part] for row in rows]):.2f}")


if __name__ == "__main__":
    main()
