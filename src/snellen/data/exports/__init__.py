"""Write a catalog's labels in the formats of other tools: one file here is one format. Images are never copied."""

from __future__ import annotations

import importlib
from pathlib import Path

from snellen.catalog import Catalog
from snellen.data.exports._select import Exported
from snellen.shelf import hint
from snellen.values import SnellenError

__all__ = ["Exported", "export", "names"]


def names() -> tuple[str, ...]:
    """The formats there are, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")))


def export(catalog: Catalog, folder: Path, *, to: str) -> Exported:
    """Write the labels of the usable samples into `folder`.

    Raises SnellenError for a format that there is not or that cannot hold this task, for a folder that is not empty, and
    for one that lies inside the data.
    """
    if to not in names():
        raise SnellenError(f"there is no export {to!r}{hint(to, names())}")
    module = importlib.import_module(f"snellen.data.exports.{to}")
    written = getattr(module, to)(catalog, Path(folder))
    assert isinstance(written, Exported)
    return written
