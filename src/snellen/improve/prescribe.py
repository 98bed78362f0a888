"""Prescribe: for each finding the remedies that cure it, in the order in which they are worth trying."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from snellen.recipe import Recipe
from snellen.shelf import REMEDIES
from snellen.values import SEVERITIES, Finding, Remedy

# A training that went wrong is mended before anything is tuned: other remedies could not be judged on it. So is a recipe
# that lacks what every recipe has: a remedy that only restores it says RESTORES.
BROKEN = ("nonfinite", "rate_too_high", "gradient_unstable")


@dataclass(frozen=True, slots=True)
class Prescription:
    """A remedy, the finding that it answers, and whether training the head on cached features can show its effect."""

    remedy: Remedy
    finding: Finding
    screens: bool


# A finding this many times beyond its limit promises more than one that has just crossed it.
FAR = 1.5


def _far(finding: Finding) -> bool:
    return float(finding.evidence.get("excess", 1.0)) >= FAR


def prescribe(findings: Iterable[Finding], recipe: Recipe) -> tuple[Prescription, ...]:
    """Remedies in order: broken trainings and recipes first, then by severity, then what lies far beyond its limit, and among equals
    data, structure, training (SPEC S6).

    A patch that several findings ask for is listed once, for the first of them.
    """
    found = []
    for finding in findings:
        for name in REMEDIES.names():
            module = REMEDIES.module(name)
            remedy = getattr(module, name)(finding, recipe) if finding.rule in module.CURES else None
            if remedy is not None:
                rank = (
                    finding.rule not in BROKEN and not getattr(module, "RESTORES", False),
                    -SEVERITIES.index(finding.severity),
                    not _far(finding),
                    module.ORDER,
                )
                found.append((rank, Prescription(remedy, finding, module.SCREENS)))
    kept: dict[str, Prescription] = {}
    for _, prescription in sorted(found, key=lambda item: item[0]):
        kept.setdefault(recipe.change(prescription.remedy.patch).id, prescription)
    kept.pop(recipe.id, None)
    return tuple(kept.values())
