"""What is said of files that nobody labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snellen.values import FrozenMap


@dataclass(frozen=True, slots=True)
class Said:
    """Of one file. `verdict`: "ok", or in two words why it cannot be used; `row`: what its table line holds, by column; `short`: the
    answer in a word, to be counted; `picture`: a PIL image, where the answer is one."""

    verdict: str
    row: Mapping[str, Any] = field(default_factory=FrozenMap)
    short: str = ""
    picture: Any = None


@dataclass(frozen=True, slots=True)
class Sayer:
    """`columns` of the table that every row has; `say(files)` → one `Said` for each."""

    columns: tuple[str, ...]
    say: Callable[[Sequence[Path]], list[Said]]
