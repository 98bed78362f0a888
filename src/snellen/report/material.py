"""Material: everything a case has stored, read once. What is not there is empty, and the page says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snellen.case import Case
from snellen.catalog import Catalog, MissingSignal
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.values import Finding, Verdict

METERS = ("loss", "recall", "gradient", "update", "rate", "speed", "memory", "nonfinite")
SPLITS = ("test", "val")


@dataclass(frozen=True, slots=True)
class Material:
    """`run` is the run that the case ended with, else its newest; `audited` whether the catalog rules looked."""

    case: Case
    catalog: Catalog | None
    audit: tuple[Finding, ...]
    audited: bool
    settings: Mapping[str, Any]
    plan: Mapping[str, Any]
    final: Mapping[str, Any]
    remedies: tuple[Mapping[str, Any], ...]
    verdicts: tuple[Verdict, ...]
    gradcam: tuple[Mapping[str, Any], ...]
    runs: tuple[Run, ...]
    run: Run | None
    recipe: Recipe | None
    signals: Mapping[str, tuple[Mapping[str, Any], ...]]
    predictions: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the data set: the last folder of its roots, else of the case."""
        names = [root.replace("\\", "/").rstrip("/").split("/")[-1] for root in self.roots]
        return " + ".join(name for name in names if name) or self.case.folder.resolve().name

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders that the catalog was read from, in order."""
        return (
            tuple(dict.fromkeys(self.catalog.column("root").astype(str).tolist())) if self.catalog is not None else ()
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the run rules said of `run`."""
        return self.run.findings if self.run is not None else ()

    @property
    def examined(self) -> bool:
        """Whether the run rules have looked at `run`."""
        return self.run is not None and (self.run.folder / "findings.json").is_file()

    @property
    def environment(self) -> Mapping[str, Any]:
        """Machine and versions of `run`; empty where it has none."""
        there = self.run is not None and (self.run.folder / "environment.json").is_file()
        return self.run.environment if self.run is not None and there else {}

    @property
    def cost(self) -> Mapping[str, Any]:
        """Seconds, epochs, steps of `run`; empty while it is not done."""
        return self.run.cost if self.run is not None and self.run.done else {}

    @property
    def rows(self) -> tuple[str, Any] | None:
        """The split that the numbers are from, with its stored rows: test if it was opened, else validation."""
        return next(((split, self.predictions[split]) for split in SPLITS if split in self.predictions), None)

    def tree_of(self, recipe_id: str) -> Mapping[str, Any]:
        """The resolved recipe with this id as nested dicts, from any of its runs; empty where the case has none."""
        match = next((run for run in self.runs if run.folder.name.rpartition("-s")[0] == recipe_id), None)
        return match.recipe.plain() if match is not None else {}


def gather(case: Case) -> Material:
    """Read a case; every file of it may be missing."""
    runs, final = case.runs, case.read("final") or {}
    run = _chosen(runs, final)
    catalog = (case.folder / "catalog.parquet").is_file()
    return Material(
        case=case,
        catalog=case.catalog
        if catalog
        else (run.catalog if run and (run.folder / "catalog.parquet").is_file() else None),
        audit=case.audit,
        audited=(case.folder / "audit.json").is_file(),
        settings=case.read("settings") or {},
        plan=case.read("plan") or {},
        final=final,
        remedies=tuple(case.read("remedies") or ()),
        verdicts=case.verdicts,
        gradcam=tuple(case.read("gradcam") or ()),
        runs=runs,
        run=run,
        recipe=run.recipe if run else _planned(case),
        signals={meter: _signals(run, meter) for meter in METERS},
        predictions=_predictions(run),
    )


def _chosen(runs: tuple[Run, ...], final: Mapping[str, Any]) -> Run | None:
    named = [run for run in runs if run.folder.name == final.get("run")]
    newest = sorted(runs, key=lambda run: (run.done, (run.folder / "recipe.yaml").stat().st_mtime_ns))
    return named[0] if named else (newest[-1] if newest else None)


def _planned(case: Case) -> Recipe | None:
    planned = (case.read("plan") or {}).get("recipe")
    return Recipe.make(planned) if planned else None


def _signals(run: Run | None, meter: str) -> tuple[Mapping[str, Any], ...]:
    try:
        return run.signals(meter) if run is not None else ()
    except MissingSignal:
        return ()


def _predictions(run: Run | None) -> dict[str, Any]:
    there = [s for s in SPLITS if run is not None and (run.folder / "predictions" / f"{s}.parquet").is_file()]
    found = {split: run.predictions(split) for split in there if run is not None}
    return {split: rows for split, rows in found.items() if len(rows.ids)}
