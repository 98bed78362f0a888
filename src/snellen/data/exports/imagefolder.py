"""A list of images as CSV: what is said of a whole image (its class, its labels, its mask, the image that is wanted)."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from snellen import store
from snellen.catalog import Catalog
from snellen.data.exports._select import Exported, select

TASKS = ("classification", "multilabel", "segmentation", "restoration")
# Name in the list, and the catalog's column.
COLUMNS = {
    "classification": ("label", "target"),
    "multilabel": ("labels", "labels"),
    "segmentation": ("mask", "mask"),
    "restoration": ("pair", "pair"),
}
BETWEEN = "|"


def imagefolder(catalog: Catalog, folder: Path) -> Exported:
    """`labels.csv` with path, label (labels with | between them; mask; pair) and split; nothing is moved or copied."""
    chosen = select(catalog, folder, name="imagefolder", tasks=TASKS)
    name, column = COLUMNS[catalog.task]
    values = catalog.table.column(column).to_pylist()
    sink = io.StringIO()
    lines = csv.writer(sink, lineterminator="\n")
    lines.writerow(("path", name, "split"))
    for sample in chosen.samples:
        value = values[sample.row]
        lines.writerow((sample.path, BETWEEN.join(value or ()) if column == "labels" else value or "", sample.split))
    file = Path(folder) / "labels.csv"
    store.write_text(file, sink.getvalue())
    return chosen.done([file])
