"""What a task's kind of rows adds to the page: two sections of its own, charts, and what their templates read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snellen.report.charts import Figure
from snellen.report.material import Material
from snellen.report.words import Words
from snellen.shelf import SECTIONS, TASKS

# The page of data that no task trains on, or of a case that has not come so far.
PLAIN = "classes"


@dataclass(frozen=True, slots=True)
class Shown:
    """Charts by name, notes by the same names, and views by the names that the section's templates use."""

    figures: Mapping[str, Figure] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """One file of report/sections: `name`; `scores` and `pictures` are its sections of the page. Each has a template
    section_<name>.html and texts nav.<name>, sections.<name> (and shares.<kind>, losses.<kind> for the axes of curves)."""

    name: str
    scores: str
    pictures: str

    def show(self, material: Material, words: Words) -> Shown:
        """What it makes of a case."""
        shown: Shown = SECTIONS.pick(self.name)(material, words)
        return shown


def section_of(material: Material) -> Section:
    """The section of the case's task: of its recipe, else of what its annotations are for."""
    name = str(TASKS.constant(_task(material), "SECTION") or PLAIN) if _task(material) else PLAIN
    return Section(name, str(SECTIONS.constant(name, "SCORES")), str(SECTIONS.constant(name, "DRAWN")))


def _task(material: Material) -> str:
    if material.recipe is not None:
        return material.recipe.task
    data = material.catalog.task if material.catalog is not None else ""
    return next((name for name in TASKS.names() if TASKS.constant(name, "DATA") == data), "")


def note_left(notes: dict[str, str], name: str, left: int, words: Words) -> None:
    """Note under a chart's name how many classes or samples it has no room for."""
    if left:
        notes[name] = words(f"left.{name}", {"n": left})
