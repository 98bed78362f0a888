"""The clinic's cells: which trainings are asked for, what each is made of, and which records are of what it is made of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from _clinic_faults import FAULTS, digest, halves
from _clinic_ground import COLOUR, SETS, identity, recipe_of
from _clinic_score import HEALTHY
from snellen.values import SnellenError

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """One training to examine: a kind of fault (or none), a dataset, a seed."""

    kind: str
    data: str
    seed: int
    half: str

    @property
    def name(self) -> str:
        """Of its folder, and in what is told."""
        return f"{self.kind}-{self.data}-s{self.seed}"

    @property
    def key(self) -> Key:
        """What its records are found by."""
        return self.kind, self.data, self.seed

    @property
    def healable(self) -> bool:
        """Whether there is a fault that a change of the recipe can undo."""
        return self.kind in FAULTS and FAULTS[self.kind].healable


def cells(kinds: Sequence[str], sets: Sequence[str], seeds: int, half: str) -> list[Cell]:
    """All that are asked for, seed after seed, so that whatever is done is spread over kinds and data. As many healthy
    trainings as there are faulty ones in all, each of another seed and so on other images; they are of both halves."""
    unknown = [name for name in kinds if name not in (*FAULTS, HEALTHY)] + [name for name in sets if name not in SETS]
    if unknown:
        raise SnellenError(f"{unknown[0]!r} is neither a kind nor data; there are {', '.join((*FAULTS, *SETS))}")
    dealt = halves(tuple(SETS))
    known = [(kind, name) for kind in FAULTS for name in SETS if name in COLOUR or not FAULTS[kind].colour]
    found = []
    for seed in range(seeds):
        healthy = dict.fromkeys(SETS, seed)
        for kind, name in known:
            if kind in kinds and name in sets and half in ("both", dealt[kind, name]):
                found.append(Cell(kind, name, seed, dealt[kind, name]))
            if HEALTHY in kinds and name in sets:
                found.append(Cell(HEALTHY, name, healthy[name], "both"))
                healthy[name] += seeds
    return found


@cache
def recipe_id(kind: str) -> str:
    """Of a kind's recipe, spoiled where it spoils one; all seeds share it."""
    return recipe_of(kind, 0).id


def made_of(key: Key, root: Path) -> str:
    """A digest of what a cell is trained with: its recipe, every setting of it, and its images. Records and folders carry it, so that
    nothing of another recipe or of other images is taken for this cell's."""
    kind, name, seed = key
    return digest(recipe_id(kind), identity(kind, name, seed, root))


def key_of(item: Mapping[str, Any]) -> Key:
    """The cell of a record."""
    return item["kind"], item["data"], item["seed"]


def latest(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every cell and part the last record: `--again` and a changed recipe add, they take nothing away."""
    return list({(item["part"], *key_of(item)): item for item in records}.values())


def holds(item: Mapping[str, Any], root: Path) -> bool:
    """Whether a record is of what its cell is made of now; where the dataset is not there to be compared with, by the recipe alone."""
    kind, name, _ = key_of(item)
    if kind not in (*FAULTS, HEALTHY) or name not in SETS:
        return False
    if not (root / name).is_dir():
        return bool(item.get("recipe") == recipe_id(kind))
    return bool(item.get("made_of") == made_of(key_of(item), root))
