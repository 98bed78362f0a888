"""Lines of a text file that nobody vouches for: one at a time, bounded in length, with what was wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snellen.values import SnellenError

LONGEST, HEAD = 1_000_000, 65_536
MOST_COLUMNS = 4_096


@dataclass(slots=True)
class Trouble:
    """What was met while reading: kinds and how often, in the order in which they were met."""

    counts: dict[str, int] = field(default_factory=dict)

    def __call__(self, kind: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind."""
        return tuple(f"{kind} ({count} time{'s' * (count > 1)})" for kind, count in self.counts.items())


def head_of(path: Path) -> bytes:
    """The first 64 kB; raises SnellenError where there are none."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise SnellenError(f"{path} cannot be read ({error.strerror})") from None
    if not head.strip():
        raise SnellenError(f"{path} is empty: there is no training in it to look at")
    return head


def lines(path: Path, trouble: Trouble) -> Iterator[str]:
    """Lines without their ends. Raises SnellenError for a binary file and for a line longer than 1 MB."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST + 1):
            number += 1
            if len(raw) > LONGEST:
                raise SnellenError(f"{path}: line {number} is longer than {LONGEST:,} bytes; this is no training log")
            if b"\0" in raw:
                raise SnellenError(
                    f"{path}: line {number} holds zero bytes, so the file is binary (or UTF-16); give a text log in UTF-8"
                )
            yield _text(raw, number, trouble)


def _text(raw: bytes, number: int, trouble: Trouble) -> str:
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        trouble("lines that are not UTF-8 were read with their foreign signs replaced")
        return raw.decode("utf-8", "replace").rstrip("\r\n")


def ends_whole(path: Path) -> bool:
    """Whether the file's last byte ends a line."""
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() == b"\n"


def delimiter_of(header: str) -> str:
    """The sign that parts the columns of a table: comma, semicolon or tab."""
    return max(",;\t", key=header.count)


def header_of(text: str) -> tuple[str, ...]:
    """Column names of a table's first line, stripped; empty where it is no header."""
    text = text.lstrip("\ufeff")
    try:
        cells = next(csv.reader([text], delimiter=delimiter_of(text)), [])
    except csv.Error:
        return ()
    names = tuple(cell.strip() for cell in cells)
    numeric = sum(number(name) is not None for name in names)
    return () if len(names) < 2 or len(names) > MOST_COLUMNS or numeric > len(names) / 2 else names


def table(path: Path, trouble: Trouble) -> Iterator[dict[str, str]]:
    """Rows of a table with a header as name → cell; of columns with one name the first counts. Blank lines are left out.

    Raises SnellenError where the first row cannot be read; later damage ends the reading and is told.
    """
    given = lines(path, trouble)
    header = next(given, "")
    names = header_of(header)
    if not names:
        raise SnellenError(
            f"{path} has no line of column names; a table of a training begins with one, e.g. epoch,loss,val_loss"
        )
    # The quote that a hostile cell opens ends at the longest field of the csv module, not at the end of the file.
    reader = csv.reader(given, delimiter=delimiter_of(header))
    comma, waiting = delimiter_of(header) == ";", None
    for cells in _rows(reader, path, trouble):
        if len(cells) != len(names):
            trouble(f"rows with another number of cells than the {len(names)} columns were left out")
        if waiting is not None:
            yield waiting
            waiting = None
        if len(cells) != len(names):
            continue
        texts = [cell.replace(",", ".") for cell in cells] if comma else cells
        waiting = dict(zip(reversed(names), reversed(texts), strict=True))
    # A number that was cut in two is still a number: 1e-05 ends as 1.
    if waiting is not None and not ends_whole(path):
        trouble("the last row has no line end, as in a file that was cut off or is being written: it was left out")
    elif waiting is not None:
        yield waiting


def _rows(reader: Any, path: Path, trouble: Trouble) -> Iterator[list[str]]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            trouble(f"reading stopped at line {reader.line_num + 1}, which is no line of a table: {error}")
            return
        except SnellenError as error:
            trouble(f"reading stopped: {str(error).removeprefix(f'{path}: ')}")
            return
        if any(cell.strip() for cell in cells):
            yield cells


def number(text: object) -> float | None:
    """A number of a log, NaN and infinities too; None for anything else (an empty cell, a formula, words)."""
    if isinstance(text, bool) or text is None:
        return None
    if isinstance(text, int | float):
        try:
            return float(text)
        except OverflowError:
            return float("inf")
    try:
        return float(str(text))
    except ValueError:
        return None
