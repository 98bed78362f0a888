"""Head: the beginning of a file, by which its format is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from snellen.foreign.lines import head_of, header_of


@dataclass(frozen=True, slots=True)
class Head:
    """`data`: the first 64 kB; `text`: them as text, "" where they are binary; `columns`: of a table, else empty."""

    path: Path
    data: bytes
    text: str
    columns: tuple[str, ...]

    @classmethod
    def of(cls, path: Path) -> Head:
        """Read it; raises SnellenError for an empty file or one that cannot be read."""
        data = head_of(path)
        text = "" if b"\0" in data else data.decode("utf-8", "replace").lstrip("\ufeff")
        first = text.split("\n", 1)[0].rstrip("\r")
        columns = () if text.lstrip().startswith(("{", "[")) else header_of(first)
        return cls(path, data, text, columns)
