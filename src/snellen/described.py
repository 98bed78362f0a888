"""What a part says of itself, read from its file without importing it: what it is, where it comes from, what it serves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from snellen.shelf import SHELVES, Shelf

# A parenthesis that names where something comes from: an id of the inventory, a paper, or a year.
CITED = re.compile(r"\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
REFERENCE = re.compile(r"SPEC |arXiv:|\b(?:19|20)\d\d\b")
REQUIREMENT = re.compile(r"\b[A-Z]\d\b")
OURS = "ours"


@dataclass(frozen=True, slots=True)
class Described:
    """`source`: as the file gives it, OURS where it names none. `serves`: ids of docs/features.md."""

    shelf: str
    name: str
    what: str
    source: str
    serves: tuple[str, ...]


def described(shelf: Shelf, name: str) -> Described:
    """Read the docstring, and the constant SOURCE where there is one."""
    doc = ast.get_docstring(ast.parse(shelf.file(name).read_text(encoding="utf-8"))) or shelf.doc(name)
    what, source = _of_rule(doc) if doc.startswith("What it does") else _of_part(doc)
    source = str(shelf.constant(name, "SOURCE") or source)
    ids = dict.fromkeys(word for part in re.findall(r"SPEC ([^;.]*)", source) for word in REQUIREMENT.findall(part))
    return Described(shelf.name, name, what, source.rstrip(".") or OURS, tuple(ids))


def _of_rule(doc: str) -> tuple[str, str]:
    sections = re.split(r"^(What it does|Why it matters|Known problems|Source)$", doc, flags=re.MULTILINE)
    told = {name: " ".join(text.split()) for name, text in zip(sections[1::2], sections[2::2], strict=True)}
    return _sentence(told["What it does"]), told.get("Source", "")


def _of_part(doc: str) -> tuple[str, str]:
    """The first paragraph, and the first parenthesis in it that names a source."""
    text = " ".join(doc.split("\n\n")[0].split())
    for found in CITED.finditer(text):
        if REFERENCE.search(found[1]):
            return _sentence(text[: found.start()] + text[found.end() :]), found[1]
    return _sentence(text), ""


def _sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence."""
    return re.split(r"(?<=[^.\d][.])\s+(?=[A-Z])", text)[0]


def everything() -> Iterator[Described]:
    """All parts of the house, shelf by shelf."""
    for shelf in SHELVES:
        yield from (described(shelf, name) for name in shelf.names())


def by_requirement() -> str:
    """The table of docs/features.md that maps requirements to parts: Markdown, a row for each id that any part names."""
    places: dict[str, dict[str, list[str]]] = {}
    for part in everything():
        for found in part.serves:
            places.setdefault(found, {}).setdefault(part.shelf, []).append(part.name)
    order = sorted(places, key=lambda found: ("TDMLSEV".find(found[0]), found))
    rows = [
        f"| {found} | {'; '.join(f'{shelf}: ' + ', '.join(names) for shelf, names in places[found].items())} |"
        for found in order
    ]
    return "\n".join(["| id | parts |", "|---|---|", *rows])
