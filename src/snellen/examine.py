"""Examine: see that the measurements exist, then let the rules look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from snellen.catalog import Catalog, MissingSignal
from snellen.run import Run
from snellen.shelf import CATALOG_RULES, METERS, RUN_RULES, Shelf
from snellen.values import SEVERITIES, Finding


def audit(catalog: Catalog) -> tuple[Finding, ...]:
    """What the catalog rules say, worst first. A rule that names TASKS looks at catalogs of these alone."""
    asked = [name for name in CATALOG_RULES.names() if CATALOG_RULES.serves(name, catalog.task)]
    return _looked(CATALOG_RULES, asked, catalog)


def diagnose(run: Run) -> tuple[Finding, ...]:
    """What the run rules say, worst first. A rule that READS meters of other tasks is not asked."""
    return _looked(RUN_RULES, [name for name in RUN_RULES.names() if _readable(name, run.recipe.task)], run)


def _readable(name: str, task: str) -> bool:
    """Whether the meters that the rule READS measure this task at all."""
    return all(
        METERS.serves(meter, task) for meter in RUN_RULES.constant(name, "READS") or () if meter in METERS.names()
    )


def _looked(shelf: Shelf, names: Iterable[str], subject: Catalog | Run) -> tuple[Finding, ...]:
    found = [finding for name in names for finding in _look(shelf.pick(name), name, subject)]
    return tuple(sorted(found, key=lambda finding: (-SEVERITIES.index(finding.severity), finding.rule)))


def _look(rule: Callable[[Any], Iterable[Finding]], name: str, subject: Any) -> list[Finding]:
    try:
        return list(rule(subject))
    except MissingSignal as missing:
        text = f"Not looked at: the rule {name} needs {missing}, which was not measured."
        return [Finding(rule=name, severity="info", message=text, evidence={"needs": str(missing)}, looked=False)]
