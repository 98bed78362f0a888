"""Trainings that are only pretended, and remedies that change what they predict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from snellen import testing
from snellen.case import Case
from snellen.improve.lab import Lab
from snellen.recipe import Recipe
from snellen.run import Predictions, Run
from snellen.train.machine import Setting
from snellen.values import Finding

RULE = '''
"""Says what it is told to say."""
from snellen.values import Finding


def fault(run):
    return []
'''
# Each sets the weight decay to a value of its own, by which the pretended training knows it.
REMEDY = '''
"""A remedy of the test."""
from snellen.values import Remedy

CURES = ("fault",)
SOURCE = "a test"
SAFETY = "safe"
ORDER = {order}
SCREENS = False


def {name}(finding, recipe):
    patch = {{"optim.settings": {{**recipe.optim.settings, "{setting}": {value}}}}}
    return Remedy(name="{name}", finding="fault", patch=patch, reason="r", source=SOURCE)
'''
MADE = {"good": ("beta1", 0.7), "harmful": ("beta2", 0.7), "useless": ("eps", 1e-6)}
GAINS = {"good": 1.2, "harmful": -1.2, "useless": 0.0}
SECONDS = 10.0
FINDING = Finding(rule="fault", severity="warn", message="1 fault")
RECIPE = Recipe().change({"improve.seeds": 3, "improve.remedies": 3})


class Pretended:
    """A lab whose trainings take no time: what a recipe predicts follows from the remedies that are in it."""

    def __init__(self, folder: Path, record: Callable[..., list[Predictions]], findings: tuple[Finding, ...]) -> None:
        self.case = Case(folder)
        self.record, self.findings = record, findings
        self.trained_runs: list[str] = []
        self.gains = dict(GAINS)

    def gain(self, recipe: Recipe) -> float:
        settings = recipe.optim.settings
        return sum(self.gains[name] for name, (key, value) in MADE.items() if settings.get(key) == value)

    def trained(self, lab: Lab, recipe: Recipe, seed: int, *, title: str = "", folder: str = "") -> Run:
        run = lab.case.run(recipe.id, seed)
        if run.done:
            return run
        self.trained_runs.append(run.folder.name)
        (rows,) = self.record(1, 300, gain=self.gain(recipe), start=seed)
        rows_of = {"targets": rows.targets, "probabilities": rows.probabilities, "classes": rows.classes}
        optim = recipe.plain()["optim"]
        case = {"recipe": {"optim": optim, "seed": seed}, "predictions": {"val": rows_of}, "cost": {"seconds": SECONDS}}
        run = testing.recorded({**case, "signals": [{"meter": "loss", "train": 0.5, "val": 0.6}]}, run.folder)
        run.write_findings(self.findings)
        return run

    def lab(self, deadline: float | None = None) -> Lab:
        nothing: Any = None
        watch, stop = (lambda event: None), (lambda: False)
        return Lab(self.case, nothing, nothing, Setting(), self.case.folder, watch, stop, deadline)
