"""Prescribe: for each finding the remedies that cure it, in the order in which they are worth trying."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import ModuleType

from snellen.improve.experience import Promise
from snellen.improve.score import paired
from snellen.recipe import Recipe
from snellen.shelf import REMEDIES, TASKS
from snellen.values import SEVERITIES, Finding, Remedy

# A training that went wrong is mended before anything is tuned: other remedies could not be judged on it. So is a recipe
# that lacks what every recipe has: a remedy that only restores it says RESTORES. Causes stand before what they bring about:
# a rate that is too high also spoils the statistics of batch normalisation.
BROKEN = (
    "nonfinite",
    "momentum_too_high",
    "rate_too_high",
    "diverging",
    "steps_too_large",
    "steps_too_small",
    "gradient_exploding",
    "gradient_vanishing",
    "dead_units",
    "collapsed",
    "background_takes_all",
    "broken_norm",
    "gradient_unstable",
)


@dataclass(frozen=True, slots=True)
class Prescription:
    """A remedy, the finding that it answers, and whether training the head on cached features can show its effect."""

    remedy: Remedy
    finding: Finding
    screens: bool


# A finding this many times beyond its limit promises more than one that has just crossed it.
FAR = 1.5


def _claiming(remedy: Remedy, recipe: Recipe) -> Remedy:
    """The remedy as it is; where this task has no score per sample for what it claims, it claims the recipe's own metric."""
    return remedy if remedy.metric is None or remedy.metric in paired(recipe.task) else replace(remedy, metric=None)


def _far(finding: Finding) -> bool:
    return float(finding.evidence.get("excess", 1.0)) >= FAR


def prescribe(
    findings: Iterable[Finding], recipe: Recipe, *, promise: Promise = lambda finding, remedy: 1.0
) -> tuple[Prescription, ...]:
    """Remedies in order: broken trainings and recipes first (causes before what they bring about), then by severity, then what lies far beyond its limit, and among equals
    by what was learnt of them in earlier trials (`promise`), then data, structure, training (SPEC S6).

    A patch that several findings ask for is listed once, for the first of them.
    """
    found, screens, listed = [], bool(TASKS.constant(recipe.task, "SCREENS")), tuple(findings)
    for name in REMEDIES.names():
        module = REMEDIES.module(name)
        for finding in _answered(listed, module) if REMEDIES.serves(name, recipe.task) else ():
            remedy = getattr(module, name)(finding, recipe)
            # What the recipe's loss refuses (mixed images, for one) is no remedy for it.
            if remedy is not None and recipe.change(remedy.patch).refused() is None:
                restores = bool(getattr(module, "RESTORES", False))
                rank = (
                    finding.rule not in BROKEN and not restores,
                    BROKEN.index(finding.rule) if finding.rule in BROKEN else len(BROKEN),
                    not restores,
                    -SEVERITIES.index(finding.severity),
                    not _far(finding),
                    -promise(finding.rule, name),
                    module.ORDER,
                )
                found.append((rank, Prescription(_claiming(remedy, recipe), finding, module.SCREENS and screens)))
    kept: dict[str, Prescription] = {}
    for _, prescription in sorted(found, key=lambda item: item[0]):
        kept.setdefault(recipe.change(prescription.remedy.patch).id, prescription)
    kept.pop(recipe.id, None)
    return tuple(kept.values())


def _answered(findings: Iterable[Finding], module: ModuleType) -> tuple[Finding, ...]:
    """The findings that a remedy cures. Where it says TOGETHER they are one, the gravest of them with the samples of all: a few
    samples of each taken out by themselves would hardly show."""
    mine = tuple(finding for finding in findings if finding.rule in module.CURES)
    if len(mine) < 2 or not getattr(module, "TOGETHER", False):
        return mine
    first = max(mine, key=lambda finding: (SEVERITIES.index(finding.severity), len(finding.samples)))
    return (replace(first, samples=tuple(dict.fromkeys(sample for finding in mine for sample in finding.samples))),)
