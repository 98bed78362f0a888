"""Read folders and tables of images into one catalog. Nothing is decoded here, and nothing is written."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snellen.catalog import Catalog
from snellen.data import listing
from snellen.data.content import contents, sample_ids
from snellen.data.layout import places, split_name
from snellen.data.listing import KNOWN, Listing, read_listing
from snellen.data.walk import find_images
from snellen.values import SnellenError

METADATA = "metadata.csv"
# A "source" that is different for nearly every image is where it came from, not a group that could dominate.
MOST_SOURCES = 0.5
FEW_SOURCES = 10


@dataclass(frozen=True, slots=True)
class _Sample:
    """One row in the making; `table` is its line of a listing, if there is one."""

    root: Path
    path: str
    target: str
    split: str = ""
    source: str = ""
    table: Mapping[str, str] | None = None


def read(sources: Sequence[Path], *, group: str | None = None) -> Catalog:
    """One catalog of all sources, sorted by source and path; verdicts here are only of files that cannot be read.

    A source is a folder of class folders (below split folders or not; a `metadata.csv` with a `path` column in or
    above it adds split, group, source and metadata), or a CSV, TSV or Parquet file with the columns path and label,
    whose paths are relative to it. `group` names the column that holds what must stay on one side of a split
    (default: `group`). Columns that are not ours become `meta_<name>`. Raises SnellenError where there are fewer than
    two classes to learn.
    """
    roots = _roots(sources)
    ignored: Counter[str] = Counter()
    samples = [sample for root, name in roots.items() for sample in _samples(root, name, ignored)]
    samples = sorted(_real_sources(samples, roots), key=lambda sample: (sample.source, sample.path, str(sample.root)))
    _check_group(samples, group)
    _check_classes(samples, roots)
    catalog = Catalog.of_rows(_rows(samples, group or "group"))
    return catalog.with_about({"ignored": dict(sorted(ignored.items()))})


def ignored(catalog: Catalog) -> dict[str, int]:
    """Number of files that `read` left out, by suffix or reason."""
    return dict(catalog.about("ignored") or {})


def _roots(sources: Sequence[Path]) -> dict[Path, str]:
    """Absolute path of every source with a short name that is its own."""
    if not sources:
        raise SnellenError("no data was given; give a folder of class folders, or a CSV or Parquet file")
    paths = [Path(os.path.abspath(source)) for source in sources]  # noqa: PTH100 (links keep their name)
    for path in paths:
        _check_exists(path)
        if any(other != path and path.is_relative_to(other) for other in paths) or paths.count(path) > 1:
            raise SnellenError(f"{path} is given twice (or lies in another folder that is given); give it once")
    names = [path.name if path.is_dir() else path.stem for path in paths]
    return {
        path: name if names.count(name) == 1 else f"{path.parent.name}/{name}"
        for path, name in zip(paths, names, strict=True)
    }


def _check_exists(path: Path) -> None:
    if path.is_dir() or (path.is_file() and path.suffix.lower() in listing.SUFFIXES):
        return
    if path.exists():
        raise SnellenError(
            f"{path} is neither a folder nor a .csv, .tsv or .parquet file; give the folder of class folders"
        )
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    advice = f"; did you mean {str(path.with_name(near[0]))!r}?" if near else "; check the path"
    raise SnellenError(f"{path} does not exist{advice}")


def _samples(root: Path, name: str, ignored: Counter[str]) -> list[_Sample]:
    return _of_folder(root, name, ignored) if root.is_dir() else _of_listing(read_listing(root), name)


def _of_folder(root: Path, name: str, ignored: Counter[str]) -> list[_Sample]:
    found = find_images(root)
    ignored.update(found.ignored)
    if not found.files:
        others = sum(found.ignored.values())
        raise SnellenError(
            f"{root} holds no images ({others} other files); expected class folders with .jpg, .png, … files in them"
        )
    table = _metadata(root)
    labels = {file: row["label"] for file in found.files if (row := table.get("/".join(file))) and row.get("label")}
    placed = places(found.files, labels)
    if len(placed) < len(found.files):
        ignored["image outside the class folders"] += len(found.files) - len(placed)
    if not placed:
        raise SnellenError(
            f"{root} holds {len(found.files)} images but no class folders; put the images of each class in a folder "
            "of its name, or give a CSV file with the columns path and label"
        )
    samples = []
    for file, place in placed.items():
        row = table.get("/".join(file))
        split = place.split or split_name((row or {}).get("split", ""), where=str(root))
        source = f"{name}/{place.source}" if place.source else name
        samples.append(_Sample(root, "/".join(file), place.target, split, source, row))
    return samples


def _metadata(root: Path) -> dict[str, Mapping[str, str]]:
    """Lines of the metadata table in or right above the folder, by path relative to the folder."""
    for folder, prefix in ((root, ""), (root.parent, f"{root.name}/")):
        file = folder / METADATA
        if file.is_file():
            table = read_listing(file)
            if "path" in table.columns:
                rows = ((_clean(row["path"]), row) for row in table.rows)
                return {path.removeprefix(prefix): row for path, row in rows if path.startswith(prefix)}
    return {}


def _of_listing(table: Listing, name: str) -> list[_Sample]:
    table.need("path", "label")
    if not table.rows:
        raise SnellenError(f"{table.file} lists no images; expected one line per image under the header")
    folder = table.file.parent
    samples = []
    for number, row in enumerate(table.rows, start=2):
        root, path = _located(folder, row["path"])
        if not path:
            raise SnellenError(f"{table.file}: row {number} has no path")
        split = split_name(row.get("split", ""), where=f"{table.file}, row {number}")
        samples.append(_Sample(root, path, row["label"].strip(), split, name, row))
    return samples


def _located(folder: Path, text: str) -> tuple[Path, str]:
    """(root, relative path) of a listed path; one that leaves the table's folder is kept absolute."""
    path = _clean(text)
    if Path(path).is_absolute() or path.startswith("../"):
        whole = Path(os.path.abspath(folder / path))  # noqa: PTH100
        return Path(whole.anchor), whole.relative_to(whole.anchor).as_posix()
    return folder, path


def _clean(text: str) -> str:
    # A backslash is a separator only where it was written by Windows; elsewhere it is a letter of a name.
    path = text.replace("\\", "/") if os.sep == "\\" else text
    return os.path.normpath(path).replace(os.sep, "/") if path else ""


def _real_sources(samples: list[_Sample], roots: Mapping[Path, str]) -> list[_Sample]:
    """Take the source from the tables' `source` (or `domain`) column where it groups the samples."""
    for column in ("source", "domain"):
        given = [(sample.table or {}).get(column, "") for sample in samples]
        kinds = len(set(given) - {""})
        if 0 < kinds <= max(FEW_SOURCES, MOST_SOURCES * len(samples)):
            return [replace(sample, source=name or sample.source) for sample, name in zip(samples, given, strict=True)]
    return samples


def _check_group(samples: Iterable[_Sample], group: str | None) -> None:
    if group is None:
        return
    columns = {name for sample in samples for name in (sample.table or {})}
    if group.lower() not in columns:
        near = difflib.get_close_matches(group.lower(), sorted(columns), n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"columns there are: {', '.join(sorted(columns)) or 'none'}"
        raise SnellenError(f"no table of the data has the column {group!r} that data.group names; {advice}")


def _check_classes(samples: Sequence[_Sample], roots: Mapping[Path, str]) -> None:
    classes = sorted({sample.target for sample in samples} - {""})
    if len(classes) < 2:
        where = ", ".join(str(root) for root in roots)
        there = f"only the class {classes[0]!r}" if classes else "no labelled image"
        raise SnellenError(
            f"{where} holds {there} ({len(samples)} images); a classifier needs two or more. "
            "Give the folder above, or put each class in a folder of its name"
        )


def _rows(samples: Sequence[_Sample], group: str) -> list[dict[str, Any]]:
    found = contents([sample.root / sample.path for sample in samples])
    ids = sample_ids([value for value, _ in found])
    return [
        _row(sample, identity, *state, group.lower())
        for sample, identity, state in zip(samples, ids, found, strict=True)
    ]


def _row(sample: _Sample, identity: str, content: str, verdict: str, group: str) -> dict[str, Any]:
    table = sample.table or {}
    texts = (sample.path, str(sample.root), sample.target, sample.source)
    path, root, target, source = map(_text, texts)
    if texts != (path, root, target, source):
        verdict = "name is not UTF-8"
    elif not target:
        verdict = "no label"
    meta = {f"meta_{name}": value for name, value in table.items() if name not in KNOWN and name}
    return {
        **meta,
        "id": identity,
        "content": content,
        "path": path,
        "root": root,
        "source": source,
        "target": target,
        "split": sample.split,
        "group": table.get(group, ""),
        "annotator": table.get("annotator", ""),
        "verdict": verdict,
    }


def _text(name: str) -> str:
    """The name as UTF-8 can hold it; bytes that are none appear as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
