"""Budget: which image size and how many epochs of which stage fit into the time, from costs that were measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from snellen.catalog import Catalog
from snellen.recipe import Recipe, Stage

SIZES = (64, 96, 128, 160, 192, 224)
# A schedule of this many epochs over all layers is what the staged recipe was published for (SPEC M3).
FULL = {"head": 15, "last": 10, "all": 25}
ALONE = {"head": 15, "last": 0, "all": 0}
# Epochs over all layers that a size must leave room for: below 128 px a pretrained network sees too little, so pixels come
# first up to there; above, epochs do.
ENOUGH_SMALL, ENOUGH_LARGE, PIXELS_FIRST = 4, 6, 128
# Share of the budget for one training. Where a short run would do (small data), a small share leaves room for paired
# confirmation: five more runs, or three (one remedy with two seeds), and a reserve. Where it would not, nothing could be
# confirmed anyway, and the training gets what audit, test and shipping leave, less a reserve: a shared machine can be half
# as fast as when it was probed.
PROVABLE, SHARE, OVERHEAD = (0.11, 0.17), 0.75, 25.0
# Runs cost what the first one cost, give or take: four of a U-Net took 94, 94, 100 and 85 s. A training and the proof of one
# remedy are the first and three more; planned before anything was trained, they need a larger reserve, because an estimate
# may be the optimist's (82 s there).
SAFETY = 1.08
PROOF = 1 + 3 * 1.2
# Epochs over all layers that a run must have to be worth proving on, at this size at least (or the images' own).
PROVABLE_EPOCHS, PROVABLE_SIZES = 4, (128, 160)
# Where the user has set the epochs, only the size is left to make a run short enough to be proved upon; not below this.
ASKED_SIZE = 96
# Where not even so many epochs over all layers fit, the frozen beginning is computed once and only the end is trained:
# this many epochs of the last stages, or the head alone. The last stages get LAST_SIZE pixels: on photographs
# of clothing a head alone on large images reached what four epochs of all layers at 128 px did. A trunk that is not trained sees best a little above the 224 px with cropped
# objects that it was pretrained on (Touvron et al. 2019): at HEAD_SIZE, also where images must be enlarged by up to ENLARGED.
LAST_EPOCHS, LAST_SIZE, HEAD_SIZE, ENLARGED = (8, 6, 4, 3), 160, 256, 1.25
# Then the head learns from what the audit's pass has given for the images as they are. What the path takes of
# the budget besides: seconds for start and probe, and for reading, decoding and judging an image.
FIXED, EACH = 10.0, 0.004
# Seconds that the budget keeps for test, Grad-CAM, export, latency and report: at most, at least, and of a budget between.
ENDING, LEAST_ENDING, ENDING_SHARE = 25.0, 6.0, 0.06
# Share of the time that is left once the audit is done: a shared machine can be slower than when it was probed.
CAREFUL = 0.85
# A batch is warped and coloured in a few hundredths of a light model's step, and a step of any size costs something besides:
# norms, clipping, the average. (U-Net at 96 px, batches of 8: 94 to 122 ms where 86 were probed.) Seconds of a head's epoch:
# fixed, and per image.
WARP, STEP, HEAD = 1.03, 0.02, (0.2, 4e-5)


Epochs = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cost:
    """Measured seconds per image of a whole training step at two sizes, [(pixels per side, seconds)], and what the last
    two stages alone and a forward pass cost in shares of it. Between and beyond, cost is linear in the pixels. `head_share`:
    that of a step on the head alone, where the head reads maps and nothing of it can be kept; None where features are. `left`:
    seconds of the budget that are left for training, once that is known."""

    measured: tuple[tuple[int, float], tuple[int, float]]
    last_share: float
    forward_share: float
    head_share: float | None = None
    left: float | None = None

    def step(self, size: int) -> float:
        """Seconds per image of a step with everything unfrozen."""
        (small, low), (large, high) = self.measured
        slope = max(high - low, 0.0) / (large**2 - small**2)
        return max(low + slope * (size**2 - small**2), low * 0.5)

    def last(self, size: int) -> float:
        """Seconds per image of a step with the last two stages unfrozen."""
        # A moment of other load must not make a part cost more than the whole.
        return self.step(size) * min(self.last_share, 1.0)

    def forward(self, size: int) -> float:
        """Seconds per image of a forward pass."""
        return self.step(size) * min(self.forward_share, 1.0)

    def tail(self, size: int) -> float:
        """Seconds per image of a forward pass through the last two stages alone. A step on them is a whole forward pass
        and a backward pass of the end, which costs about twice its forward pass."""
        return min(max((self.last(size) - self.forward(size)) / 2, 0.0), 0.8 * self.forward(size))

    def trunk(self, size: int) -> float:
        """Seconds per image of a forward pass through what is frozen below them."""
        return self.forward(size) - self.tail(size)


def seconds(recipe: Recipe, cost: Cost, n: int, n_val: int) -> float:
    """Estimated seconds of one training of the recipe on n training and n_val validation images."""
    size = recipe.data.size
    looks = n_val + min(n, recipe.train.gap_samples), recipe.data.eval_size or size
    return sum(_stage_seconds(stage, recipe, cost, n, looks) for stage in recipe.stages)


def _stage_seconds(stage: Stage, recipe: Recipe, cost: Cost, n: int, looks: tuple[int, int]) -> float:
    size, (looked, eval_size) = recipe.data.size, looks
    kept, n = n, n * recipe.train.passes
    views, mixed = recipe.train.views, recipe.augment.mixup or recipe.augment.cutmix
    # One view is the image as evaluation sees it, and that the audit has shown to the network.
    known = views == 1
    once = looked * cost.forward(eval_size)

    def trained(each: float) -> float:
        """Seconds of an epoch of steps that cost so much per image."""
        return n * (each * WARP + STEP / recipe.train.batch)

    if stage.unfreeze == "head" and cost.head_share is not None:
        return stage.epochs * (trained(cost.step(size) * min(cost.head_share, 1.0)) + once)
    if stage.unfreeze == "head":
        seen = 0.0 if known else views * kept * cost.forward(size) + once
        return seen + stage.epochs * (HEAD[0] + n * HEAD[1])
    if stage.unfreeze == "all":
        return stage.epochs * (trained(cost.step(size)) + once)
    if recipe.train.cache == "off" or mixed or stage.epochs <= views:
        return stage.epochs * (trained(cost.last(size)) + once)
    cached = views * kept * cost.trunk(size) * WARP + looked * cost.trunk(eval_size)
    return cached + stage.epochs * (n * 3 * cost.tail(size) + looked * cost.tail(eval_size))


def left(cost: Cost, budget: float) -> float:
    """Seconds that one training may take which nothing is to follow but the ending: of what is left once reading, probing and
    the audit are done (`cost.left`); before that, by a share."""
    found = budget * SHARE - OVERHEAD if cost.left is None else CAREFUL * cost.left
    return max(found, budget * 0.3)


def ending(budget: float) -> float:
    """Seconds that the budget keeps for what comes after the training."""
    return min(ENDING, LEAST_ENDING + ENDING_SHARE * budget)


def choose_size(
    catalog: Catalog, side: float, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any]
) -> tuple[int, int]:
    """Training and evaluation size in pixels, before anything is decoded; `side` is the median shorter side."""
    in_train = int((catalog.column("split").astype(str) == "train").sum())
    n = in_train or int(len(catalog) * (1 - base.data.val - base.data.test))
    facts = {"n": n, "n_val": int(n * base.data.val), "all": len(catalog), "side": side}
    size, epochs = plan(facts, cost, budget, base, given, None)
    own = base.change({k: v for k, v in given.items() if k == "data.eval_size"}).data.eval_size
    return size, own or (size if untrained(epochs) else evaluated_at(size, side))


def plan(
    facts: Mapping[str, Any], cost: Cost, budget: float | None, base: Recipe, given: Mapping[str, Any], size: int | None
) -> tuple[int, Epochs]:
    """Image size (where it is not fixed yet) and epochs by stage; a stage of none is left out. `given["epochs"]`: over all
    stages, as the user asked; then a size is chosen at which so many leave time for a proof."""
    fitting = [s for s in SIZES if s <= max(64.0, facts["side"])] or [64]
    fixed = size or given.get("data.size")
    if fixed:
        fitting = [int(fixed)]
    asked = _shared_out(int(given["epochs"])) if given.get("epochs") else None
    if budget is None:
        return (fitting[0] if fixed else max(s for s in fitting if s <= 160)), asked or dict(FULL)
    if asked:
        return _provable(facts, cost, budget, base, fitting, asked), asked
    own_stages = any(key == "stages" or key.startswith("stages.") for key in given)
    # A head alone may read images larger than any that are trained on, but not other ones than were stored.
    larger = [HEAD_SIZE] if not fixed and facts["side"] * ENLARGED >= HEAD_SIZE else []
    return _within(facts, cost, budget, base, fitting, partial=not own_stages, alone=[*fitting, *larger])


def _shared_out(count: int) -> Epochs:
    """So many epochs over the stages, as the published recipe shares its own out; one or two leave out the stages before the last."""
    if count < len(FULL):
        return {"head": count - 1, "last": 0, "all": 1}
    first = {name: max(1, round(count * FULL[name] / sum(FULL.values()))) for name in ("head", "last")}
    return {**first, "all": count - sum(first.values())}


def _provable(
    facts: Mapping[str, Any], cost: Cost, budget: float, base: Recipe, fitting: list[int], epochs: Epochs
) -> int:
    """The largest size at which these epochs can be proved upon, else the largest at which they fit at all."""
    enough = [size for size in fitting if size >= ASKED_SIZE] or fitting[-1:]
    for share in (*PROVABLE, SHARE):
        for size in reversed(enough):
            if _training(facts, cost, base, size, epochs) <= budget * share:
                return size
    return fitting[0]


def _training(facts: Mapping[str, Any], cost: Cost, base: Recipe, size: int, epochs: Epochs) -> float:
    recipe = _short(base, size, epochs, views_for(facts["n"], epochs))
    return seconds(recipe, cost, facts["n"], facts["n_val"])


def _within(
    facts: Mapping[str, Any], cost: Cost, budget: float, base: Recipe, fitting: list[int], *, partial: bool, alone: list[int],
) -> tuple[int, Epochs]:  # fmt: skip
    def fits(size: int, epochs: Epochs, time: float) -> bool:
        return _training(facts, cost, base, size, epochs) <= time

    def whole(size: int, time: float) -> Epochs:
        scales = (step / 25 for step in range(25, 0, -1))
        return next((e for e in map(_epochs, scales) if fits(size, e, time)), _epochs(1 / 25))

    # Small data: a run short enough to be repeated in pairs, at the largest size that leaves enough epochs.
    for share, size in product(PROVABLE, reversed([s for s in fitting if s in PROVABLE_SIZES] or fitting[-1:])):
        epochs = whole(size, budget * share)
        if epochs["all"] >= PROVABLE_EPOCHS:
            return size, epochs
    time = max(budget * SHARE - OVERHEAD, budget * 0.3) if cost.left is None else CAREFUL * cost.left
    large = [s for s in fitting if s >= PIXELS_FIRST] or fitting[-1:]
    for size in reversed(large if partial else fitting):
        epochs = whole(size, time)
        if epochs["all"] >= (ENOUGH_SMALL if size <= PIXELS_FIRST else ENOUGH_LARGE):
            return size, epochs

    def left(size: int) -> float:
        """Seconds that an audit at this size leaves: what was measured, else what is to be expected."""
        if cost.left is not None:
            return CAREFUL * cost.left
        return CAREFUL * float(budget - ending(budget) - FIXED - facts["all"] * (EACH + cost.forward(size)))

    def part_fits(size: int, epochs: Epochs) -> bool:
        return fits(size, epochs, left(size if untrained(epochs) else evaluated_at(size, facts["side"])))

    found = _part(large, alone, part_fits) if partial else None
    if found is None and partial and cost.left is not None:
        # What the audit has taken cannot be had back: the head on what it computed takes seconds.
        return fitting[0], dict(ALONE)
    return found or (fitting[0], whole(fitting[0], time))


def _part(large: list[int], alone: list[int], fits: Any) -> tuple[int, Epochs] | None:
    """The last stages at the largest size that leaves enough epochs, else the head alone at the largest size."""
    enough = [size for size in large if size >= LAST_SIZE] or large[-1:]
    for size, last in product(reversed(enough), LAST_EPOCHS):
        epochs = {"head": 8, "last": last, "all": 0}
        if fits(size, epochs):
            return size, epochs
    return next(((size, dict(ALONE)) for size in reversed(alone) if size <= HEAD_SIZE and fits(size, ALONE)), None)


def frozen(epochs: Epochs) -> bool:
    """Whether the beginning of the network stands still all the time."""
    return not epochs["all"]


def untrained(epochs: Epochs) -> bool:
    """Whether only the head is trained: then nothing is cropped, and images have one size."""
    return frozen(epochs) and not epochs["last"]


def _epochs(scale: float) -> Epochs:
    return {
        "head": max(5, round(FULL["head"] * min(1.0, scale * 2))),
        "last": max(1, math.floor(FULL["last"] * scale * 0.8)),
        "all": max(1, round(FULL["all"] * scale)),
    }


def _short(base: Recipe, size: int, epochs: Epochs, views: int) -> Recipe:
    stages: Iterable[Stage] = Recipe().stages
    kept = [{**stage.model_dump(), "epochs": epochs[stage.name]} for stage in stages if epochs[stage.name]]
    looked = size if untrained(epochs) else _larger(size)
    patch = {
        "data.size": size,
        "data.eval_size": looked,
        "stages": kept,
        "train.views": views,
        "train.cache": cache_for(epochs),
    }
    return Recipe().change({**patch, "model.name": base.model.name})


def views_for(n: int, epochs: Epochs) -> int:
    """Views of each of n training images for a frozen trunk: augmented ones, more where there are few images. Where there is
    no time for all layers, one: the image as it is, which the audit has shown to the network. No more than the head has
    epochs to read, but two."""
    if frozen(epochs):
        return 1
    return min(4 if n < 1500 else 2, max(2, epochs["head"]))


def cache_for(epochs: Epochs) -> str:
    """Whether the last stages read cached views. Where the beginning of the network stands still all the time, its epochs are
    few: a fresh view in each of them is worth more than the fifth of an epoch that it costs."""
    return "off" if frozen(epochs) else "auto"


def evaluated_at(size: int, side: float) -> int:
    """Evaluation size for a training size, of images whose median shorter side is `side` (Touvron et al. 2019, FixRes)."""
    return _larger(size) if side >= size else size


def _larger(size: int) -> int:
    return int(size * 1.25 / 32 + 0.5) * 32
