"""Autopilot: rules look while training goes on, and act: back to the weights that were kept with a changed recipe, or an end.

It holds no state of its own. What it decided is in the State (`patch`, `acts`, `acted`) and goes through every checkpoint; what
it judges by are the State's steps and the journal's records. So a resumed training decides what the uninterrupted one did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from snellen.catalog import Catalog, MissingSignal
from snellen.recipe import Recipe
from snellen.run import revive
from snellen.shelf import METERS, REMEDIES, RUN_RULES
from snellen.train.checkpoint import State
from snellen.train.job import Job
from snellen.train.live import Live, Record, hear
from snellen.train.step import NonFinite
from snellen.values import Finding, Remedy, freeze, thaw, to_json

# Within an epoch a rule sees means of so many steps where it would see epochs: of at least so many samples, at most so many
# an epoch, so that a window is no more noisy than a small epoch.
STEPS, SAMPLES, SHARE = 16, 256, 8
# Roll-backs of one run. Each costs at most the epoch that is gone over again.
MOST = 3
# What is read anew where a stage is entered: only this can be changed under way.
ALIVE = frozenset(("optim.lr", "optim.clip", "train.freeze_norm"))


class Alarm(Exception):
    """A rule that acts has spoken."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Pilot:
    """Looks after one training; does nothing where `train.autopilot` is off."""

    def __init__(self, job: Job, catalog: Catalog, tell: Callable[[str], None]) -> None:
        self.on, self._job, self._tell = job.recipe.train.autopilot, job, tell
        self._count = len(catalog.classes) if self.on else 0
        self._heard: list[Record] = [freeze(revive(item)) for item in job.run.journal.read()] if self.on else []
        self._rules = {name: str(RUN_RULES.constant(name, "ACTS")) for name in _acting(job)} if self.on else {}

    def changed(self, state: State) -> Job:
        """The job with what the autopilot has changed of its recipe."""
        return replace(self._job, recipe=self._job.recipe.change(state.patch)) if state.patch else self._job

    def hear(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        """What was written to the journal."""
        if self.on:
            self._heard += [hear(meter, values) for meter, values in signals.items()]

    def within(self, state: State, stage: str, per_epoch: int) -> None:
        """Look in the middle of an epoch, now and then; raises Alarm."""
        if not self.on:
            return
        size = max(STEPS, math.ceil(SAMPLES / self._job.recipe.train.batch), math.ceil(per_epoch / SHARE))
        if len(state.records) % size == 0:
            self._ask(state, [*self._since(state), *_windows(state, stage, size)], ("back",))

    def after(self, state: State, epochs: int) -> None:
        """Look at the end of an epoch of a stage of so many; raises Alarm."""
        if self.on:
            # After the last one there is nothing to be saved.
            self._ask(state, self._since(state), ("back", "stop") if state.epoch + 1 < epochs else ("back",))

    def answer(self, state: State, finding: Finding, stage: str, per_epoch: int) -> str:
        """Go back to the weights that were kept, and over the epoch again with a changed recipe. Returns "" then; where
        nothing can be changed, or it was often enough, why training ends."""
        if not self.on:
            return finding.rule
        recipe = self.changed(state).recipe
        patient = self._rules.get(finding.rule, "back") == "back" and state.acts < MOST
        remedy = self._remedy(finding, recipe) if patient else None
        self._write(state, finding, remedy, recipe, stage)
        if remedy is None:
            self._tell(f"autopilot: {finding.message} Training ends here; the weights of epoch {state.kept} are kept.")
            state.epochs += state.batch == per_epoch
            return finding.rule
        self._tell(f"autopilot: {finding.message} Back to the weights of epoch {state.kept} with {_said(remedy)}.")
        state.patch = {**state.patch, **thaw(remedy.patch)}
        state.seconds, state.epoch_seconds = state.seconds + state.epoch_seconds, 0.0
        state.acts, state.acted = state.acts + 1, state.epochs + 1
        # The epoch that is gone over again counts as one that was run: records keep their numbers.
        state.epochs, state.batch, state.stage_steps = state.epochs + 1, 0, state.epoch * per_epoch
        state.records, state.scores = [], state.scores[: state.epoch]
        return ""

    def seen(self, state: State, trouble: NonFinite, stage: str, ids: Sequence[str]) -> Finding:
        """Write down where a number was not finite, and tell it as a finding; `ids` are those of the batch, or of validation."""
        where = {"stage": stage, "epoch": state.epochs + 1, "step": state.steps, "batch": state.batch, "size": len(ids)}
        # A gradient is of the whole batch.
        named = list(ids) if trouble.what == "gradient" else [ids[place] for place in trouble.places]
        tensor = _first_broken(self._job.model) if trouble.what == "gradient" else ""
        signal = {**where, "what": trouble.what, "tensor": tensor, "section": trouble.tensor, "samples": named}
        self._job.run.record("nonfinite", signal)
        if not self.on:
            return Finding(rule="nonfinite", severity="block", message=f"The {trouble.what} was not a finite number.")
        self.hear({"nonfinite": signal})
        found: list[Finding] = RUN_RULES.pick("nonfinite")(self._live(state, self._since(state)))
        return found[0]

    def _since(self, state: State) -> list[Record]:
        # What was answered is past: only what came after it is judged.
        return [item for item in self._heard if item["epoch"] > state.acted]

    def _live(self, state: State, records: Sequence[Record]) -> Live:
        return Live(self._job.run.folder, self.changed(state).recipe, self._count, tuple(records))

    def _ask(self, state: State, records: Sequence[Record], actions: Sequence[str]) -> None:
        live = self._live(state, records)
        for name in [name for name, action in self._rules.items() if action in actions]:
            for finding in _looked(name, live):
                raise Alarm(finding)

    def _remedy(self, finding: Finding, recipe: Recipe) -> Remedy | None:
        """The first that cures it and can be had under way, of those that have not been tried yet first."""
        names = [name for name in REMEDIES.names() if finding.rule in (REMEDIES.constant(name, "CURES") or ())]
        tried = [item["remedy"]["name"] for item in self._heard if item["meter"] == "autopilot" and item["remedy"]]
        names.sort(key=lambda name: (tried.count(name), REMEDIES.constant(name, "ORDER")))
        found = [REMEDIES.pick(name)(finding, recipe) for name in names if REMEDIES.serves(name, recipe.task)]
        return next((remedy for remedy in found if remedy is not None and set(remedy.patch) <= ALIVE), None)

    def _write(self, state: State, finding: Finding, remedy: Remedy | None, recipe: Recipe, stage: str) -> None:
        before = {key: recipe.diff(recipe.change(remedy.patch))[key][0] for key in remedy.patch} if remedy else {}
        signal = {
            "stage": stage, "epoch": state.epochs + 1, "step": state.steps, "action": "back" if remedy else "stop",
            "finding": to_json(finding), "remedy": to_json(remedy) if remedy else None, "before": before,
            "to": state.kept, "score": state.score, "metric": recipe.metric,
        }  # fmt: skip
        self._job.run.record("autopilot", signal)
        self.hear({"autopilot": signal})


def _first_broken(model: nn.Module) -> str:
    """Name of the first weight, in forward order, whose gradient is not finite."""
    named = ((name, parameter.grad) for name, parameter in model.named_parameters() if parameter.grad is not None)
    return next((name for name, gradient in named if not bool(gradient.isfinite().all())), "")


def _acting(job: Job) -> list[str]:
    """Rules that say what they ACT by, and whose meters measure this task."""
    task = job.recipe.task
    named = [name for name in RUN_RULES.names() if RUN_RULES.constant(name, "ACTS")]
    return [
        name
        for name in named
        if all(
            METERS.serves(meter, task) for meter in RUN_RULES.constant(name, "READS") or () if meter in METERS.names()
        )
    ]


def _looked(name: str, live: Live) -> list[Finding]:
    try:
        found: list[Finding] = RUN_RULES.pick(name)(live)
    except MissingSignal:
        return []
    return found


def _windows(state: State, stage: str, size: int) -> list[Record]:
    """The loss of the epoch so far, window by window, as records of epochs."""
    losses = [float(record["loss"]) for record in state.records]
    means = [math.fsum(losses[place : place + size]) / size for place in range(0, len(losses), size)]
    at = {"meter": "loss", "stage": stage, "epoch": state.epochs + 1}
    return [{**at, "train": mean, "running": mean} for mean in means]


def _said(remedy: Remedy) -> str:
    return ", ".join(
        f"{key} = {value:.3g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in remedy.patch.items()
    )
