"""The clinic: planted training faults on small real data: are they found, and does healing help beyond nothing and chance?

    python bench/clinic.py look  [--half tuning] [--kinds a,b] [--sets a,b] [--seeds 3] [--minutes 5] [--again]
    python bench/clinic.py arms  [--half report] …
    python bench/clinic.py table

`look` trains every cell (kind × data × seed) once, lets all rules look, and as many healthy trainings, each on images of its own.
`arms` spends on the cells of the report's half, three times: `heal`, further seeds of the faulty recipe (nothing), random remedies;
each the processor's seconds that healing took (_clinic_bill). The data (--data or $SNELLEN_CLAIMS_DATA) are the folders of
`_clinic_ground.SETS`. What results/clinic.jsonl holds of today's recipe and images is not done again, a run that was stopped goes on
from its checkpoint, and --minutes begins no cell after so many minutes. `look --again` lets today's rules look at the trainings that
are kept in --work; nothing is trained. CLINIC.md is the table. Exit code 1 where a cell could not be done; the others go on.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import snellen
from _clinic_arms import arms, fresh, lab_of, look, severities
from _clinic_cells import Cell, cells, holds, key_of, latest, made_of, recipe_id
from _clinic_faults import FAULTS
from _clinic_ground import SETS, Ground, ground, heard, images_of, let_go, recipe_of
from _clinic_page import page
from _clinic_score import HEALTHY
from snellen import store
from snellen.examine import diagnose
from snellen.opening import cache_folder
from snellen.run import Run
from snellen.store import Journal
from snellen.values import Finding, SnellenError

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "results" / "clinic.jsonl", HERE / "CLINIC.md"
DENSE = HERE / "results" / "sabotage_dense.json"
DATA = "SNELLEN_CLAIMS_DATA"


def main() -> int:
    """Exit code 2 for names that there are not and data that is missing, 1 where a cell failed: which ones is said at the end."""
    given = _parser().parse_args()
    os.environ.setdefault("SNELLEN_CACHE", str(given.work / "shared"))
    failed: list[str] = []
    code = 0
    try:
        if given.what == "look":
            (_again if given.again else _look)(given, failed)
        elif given.what == "arms":
            _arms(given, failed)
        records = latest(Journal(RESULTS).read())
        masks = store.read_json(DENSE) if DENSE.is_file() else None
        store.write_text(TABLE, page([item for item in records if holds(item, given.data)], masks))
        _say_stale(records, given.data)
    except SnellenError as error:
        print(f"clinic: {error}", file=sys.stderr)
        code = 2
    if failed:
        print(f"clinic: {len(failed)} failed: {', '.join(failed)}", file=sys.stderr, flush=True)
    return code or int(bool(failed))


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


def _say_stale(records: list[dict[str, Any]], data: Path) -> None:
    old = [item for item in records if not holds(item, data)]
    if old:
        print(f"{len(old)} of {len(records)} records are of other recipes or images and are left out", flush=True)


def _wanted(given: argparse.Namespace, part: str) -> list[Cell]:
    kinds = given.kinds.split(",") if given.kinds else [*FAULTS, HEALTHY]
    found = cells(kinds, given.sets.split(","), given.seeds, given.half)
    return [cell for cell in found if part == "look" or cell.healable]


def _left(given: argparse.Namespace, part: str) -> Iterator[Cell]:
    """Cells without a record of what they are made of now, until the time is up."""
    end = time.monotonic() + 60 * given.minutes
    done = {key_of(item): item.get("made_of") for item in latest(Journal(RESULTS).read()) if item["part"] == part}
    wanted = _wanted(given, part)
    left = [cell for cell in wanted if done.get(cell.key) != made_of(cell.key, given.data)]
    for number, cell in enumerate(left):
        if time.monotonic() > end:
            print(f"time is up, {len(left) - number} of {len(wanted)} cells are left", flush=True)
            return
        yield cell


@contextlib.contextmanager
def _told(cell: Cell, failed: list[str]) -> Iterator[None]:
    """A cell that cannot be done is told, here and at the end; it stays without a record, and the others go on."""
    try:
        yield
    except SnellenError as error:
        failed.append(cell.name)
        print(f"clinic: {cell.name}: {error}", file=sys.stderr, flush=True)


def _look(given: argparse.Namespace, failed: list[str]) -> None:
    for cell in _left(given, "look"):
        with _told(cell, failed):
            found = _ground(cell, given)
            told = look(lab_of(found, _place(cell, given)), recipe_of(cell.kind, cell.seed))
            _enter("look", cell, {"audit": _new(cell, found.findings, given), **told}, given)
            # Faulty trainings of the first seeds are compared with the healthy ones on the same images; no other is.
            if cell.kind == HEALTHY and cell.seed >= given.seeds:
                let_go(cell.data, cell.seed, given.data, given.work)


def _arms(given: argparse.Namespace, failed: list[str]) -> None:
    for cell in _left(given, "arms"):
        with _told(cell, failed):
            # The weights of the training that was looked at are gone, and healing begins at the beginning anyway. What other
            # rules have begun is not gone on with: their verdicts would stand beside those of today's.
            place = _place(cell, given) / f"arms-{_rules()}"
            told = arms(_ground(cell, given), place, recipe_of(cell.kind, cell.seed), cell.key)
            _enter("arms", cell, told, given)
            for old in place.parent.glob("arms*"):
                shutil.rmtree(old)


def _again(given: argparse.Namespace, failed: list[str]) -> None:
    """Today's rules on the trainings and catalogs that are kept."""
    records = [item for item in latest(Journal(RESULTS).read()) if item["part"] == "look"]
    known = {key_of(item): item for item in records if holds(item, given.data)}
    for cell in _wanted(given, "look"):
        with _told(cell, failed):
            place = _place(cell, given) / "runs" / f"{recipe_id(cell.kind)}-s{100 * cell.seed}"
            if cell.key not in known or not place.is_dir():
                continue
            findings = diagnose(Run.open(place))
            found = {"found": severities(findings), "blind": sorted({f.rule for f in findings if not f.looked})}
            old = known[cell.key]
            new = {**old, **found, "audit": _new(cell, _heard(cell.kind, cell, given), given)}
            if new != old:
                _enter("look", cell, new, given)


def _new(cell: Cell, found: tuple[Finding, ...], given: argparse.Namespace) -> dict[str, str]:
    """What the catalog rules say of these images beyond what they say of the healthy ones of this seed; of those, all of it."""
    if cell.kind == HEALTHY:
        return severities(found)
    return fresh(found, _heard(HEALTHY, cell, given)) if images_of(cell.kind) else {}


def _heard(kind: str, cell: Cell, given: argparse.Namespace) -> tuple[Finding, ...]:
    return heard(kind, cell.data, cell.seed, given.data, given.work)


def _ground(cell: Cell, given: argparse.Namespace) -> Ground:
    return ground(cell.kind, cell.data, cell.seed, given.data, given.work)


def _place(cell: Cell, given: argparse.Namespace) -> Path:
    place: Path = given.work / "cells" / f"{cell.name}-{made_of(cell.key, given.data)}"
    return place


def _enter(part: str, cell: Cell, told: dict[str, Any], given: argparse.Namespace) -> None:
    """One line, whole or not at all."""
    about = {
        "part": part, "kind": cell.kind, "data": cell.data, "seed": cell.seed, "half": cell.half, "rules": _rules(),
        "recipe": recipe_id(cell.kind), "made_of": made_of(cell.key, given.data),
    }  # fmt: skip
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
