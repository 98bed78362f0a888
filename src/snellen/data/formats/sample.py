"""What reading a format gives: samples in the making, and facts on all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One row in the making.

    `path` is relative to `root`, with forward slashes; `table` its line of a listing, if there is one; `objects` are dicts
    with the fields of `annotations.OBJECT`; `mask` and `pair` are paths relative to `root`; `verdict` is empty where
    only the file itself decides.
    """

    root: Path
    path: str
    target: str = ""
    split: str = ""
    source: str = ""
    table: Mapping[str, str] | None = None
    objects: Sequence[Mapping[str, Any]] = ()
    mask: str = ""
    pair: str = ""
    labels: Sequence[str] = ()
    verdict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All samples of one source; none where nothing of it can be used.

    `tasks`: what the annotations can serve, the richest first; `classes`: names in order, or id → name where pixels hold
    the ids; `notes`: see formats/notes; `ignored`: number of files left out, by suffix or reason.
    """

    tasks: Sequence[str]
    format: str
    samples: Sequence[Sample]
    classes: Sequence[str] | Mapping[str, str] = ()
    keypoints: Sequence[str] = ()
    notes: Sequence[Mapping[str, Any]] = ()
    ignored: Mapping[str, int] = field(default_factory=Counter)
