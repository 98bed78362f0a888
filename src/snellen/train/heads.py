"""Heads trained together: many recipes of one head stage on one cache of features, each as the loop trains it alone.

Arms that read alike are a lane (see `lanes`): one gather, one mixing, one draw of dropout, one matrix product for all of
its heads. The lanes of a step meet in the loss and in one backward pass. Weights, rates, gradient norms, averages and best
epochs stay each head's own, so that one that breaks spoils no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.rows import Predictions, Rows
from snellen.shelf import SCHEDULES
from snellen.train import stages
from snellen.train.draws import seed_of
from snellen.train.enter import batches, pass_of
from snellen.train.lanes import Arm, Lane, grouped, lanes_of, text
from snellen.train.loop import Interrupted
from snellen.train.machine import Setting
from snellen.train.mix import mix
from snellen.train.observe import keep_if_best, rows_of
from snellen.train.optimizer import optimizer_of, set_rate
from snellen.train.step import NonFinite
from snellen.values import SnellenError

Key = tuple[str, int]
Standing = tuple[float, float]
Optimizers = Sequence[torch.optim.Optimizer]
Masks = dict[Hashable, Tensor]


def train_heads(
    recipes: Iterable[Recipe],
    catalog: Catalog,
    pixels: Pixels,
    *,
    setting: Setting,
    cache: Path,
    watch: Callable[[Mapping[str, Any]], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
    cull: Callable[[int, Mapping[Key, Standing]], Collection[Key]] = lambda epoch, standing: (),
) -> dict[Key, Rows]:
    """Validation rows of the weights that every recipe keeps, by (recipe.id, recipe.seed), in the order of the recipes.

    Each recipe has one stage, and that trains the head. Its rows are those that `train` gives for it on its own, best
    epoch included: probabilities agree within 1e-4 in fp32, with dropout too, whose draws are the same. Features are
    computed once for all recipes of one trunk, size and augmentation, and only where `cache`/features has them not yet;
    nothing else is written. An arm whose loss, gradient or rows stop being finite has rows of NaN; the others go on.

    `cull`(epochs done, {key: (metric, -loss) of the best epoch so far}) is asked after every epoch about the arms that still
    train, and says which of them are to stop where they are: successive halving that resumes in place.

    Ten configurations together, to be compared with ten trainings that run the trunk in every epoch (an empty `cache`
    makes the features part of the time):

        rates, smooth = (2e-4, 5e-4, 1e-3, 2e-3, 5e-3), (0.0, 0.1)
        ten = [recipe.change({"optim.lr": lr, "loss.settings": {"smoothing": s}}) for lr in rates for s in smooth]
        found = train_heads(ten, catalog, pixels, setting=setting, cache=cache)
        scores = {key: rows.correct.mean() for key, rows in found.items()}

    Raises SnellenError for a recipe that is not of one head stage and for data that cannot train; Interrupted where `stop`,
    asked after every step, said so: the features are kept, the heads are not.
    """
    wanted = {(recipe.id, recipe.seed): recipe.resolve() for recipe in recipes}
    for recipe in wanted.values():
        _check(recipe)
    lanes = lanes_of(wanted.values(), catalog, pixels, setting=setting, cache=cache)
    arms = [(lane, arm) for lane in lanes for arm in lane.arms]
    optimizers = _optimizers([arm for _, arm in arms])
    for lane, arm in arms:
        _keep_if_best(lane, arm)
    total = max((recipe.stages[0].epochs for recipe in wanted.values()), default=0)
    keys = {id(arm): (arm.job.recipe.id, arm.job.recipe.seed) for _, arm in arms}
    for epoch in range(total):
        _epoch(lanes, epoch, optimizers, stop)
        if _cull(lanes, epoch, keys, cull):
            _let_go(lanes, epoch, optimizers)
        watch({"done": epoch + 1, "total": total})
    rows = {keys[id(arm)]: _kept(lane, arm) for lane, arm in arms}
    return {key: rows[key] for key in wanted}


def _check(recipe: Recipe) -> None:
    if [stage.unfreeze for stage in recipe.stages] != ["head"]:
        given = ", ".join(f"{stage.name} (unfreeze: {stage.unfreeze})" for stage in recipe.stages)
        raise SnellenError(f"heads are trained together from recipes of one stage with unfreeze: head; got {given}")


def _epoch(lanes: Sequence[Lane], epoch: int, optimizers: Optimizers, stop: Callable[[], bool]) -> None:
    for lane in lanes:
        lane.plan = batches(lane.job, 0, epoch) if lane.live(epoch) else []
    for number in range(max(len(lane.plan) for lane in lanes)):
        now = [lane for lane in lanes if number < len(lane.plan) and lane.live(epoch)]
        if now:
            _step(now, epoch, number, optimizers)
        if stop():
            raise Interrupted("while heads were trained together; their features are kept")
    for lane in lanes:
        for arm in lane.live(epoch):
            with arm.average.applied():
                arm.state.scores.append(_keep_if_best(lane, arm))


def _cull(lanes: Sequence[Lane], epoch: int, keys: Mapping[int, Key], cull: Callable[..., Collection[Key]]) -> bool:
    """Stop the arms that `cull` names; whether there were any."""
    live = {keys[id(arm)]: arm for lane in lanes for arm in lane.live(epoch)}
    standing = {key: (arm.state.score, -arm.state.loss) for key, arm in live.items() if arm.state.loss is not None}
    gone = tuple(cull(epoch + 1, standing)) if standing else ()
    for key in gone:
        live[key].culled = True
    return bool(gone)


def _let_go(lanes: Sequence[Lane], epoch: int, optimizers: Optimizers) -> None:
    """Take groups that nobody trains any more from the optimisers: a step pays for each of them."""
    held = {id(group) for lane in lanes for arm in lane.live(epoch) for group in arm.groups}
    for optimizer in optimizers:
        optimizer.param_groups[:] = [group for group in optimizer.param_groups if id(group) in held]


def _step(lanes: Sequence[Lane], epoch: int, number: int, optimizers: Optimizers) -> None:
    """One optimiser step of every live arm of these lanes: batch `number` of the epoch."""
    masks: Masks = {}
    work: list[tuple[Arm, Tensor, Tensor]] = []
    for lane in lanes:
        live = lane.live(epoch)
        inputs, targets = _batch(lane, live[0].state.steps, epoch, number, masks)
        work += [(arm, logits, targets) for arm, logits in zip(live, _logits(live, inputs), strict=True)]
    arms, values = _losses(work)
    values.sum().backward()  # type: ignore[no-untyped-call]
    found = torch.stack([values.detach(), _norms(arms)]).tolist()
    for arm, value, norm in zip(arms, *found, strict=True):
        _ready(arm, norm, finite=math.isfinite(value) and math.isfinite(norm))
    for optimizer in optimizers:
        # Some count their steps for all of their weights together: a step is taken by those that have a gradient.
        if any(p.grad is not None for group in optimizer.param_groups for p in group["params"]):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    for arm in arms:
        arm.average.update(arm.state.steps)
        arm.state.steps += 1


def _batch(lane: Lane, step: int, epoch: int, number: int, masks: Masks) -> tuple[Tensor, Tensor]:
    """Inputs [n, d] after mixing and dropout, and targets [n] or [n, k]; `masks` shares one step's draws among lanes."""
    job, recipe, chosen = lane.job, lane.job.recipe, lane.plan[number]
    seed = seed_of(recipe.seed, 4, step)
    targets = torch.from_numpy(job.training.targets[chosen])
    features = lane.source.batch(lane.places[chosen], pass_of(lane.job, epoch, number))
    features, targets = mix(features, targets, len(job.classes), recipe.augment, seed)
    inputs = job.setting.place(features)
    rate, parts = recipe.model.dropout, recipe.train.parts
    if rate:
        # Drawing costs more than all else of a step: what has one seed, shape and rate draws once.
        key = (seed, inputs.shape, rate, parts)
        if key not in masks:
            masks[key] = _mask(inputs, rate, parts, seed)
        inputs = inputs * masks[key]
    return inputs, targets.to(job.setting.device)


def _mask(inputs: Tensor, rate: float, parts: int, seed: int) -> Tensor:
    """What dropout multiplies with: the loop's draws at the step of this seed, micro-batch by micro-batch."""
    if inputs.device.type == "cpu":
        # The same draws as after `torch.manual_seed`, which takes longer than the step: it also notes a seed, with the
        # stack, for every other kind of device.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
    return torch.cat([F.dropout(part, rate) for part in torch.ones_like(inputs).chunk(parts)])


def _logits(arms: Sequence[Arm], inputs: Tensor) -> Sequence[Tensor]:
    """[n, d] -> [n, k] for each arm: one product for all where the heads are linear, else head by head."""
    heads = [arm.net.classifier for arm in arms]
    setting = arms[0].job.setting
    # fp16 would need its gradients scaled, and there is little to gain with one layer.
    with setting.autocast() if setting.precision == "bf16" else nullcontext():
        linear = [head for head in heads if type(head) is nn.Linear]
        if len(linear) < len(heads):
            return [head(inputs).float() for head in heads]
        weights: list[Tensor] = [head.weight for head in linear]
        biases: list[Tensor] = [head.bias for head in linear if head.bias is not None]
        outputs = F.linear(inputs, torch.cat(weights), torch.cat(biases) if biases else None)
    return outputs.float().chunk(len(arms), dim=1)


def _losses(work: Sequence[tuple[Arm, Tensor, Tensor]]) -> tuple[list[Arm], Tensor]:
    """The arms, and in their order the mean loss of each, [m]. A loss that arms share is computed for all of them at once."""
    arms: list[Arm] = []
    values = []
    for alike in grouped(work, lambda item: (item[0].kind, item[1].shape, item[2].ndim)):
        own, logits, targets = zip(*alike, strict=True)
        each = own[0].loss(torch.cat(logits), torch.cat(targets))
        values.append(each.view(len(own), -1).mean(dim=1))
        arms += own
    return arms, torch.cat(values)


def _norms(arms: Sequence[Arm]) -> Tensor:
    """Euclidean norm of every arm's gradient, [m]."""
    found = [(place, p.grad) for place, arm in enumerate(arms) for p in arm.parameters if p.grad is not None]
    squares = torch.stack(torch._foreach_norm([grad for _, grad in found])).square()
    owners = torch.tensor([place for place, _ in found], device=squares.device)
    return torch.zeros(len(arms), device=squares.device).index_add(0, owners, squares).sqrt()


@torch.no_grad()
def _ready(arm: Arm, norm: float, *, finite: bool) -> None:
    """Clip and set the rate; an arm that is not finite loses its gradient and trains no further."""
    optim, stage = arm.job.recipe.optim, arm.job.recipe.stages[0]
    if not finite:
        arm.broken = True
        arm.net.zero_grad(set_to_none=True)
        return
    if optim.clip is not None and norm > optim.clip:
        torch._foreach_mul_([p.grad for p in arm.parameters if p.grad is not None], optim.clip / norm)
    # Groups are shared by arms of one rate: whichever comes last sets the same.
    set_rate(arm.groups, optim.lr * stage.lr_scale * arm.multiplier(arm.state.steps, arm.state.scores))


def _optimizers(arms: Sequence[Arm]) -> Optimizers:
    """One optimiser from the shelf for all arms with the same optimiser, settings and number of steps. Every head keeps tensors of its own,
    so that norms and moments are its own too; arms with one rate and decay share parameter groups, which a step pays for."""
    made = []
    for alike in grouped(arms, _kind):
        optim = alike[0].job.recipe.optim
        paces = [(pace, _parameter_groups(pace)) for pace in grouped(alike, _pace)]
        groups = [group for _, own in paces for group in own]
        optimizer = optimizer_of(optim, groups, optim.lr)
        rest = iter(optimizer.param_groups)
        for pace, own in paces:
            held = [next(rest) for _ in own]
            for arm in pace:
                arm.groups = held
        made.append(optimizer)
    return made


def _kind(arm: Arm) -> Hashable:
    """What arms of one optimiser share; all of them have a gradient in the same steps."""
    recipe = arm.job.recipe
    return recipe.optim.name, text(recipe.optim.settings), len(batches(arm.job, 0, 0)), recipe.stages[0].epochs


def _pace(arm: Arm) -> Hashable:
    """Arms of one pace have the same rate and decay at every step. Rates that follow the scores are each arm's own."""
    recipe, per_epoch = arm.job.recipe, len(batches(arm.job, 0, 0))
    follows = SCHEDULES.constant(recipe.stages[0].schedule.name, "READS_SCORES")
    own = id(arm) if follows else 0
    return own, text(recipe.optim), text(recipe.stages[0]), per_epoch


def _parameter_groups(arms: Sequence[Arm]) -> list[dict[str, Any]]:
    heads = {"head": [parameter for arm in arms for parameter in arm.parameters]}
    return stages.groups(heads, arms[0].job.recipe.optim)


def _keep_if_best(lane: Lane, arm: Arm) -> float:
    """The arm's metric now; NaN where its rows are not finite, which breaks it."""
    try:
        return keep_if_best(arm.job, arm.state, _rows(lane, arm))
    except NonFinite:
        arm.broken = True
        return math.nan


@torch.no_grad()
def _rows(lane: Lane, arm: Arm) -> Rows:
    arm.net.eval()
    found = rows_of(arm.job, arm.job.validation, [arm.net(lane.plain)])
    stages.set_modes(arm.net, freeze_norm=arm.job.recipe.train.freeze_norm)
    return found


def _kept(lane: Lane, arm: Arm) -> Rows:
    """Rows of the weights that the arm keeps."""
    if arm.broken:
        samples, classes = arm.job.validation, arm.job.classes
        return Predictions(samples.ids, samples.targets, np.full((len(samples), len(classes)), np.nan), classes)
    arm.net.load_state_dict(arm.state.best)
    return _rows(lane, arm)
