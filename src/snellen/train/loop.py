"""The training loop, read top to bottom. Observers look but do not touch; what changes training is a visible line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.train import checkpoint, stages
from snellen.train.checkpoint import State
from snellen.train.draws import seed_of
from snellen.train.enter import Entered, batches, enter, pass_of
from snellen.train.fit import fitted
from snellen.train.job import Job, begin
from snellen.train.look import at_end, exchanged
from snellen.train.machine import Setting
from snellen.train.mix import mix
from snellen.train.objective import objective
from snellen.train.observe import keep_if_best, observe, predict
from snellen.train.pilot import Alarm, Pilot
from snellen.train.renorm import renorm
from snellen.train.retrieved import embeds, retrieved
from snellen.train.step import NonFinite, clip, copied, forward_backward, moved, norms, record
from snellen.values import SnellenError

Watch = Callable[[Mapping[str, Any]], None]

# How far a step moves the weights is measured in every so many steps of a stage: it reads all weights twice more.
MEASURED = 10

# Relative cost of a step, for the progress bar only.
WEIGHT = {"head": 0.02, "last": 0.6, "all": 1.0}


class Interrupted(Exception):
    """Training was asked to stop; everything is saved and `--resume` goes on from there."""


def train(
    recipe: Recipe,
    catalog: Catalog,
    pixels: Pixels,
    folder: Path,
    *,
    setting: Setting,
    cache: Path,
    watch: Watch = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = 30.0,
) -> Run:
    """Train a recipe in stages, or go on where a checkpoint stands; a finished run is returned as it is.

    Raises SnellenError for data or settings that cannot train, Interrupted when `stop` said so (saved first).
    """
    if Run(folder).done:
        return Run.open(folder)
    job = begin(recipe, catalog, pixels, folder, setting, cache)
    state, tensors = checkpoint.load(job.run)
    writer = checkpoint.Writer(job.run)
    # What a later, lost epoch wrote is written again.
    job.run.journal.rewind(lambda item: item["epoch"] <= state.epochs)
    loss, stopped = objective(job), ""
    pilot = Pilot(job, catalog, lambda words: watch({"notice": words}))

    if state.score is None:
        _first_look(job, state)
    while state.stage < len(job.recipe.stages) and not stopped:
        # A stage starts from the weights that were kept, with a fresh average and fresh moments; it does so again where the
        # autopilot went back, with the recipe that it has changed.
        number, work = state.stage, pilot.changed(state)
        work.model.load_state_dict(state.best)
        work.model.zero_grad(set_to_none=True)
        began = time.perf_counter()
        now = enter(work, number, tell=lambda words: watch({"notice": words}))
        # What is frozen was computed here: a remedy that changes it pays for it again.
        state.seconds += time.perf_counter() - began
        if tensors:
            checkpoint.restore(tensors, work.model, now.average, now.optimizer)
            if state.scaler:
                now.scaler.load_state_dict(state.scaler)
            tensors = {}
        try:
            while state.epoch < now.stage.epochs:
                plan = batches(work, number, state.epoch)
                # Once an epoch: walking through all modules costs more than a step of a head, and only evaluation changes them.
                now.net.train()
                stages.set_modes(work.model, freeze_norm=work.recipe.train.freeze_norm)
                for chosen in plan[state.batch :]:
                    state.records.append(_step(work, now, state, loss, chosen))
                    pilot.within(state, now.stage.name, len(plan))
                    watch(_progress(work, state, now, len(plan)))
                    if stop():
                        writer.save(state, work.model, now.average, now.optimizer)
                        writer.wait()
                        raise Interrupted(str(folder))
                    # Within an epoch too: one can take an hour, and while validation runs nobody hears a Ctrl-C.
                    if time.monotonic() - state.saved_at >= checkpoint_seconds:
                        writer.save(state, work.model, now.average, now.optimizer)
                looked = partial(at_end, work, now.stage, state.epoch)
                pilot.hear(observe(work, state, now.average, now.rows, now.stage.name, look=looked))
                pilot.after(state, now.stage.epochs)
                state.epoch, state.epochs, state.batch = state.epoch + 1, state.epochs + 1, 0
                state.records = []
                if time.monotonic() - state.saved_at >= checkpoint_seconds:
                    writer.save(state, work.model, now.average, now.optimizer)
            state.stage, state.epoch, state.stage_steps, state.scores = number + 1, 0, 0, []
        except NonFinite as trouble:
            known = work.validation.ids if trouble.what == "metric" else work.training.take(plan[state.batch]).ids
            finding = pilot.seen(state, trouble, now.stage.name, known)
            stopped = pilot.answer(state, finding, now.stage.name, len(plan))
        except Alarm as alarm:
            stopped = pilot.answer(state, alarm.finding, now.stage.name, len(plan))
    # Still writing, it would put `last` back after `_finish` has removed it.
    writer.wait()
    return _finish(job, state, stopped)


def _first_look(job: Job, state: State) -> None:
    """Keep the weights that training begins with, so that there is always something to go back to."""
    began = time.perf_counter()
    try:
        keep_if_best(job, state, enter(job, 0).rows(job.validation))
        state.seconds += time.perf_counter() - began
    except NonFinite:
        raise SnellenError(
            f"the model {job.recipe.model.name} predicts numbers that are not finite before it is trained: its weights "
            f"(model.weights = {job.recipe.model.weights}) are damaged; use others"
        ) from None


def _step(job: Job, now: Entered, state: State, loss: Any, chosen: np.ndarray) -> dict[str, Any]:
    start = time.perf_counter()
    seed = seed_of(job.recipe.seed, 4, state.steps)
    _seed_dropout(seed, job.setting.device)
    lr = now.set_rate(job.recipe.optim.lr, state.stage_steps, state.scores)

    waited = -time.perf_counter()
    inputs, targets = now.pair(job, chosen, pass_of(job, state.epoch, state.batch))
    waited += time.perf_counter()
    inputs, targets = mix(inputs, targets, len(job.classes), job.recipe.augment, seed)

    def attempt(parts: int) -> float:
        return forward_backward(now.net, loss, (inputs, targets), job.setting, parts=parts, scaler=now.scaler)

    value, state.parts = fitted(
        attempt, now.net, now.optimizer, now.scaler,
        parts=max(job.recipe.train.parts, state.parts), most=len(chosen), seed=seed,
    )  # fmt: skip
    by_section = norms(now.sections)
    total = sum(norm**2 for norm in by_section.values()) ** 0.5
    clipped = clip(now.sections, total, job.recipe.optim.clip)
    before = copied(now.sections) if state.stage_steps % MEASURED == 0 else None
    now.scaler.step(now.optimizer)
    now.scaler.update()
    update = None if before is None else moved(now.sections, before)
    state.scaler = now.scaler.state_dict()
    now.optimizer.zero_grad(set_to_none=True)
    now.average.update(state.stage_steps)

    state.batch, state.steps, state.stage_steps = state.batch + 1, state.steps + 1, state.stage_steps + 1
    state.epoch_seconds += time.perf_counter() - start
    short = state.parts if state.parts > job.recipe.train.parts else 0
    return record(value, by_section, lr=lr, clipped=clipped, n=len(chosen), waited=waited, update=update, parts=short)


def _seed_dropout(seed: int, device: str) -> None:
    """Dropout's draws depend on the step alone: nothing to save, nothing to restore."""
    torch.default_generator.manual_seed(seed)
    if device != "cpu":
        torch.manual_seed(seed)


def _progress(job: Job, state: State, now: Entered, per_epoch: int) -> dict[str, Any]:
    every = [stage.epochs * per_epoch * WEIGHT[stage.unfreeze] for stage in job.recipe.stages]
    done = sum(every[: now.number]) + state.stage_steps * WEIGHT[now.stage.unfreeze]
    return {
        "stage": now.stage.name, "epoch": state.epoch + 1, "epochs": now.stage.epochs, "done": done, "total": sum(every),
        "loss": state.records[-1]["loss"], "score": state.score, "metric": job.recipe.metric,
    }  # fmt: skip


def _finish(job: Job, state: State, stopped: str) -> Run:
    began = time.perf_counter()
    job.model.load_state_dict(state.best)
    # Under a head that was trained alone lies the trunk whose features are at hand.
    alone = all(stage.unfreeze == "head" for stage in job.recipe.stages)
    if job.recipe.train.renorm and not alone:
        renorm(job, state)
    rows = enter(job, 0).rows if alone else lambda samples: predict(job, samples)
    job.run.write_predictions("val", rows(job.validation))
    job.run.write_predictions("train", rows(job.subset))
    if (other := exchanged(job)) is not None:
        job.run.write_predictions("val_exchanged", other)
    if embeds(job.recipe.loss.name):
        # After the last epoch: what a stopped training wrote of it is written again.
        where = {"stage": job.recipe.stages[-1].name, "epoch": state.epochs + 1, "step": state.steps}
        job.run.record("retrieval", {**where, **retrieved(job)})
    checkpoint.save_best(job.run, state)
    job.run.finish(
        {
            "seconds": state.seconds + time.perf_counter() - began,
            "epochs": state.epochs,
            "steps": state.steps,
            "score": state.score,
            "stopped": stopped,
        }
    )
    # Only now: without DONE, `last` is what a crash is resumed from.
    job.run.checkpoint("last").unlink(missing_ok=True)
    return job.run
