"""Curate: verbs about the data alone. Compare annotators, take an arbiter's word, hand labels to other tools, expand."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from snellen import store
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.agreement import compare
from snellen.data.arbitration import read_decisions, write_disputes
from snellen.data.consensus import consensus
from snellen.data.exports import export as write_export
from snellen.data.formats.sizes import sizes
from snellen.data.read import DRAWN, read
from snellen.data.split import split
from snellen.opening import unused
from snellen.recipe import Recipe
from snellen.shelf import CATALOG_RULES
from snellen.train.expand import copies, listed
from snellen.values import SnellenError, to_json

# Written by `agree`; `export` takes the first of those that a folder has.
CORRECTED, CONSENSUS, CATALOG = "corrected.parquet", "consensus.parquet", "catalog.parquet"


def agree(
    sources: Sequence[str | Path], *, out: str | Path, decisions: str | Path | None = None, iou: float = 0.5,
    limit: float = 0.05,
) -> dict[str, Any]:  # fmt: skip
    """Compare two or more annotations of the same images; one source each.

    Writes into `out`: agreement.json (rates, kappas, conflicts, with intervals), disputes.jsonl (one line for each, for an
    arbiter to fill in `decision`), and with `decisions` (that file, filled in) consensus.parquet, the catalog of what all
    agree on and what was decided. A disputes.jsonl that is there is never overwritten. Raises SnellenError where there are
    fewer than two sources, their tasks differ, or they have no image in common.
    """
    if len(sources) < 2:
        raise SnellenError(f"{len(sources)} annotation was given; agreement needs two or more of the same images")
    catalogs = [read([Path(source)]) for source in sources]
    found = compare(*catalogs, iou=iou, limit=limit, names=_names(sources))
    folder = Path(out)
    answer: dict[str, Any] = {"summary": dict(found.summary), "disputes": len(found.disputes), "files": []}
    store.write_json(folder / "agreement.json", answer["summary"])
    answer["files"].append(str(folder / "agreement.json"))
    listed = folder / "disputes.jsonl"
    if not listed.is_file():
        write_disputes(found, listed)
    answer["files"].append(str(listed))
    if decisions is not None:
        settled = consensus(found, catalogs, read_decisions(found, Path(decisions)))
        _sized(settled).save(folder / CONSENSUS)
        answer["files"].append(str(folder / CONSENSUS))
    rule = CATALOG_RULES.pick("annotators_disagree")
    answer["findings"] = [to_json(finding) for finding in rule(found.marked(catalogs[0]))]
    return answer


def _sized(catalog: Catalog) -> Catalog:
    """The catalog with the image sizes that an export of drawn objects needs, from the headers; none where that fails."""
    if catalog.task not in DRAWN:
        return catalog
    found = sizes(catalog.paths())
    sides = {
        "width": [size.width if size else None for size in found],
        "height": [size.height if size else None for size in found],
    }
    return catalog.with_columns({name: pa.array(values, type=pa.int32()) for name, values in sides.items()})


def export(folder: str | Path, *, to: str, out: str | Path) -> dict[str, Any]:
    """Write the labels of a case (corrected by a review, where there was one) or of a consensus in another tool's format.

    Returns {"files", "samples", "objects", "left_out": {reason: n}, "changed": {what: n}}; images are never copied. Raises
    SnellenError where the folder holds no catalog, or the format is unknown or cannot hold this task.
    """
    written = write_export(_catalog(Path(folder)), Path(out), to=to)
    return {
        "files": [str(path) for path in written.files], "samples": written.samples, "objects": written.objects,
        "left_out": dict(written.left_out), "changed": dict(written.changed),
    }  # fmt: skip


# What keeps the class of most things, within SPEC D8's ranges.
EXPANDING = (
    {"name": "flip"}, {"name": "rotate"}, {"name": "shift", "settings": {"share": 0.1}}, {"name": "zoom"},
    {"name": "brightness_contrast"}, {"name": "hue_saturation"}, {"name": "gaussian_noise", "settings": {"sd": 0.03}},
)  # fmt: skip


def expand(
    sources: str | Path | Sequence[str | Path], *, out: str | Path, times: int = 3,
    changes: Mapping[str, Any] | None = None, watch: Callable[[Mapping[str, Any]], None] = lambda event: None,
) -> dict[str, Any]:  # fmt: skip
    """Make `times` as many training images: augmented copies as files in `out`/images, all listed in `out`/list.csv.

    The list names originals (where they are) and copies, with label, split and group; `snellen run OUT/list.csv` reads it.
    Where the data has no split it is divided first as `run` would, and only training images get copies: nothing that is
    validated or tested on is augmented, and copies share the group of their original. `changes` are those of a recipe
    (augment.parts, augment.aimed, seed, data.val, data.test, data.group). Raises SnellenError for other tasks than
    classification, for `times` outside of 2 to 10, and for an `out` that is not empty or lies in the data.
    """
    paths = [Path(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    folder = unused(Path(out), paths)
    if not 2 <= times <= 10:
        raise SnellenError(f"times is {times}, expected 2 to 10; 3 to 5 is what small sets are expanded by")
    recipe = Recipe().change({"augment.parts": EXPANDING, **(changes or {})}).resolve()
    catalog = read(paths, group=recipe.data.group)
    if catalog.task != "classification":
        raise SnellenError(
            f"{paths[0]} is annotated for {catalog.task}; copies are made of images with one label. Its images are augmented "
            "as they are trained on (augment.parts)"
        )
    catalog = split(catalog, val=recipe.data.val, test=recipe.data.test, seed=0)
    made, skipped = copies(catalog, recipe, folder, times=times, watch=watch)
    originals = _originals(catalog)
    store.write_text(folder / "list.csv", _table([*originals, *made]))
    store.write_json(
        folder / "expanded.json", {"times": times, "recipe": recipe.plain()["augment"], "skipped": skipped}
    )
    return {
        "files": [str(folder / "list.csv")], "samples": len(originals) + len(made), "copies": len(made),
        "left_out": skipped,
    }  # fmt: skip


def _originals(catalog: Catalog) -> list[dict[str, str]]:
    usable = catalog.usable()
    rows = usable.table.select(["id", "content", "target", "group", "source", "split"]).to_pylist()
    return [
        {"path": str(path), **listed(row), "split": row["split"], "original": ""}
        for row, path in zip(rows, usable.paths(), strict=True)
    ]


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, ["path", "label", "split", "group", "source", "original"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue()


def _catalog(folder: Path) -> Catalog:
    for name in (CORRECTED, CONSENSUS):
        if (folder / name).is_file():
            return Catalog.load(folder / name)
    if not (folder / CATALOG).is_file():
        raise SnellenError(f"{folder} holds no catalog; give a folder that snellen audit, run, train or agree wrote")
    return Case(folder).catalog


def _names(sources: Sequence[str | Path]) -> tuple[str, ...]:
    """What tells the annotators apart: the sources' names, or as much of their paths as differs."""
    paths = [Path(source).absolute() for source in sources]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = tuple("/".join(path.parts[-depth:]) for path in paths)
        if len(set(names)) == len(names):
            return names
    raise SnellenError(f"{paths[0]} is given twice; give the annotations of different people")
