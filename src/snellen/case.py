"""Case: the folder of one dataset's whole path, from the first look to the report. It holds runs, as a file holds records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snellen import store
from snellen.catalog import Catalog
from snellen.run import Run, read_findings, write_findings
from snellen.store import Journal
from snellen.values import Finding, Verdict, to_json


@dataclass(frozen=True, slots=True)
class Case:
    """
    catalog.parquet        samples with measurements and (where made) embeddings
    audit.json             findings of the catalog rules
    plan.json              advice: {"choices": [{"key", "value", "reason", "source"}], "costs": {...}, "budget": seconds|null,
                           "given": {key: value} what the user set}
    settings.json          what the user asked for, for --resume and snellen heal
    runs/<recipe id>-s<seed>/   Run folders
    remedies.json          every remedy proposed, with its patch
    review.jsonl           answers of the review page; corrected.parquet, corrected.json: the catalog that they lead to
    soup.json              which runs were averaged at the end, and what that brought
    pick.json              where runs are not averaged: their scores on validation, and which was taken
    temperature.json       by what the classifier was divided at the end, and what that brought
    looks.json             how many remedies and seeds were planned before the first look
    screened.json          whether heads were trained to screen remedies, decided then
    ledger.jsonl           verdicts, rejected ones too
    final.json             {"run": folder name, "test": {...}, "val": {...}, "val_test": {...}, "leak": {split: {...}},
                           "gates": [...], "artifacts": [...], "latency": [...], "seconds": {...}}
    test_opened.json       which run the test split was opened for: there is no second
    gradcam/*.jpg          overlays, listed in gradcam.json
    model.onnx             the exported model
    screen/, cache/        validation rows of heads alone and cached features; may be deleted
    result.json            what --json prints
    report.html
    """

    folder: Path

    @property
    def catalog(self) -> Catalog:
        """The samples."""
        return Catalog.load(self.folder / "catalog.parquet")

    @property
    def audit(self) -> tuple[Finding, ...]:
        """Findings of the catalog rules; empty where none looked yet."""
        path = self.folder / "audit.json"
        return read_findings(path) if path.is_file() else ()

    def write_audit(self, findings: tuple[Finding, ...]) -> None:
        """Store the catalog rules' findings."""
        write_findings(self.folder / "audit.json", findings)

    def run(self, recipe_id: str, seed: int) -> Run:
        """The run of one recipe and seed (it need not exist yet)."""
        return Run(self.folder / "runs" / f"{recipe_id}-s{seed}")

    @property
    def holds_runs(self) -> bool:
        """Whether the folder is a run, or a case with runs; else it is another tool's, or nobody's."""
        return (self.folder / "recipe.yaml").is_file() or bool(self.runs)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run that was begun."""
        return tuple(Run(path.parent) for path in sorted((self.folder / "runs").glob("*/recipe.yaml")))

    @property
    def _ledger(self) -> Journal:
        return Journal(self.folder / "ledger.jsonl")

    def enter(self, verdict: Verdict) -> None:
        """Append a verdict to the ledger."""
        self._ledger.append(to_json(verdict))

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The ledger, oldest first."""
        return tuple(Verdict(**item) for item in self._ledger.read())

    def read(self, name: str) -> Any:
        """A JSON file of the case by stem; None where it is not there."""
        path = self.folder / f"{name}.json"
        return store.read_json(path) if path.is_file() else None

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file of the case by stem."""
        store.write_json(self.folder / f"{name}.json", value)
