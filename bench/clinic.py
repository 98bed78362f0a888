"""The clinic: planted training faults on small real data: are they found, and does healing help beyond nothing and chance?

    python bench/clinic.py look  [--half tuning] [--kinds a,b] [--sets a,b] [--seeds 3] [--minutes 5] [--again]
    python bench/clinic.py arms  [--half report] …
    python bench/clinic.py table

`look` trains every cell (kind × data × seed) once, lets all rules look, and as many healthy trainings. `arms` spends on the cells
of the report's half, three times: further seeds of the faulty recipe (nothing), random remedies, `heal`; each as many images
as healing took. The data (--data or $SNELLEN_CLAIMS_DATA) are the folders of `_clinic_ground.SETS`. What results/clinic.jsonl holds
is not done again, a run that was stopped goes on from its checkpoint, and --minutes begins no cell after so many minutes.
`look --again` lets today's rules look at the trainings that are kept in --work; nothing is trained. CLINIC.md is the table.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import snellen
from _clinic_arms import arms, fresh, lab_of, look, severities
from _clinic_faults import FAULTS, halves
from _clinic_ground import COLOUR, SETS, Ground, ground, recipe_of
from _clinic_page import page
from snellen import store
from snellen.examine import diagnose
from snellen.opening import cache_folder
from snellen.run import Run
from snellen.store import Journal
from snellen.values import SnellenError

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "results" / "clinic.jsonl", HERE / "CLINIC.md"
DENSE = HERE / "results" / "sabotage_dense.json"
DATA = "SNELLEN_CLAIMS_DATA"
HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Cell:
    """One training to examine: a kind of fault (or none), a dataset, a seed."""

    kind: str
    data: str
    seed: int
    half: str

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.kind}-{self.data}-s{self.seed}"


def main() -> int:
    """Exit code 2 for names that there are not and data that is missing."""
    given = _parser().parse_args()
    os.environ.setdefault("SNELLEN_CACHE", str(given.work / "shared"))
    try:
        if given.what == "look":
            (_again if given.again else _look)(given)
        elif given.what == "arms":
            _arms(given)
        masks = store.read_json(DENSE) if DENSE.is_file() else None
        store.write_text(TABLE, page(latest(Journal(RESULTS).read()), masks))
    except SnellenError as error:
        print(f"clinic: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get(DATA) or HERE.parents[1] / "shared" / "data"
    made.add_argument("what", choices=("look", "arms", "table"))
    made.add_argument("--data", type=Path, default=Path(default), help=f"folder of the datasets (default: ${DATA})")
    made.add_argument("--half", choices=("tuning", "report", "both"), default="both")
    made.add_argument("--kinds", default="", help="with commas between them (default: all, and healthy)")
    made.add_argument("--sets", default=",".join(SETS))
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--minutes", type=float, default=float("inf"))
    made.add_argument("--work", type=Path, default=cache_folder() / "clinic", help="folder of trainings and data")
    made.add_argument("--again", action="store_true")
    return made


def cells(kinds: Sequence[str], sets: Sequence[str], seeds: int, half: str) -> list[Cell]:
    """All that are asked for, seed after seed, so that whatever is done is spread over kinds and data. As many healthy
    trainings as there are faulty ones in all, each of another seed; they are of both halves."""
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


def latest(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every cell and part the last record: `--again` adds, it takes nothing away."""
    return list({(item["part"], *_key(item)): item for item in records}.values())


def _key(item: dict[str, Any]) -> tuple[str, str, int]:
    return item["kind"], item["data"], item["seed"]


def _left(given: argparse.Namespace, part: str) -> Iterator[Cell]:
    """Cells without a record, until the time is up."""
    end = time.monotonic() + 60 * given.minutes
    done = {_key(item) for item in Journal(RESULTS).read() if item["part"] == part}
    kinds = given.kinds.split(",") if given.kinds else [*FAULTS, HEALTHY]
    wanted = cells(kinds, given.sets.split(","), given.seeds, given.half)
    left = [cell for cell in wanted if (cell.kind, cell.data, cell.seed) not in done]
    for number, cell in enumerate(left):
        if time.monotonic() > end:
            print(f"time is up, {len(left) - number} of {len(wanted)} cells are left", flush=True)
            return
        yield cell


@contextlib.contextmanager
def _told(cell: Cell) -> Iterator[None]:
    """A cell that cannot be trained is told; it stays without a record, and the others go on."""
    try:
        yield
    except SnellenError as error:
        print(f"clinic: {cell.name}: {error}", file=sys.stderr, flush=True)


def _look(given: argparse.Namespace) -> None:
    for cell in _left(given, "look"):
        with _told(cell):
            found = _ground(cell, given)
            told = look(lab_of(found, _place(cell, given)), recipe_of(cell.kind, cell.seed))
            _enter("look", cell, {"audit": _new(cell, found, given), **told})


def _arms(given: argparse.Namespace) -> None:
    for cell in _left(given, "arms"):
        if cell.kind == HEALTHY or not FAULTS[cell.kind].healable:
            continue
        with _told(cell):
            found, place = _ground(cell, given), _place(cell, given) / "arms"
            # The weights of the training that was looked at are gone, and healing begins at the beginning anyway.
            told = arms(
                lab_of(found, place), recipe_of(cell.kind, cell.seed), found.findings, (cell.kind, cell.data, cell.seed)
            )
            _enter("arms", cell, told)
            shutil.rmtree(place)


def _again(given: argparse.Namespace) -> None:
    """Today's rules on the trainings and catalogs that are kept."""
    known = {_key(item): item for item in Journal(RESULTS).read() if item["part"] == "look"}
    for cell in cells([*FAULTS, HEALTHY], given.sets.split(","), given.seeds, given.half):
        place = _place(cell, given) / "runs"
        if (cell.kind, cell.data, cell.seed) in known and place.is_dir():
            run = Run.open(place / f"{recipe_of(cell.kind, cell.seed).id}-s{100 * cell.seed}")
            findings = diagnose(run)
            found = {"found": severities(findings), "blind": sorted({f.rule for f in findings if not f.looked})}
            old = known[cell.kind, cell.data, cell.seed]
            new = {**old, **found, "audit": _new(cell, _ground(cell, given), given)}
            if new != old:
                _enter("look", cell, new)


def _new(cell: Cell, found: Ground, given: argparse.Namespace) -> dict[str, str]:
    """What the catalog rules say of these images beyond what they say of the healthy ones; of those, all of it."""
    if cell.kind == HEALTHY:
        return severities(found.findings)
    if FAULTS[cell.kind].spoil is None:
        return {}
    healthy = ground(HEALTHY, cell.data, 0, given.data, given.work)
    return fresh(found.findings, healthy.findings)


def _ground(cell: Cell, given: argparse.Namespace) -> Ground:
    return ground(cell.kind, cell.data, cell.seed, given.data, given.work)


def _place(cell: Cell, given: argparse.Namespace) -> Path:
    place: Path = given.work / "cells" / cell.name
    return place


def _enter(part: str, cell: Cell, told: dict[str, Any]) -> None:
    """One line, whole or not at all."""
    about = {
        "part": part,
        "kind": cell.kind,
        "data": cell.data,
        "seed": cell.seed,
        "half": cell.half,
        "rules": _rules(),
    }
    Journal(RESULTS).append({**told, **about})
    brief = {"found": told.get("found"), "audit": told.get("audit"), "test": told.get("test")}
    if part == "arms":
        brief = {arm: told[arm]["test"] for arm in ("nothing", "random", "heal")}
        brief["adopted"] = [item["remedy"] for item in told["heal"]["verdicts"] if item["decision"] == "adopt"]
    print(f"{part} {cell.name} ({cell.half}): {brief}", flush=True)


def _rules() -> str:
    """A hash of the rules and remedies that spoke."""
    whole = hashlib.blake2b(digest_size=4)
    house = Path(snellen.__file__).parent
    for path in sorted(path for room in ("rules", "remedies") for path in (house / room).rglob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
