"""Advice for tasks from image to image: patches, steps and epochs from measured costs, the simple method to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snellen.advise import Advice, Choice, as_asked, epochs_of, of_recipe
from snellen.budget import STEP, WARP, Cost, left
from snellen.catalog import Catalog
from snellen.recipe import Recipe

# Patches in a step. Steps between two evaluations: a share of all of them, within bounds.
PATCHES = 16
EVALUATIONS, FEWEST, MOST_STEPS = 20, 25, 200
# Steps that the averaged weights look back over, as a share of all: less than a late part of the cosine.
LOOKS_BACK, DECAYS = 0.05, (0.9, 0.999)
# Share of the budget for a training that can be repeated in pairs, where that holds so many steps; else one gets what is left.
PROVABLE, ENOUGH = 0.17, 4000
# Epochs without a budget, and the most that are advised with one.
EPOCHS, MOST = 60, 400
# Seconds of the scores of an evaluated image.
SCORED = 0.2
LR = 2e-3


@dataclass(frozen=True, slots=True)
class Facts:
    """Numbers of usable training and validation images, the pixels of an evaluated one in patches, the seconds that are left."""

    n: int
    n_val: int
    patches_each: float
    time: float


def facts_of(catalog: Catalog, recipe: Recipe, size: int, time: float) -> Facts:
    """Of a catalog with measured sizes, for training patches of `size` pixels of the given image."""
    usable = catalog.usable()
    pixels = (usable.column("width").astype(float) * usable.column("height").astype(float)).mean()
    each = float(min(pixels, 1024.0**2)) / (recipe.degrade.scale * size) ** 2
    return Facts(len(usable.of("train")), len(usable.of("val")), each, time)


def advice(
    catalog: Catalog, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any], sizes: tuple[int, int],
    leaked: Sequence[str], others: Sequence[Choice],
) -> Advice:  # fmt: skip
    """Recommend what the user has not set; `others`: choices of the task itself, before what all such tasks are advised."""
    facts = facts_of(catalog, base, sizes[0], left(cost, budget or 0.0))
    images = int(given.get("train.batch") or min(PATCHES, facts.n))
    each = int(given.get("degrade.patches") or max(1, PATCHES // images))
    steps = -(-facts.n // images)
    a_pass, looks = _seconds(facts, cost, base, sizes[0], each, steps)
    passes = int(
        given.get("train.passes") or (_passes(facts.time, a_pass, steps) if budget else max(1, round(FEWEST / steps)))
    )
    seconds = passes * a_pass + looks
    asked = int(given.get("epochs") or 0)
    epochs, provable = (asked, False) if asked else _epochs(budget, facts.time, seconds, passes * steps)
    usual = (
        *_sizes(sizes, base),
        *_steps(images, each, passes),
        *_leaked(leaked),
        *_optimizer(epochs * passes * steps),
        _stages(epochs, given, budget, facts.time, provable=provable),
    )
    own = {choice.key for choice in others}
    choices = (*others, *(choice for choice in usual if choice.key not in own))
    kept = tuple(c for c in choices if not any(c.key == key or c.key.startswith(key + ".") for key in given))
    recipe = base.change({choice.key: choice.value for choice in kept}).change(of_recipe(given))
    return Advice(recipe, kept, sum(stage.epochs for stage in recipe.stages) * seconds)


def _epochs(budget: float | None, time: float, seconds: float, steps: int) -> tuple[int, bool]:
    """Epochs of `seconds` and `steps` each, and whether such a training can be repeated in pairs."""
    if budget is None:
        return EPOCHS, False
    short = int(PROVABLE * budget / seconds)
    if short * steps >= ENOUGH:
        return min(MOST, short), True
    return max(2, min(MOST, int(time / seconds))), False


def _seconds(facts: Facts, cost: Cost, base: Recipe, size: int, each: int, steps: int) -> tuple[float, float]:
    """Of a pass of so many steps through the training images, and of an evaluation."""
    evaluated = facts.n_val + min(base.train.gap_samples, facts.n)
    return facts.n * each * cost.step(size) * WARP + steps * STEP, evaluated * (
        facts.patches_each * cost.forward(size) + SCORED
    )


def _passes(time: float, seconds: float, steps: int) -> int:
    """Passes between two evaluations, of `seconds` and `steps` each."""
    total = time / seconds * steps
    return max(1, min(256, round(min(MOST_STEPS, max(FEWEST, total / EVALUATIONS)) / steps)))


def _sizes(sizes: tuple[int, int], base: Recipe) -> tuple[Choice, ...]:
    scale = base.degrade.scale
    seen = f", which show {sizes[0] * scale} px of the wanted image" if scale > 1 else ""
    return (
        Choice(
            "data.size", sizes[0], f"the network is trained on patches of {sizes[0]} px of the given image{seen}: what it needs to know is near",
            "Lim et al. 2017, EDSR, §4.2", f"在输入图像的 {sizes[0]} 像素小块上训练",
        ),
        Choice(
            "data.eval_size", sizes[1], "images are evaluated whole (their middle 1024 px at most); the audit looks at this size, and latency is measured on it",
            "SPEC V2", "整幅图像评估；此尺寸用于数据检查和延迟测量",
        ),
    )  # fmt: skip


def _steps(images: int, each: int, passes: int) -> tuple[Choice, ...]:
    reason = f"{images * each} patches in a step: {each} of each of {images} images"
    zh = f"每步 {images * each} 个小块：{images} 张图像各 {each} 个"
    often = f"{passes} passes between two evaluations: whole images are dear to judge, and a pass has few patches"
    source = "Lim et al. 2017, EDSR, §4.2"
    return (
        Choice("train.batch", images, reason, source, zh),
        Choice("degrade.patches", each, reason, source, zh),
        Choice("train.passes", passes, often, "measured costs", f"每 {passes} 遍评估一次：整图评估代价高"),
    )


def _leaked(leaked: Sequence[str]) -> tuple[Choice, ...]:
    reason = f"{len(leaked)} training images also lie in validation or test: without them the scores can be believed"
    zh = f"{len(leaked)} 张训练图像同时出现在验证或测试集中，剔除后分数才可信"
    return (Choice("data.drop", tuple(leaked), reason, "SPEC D4", zh),) if leaked else ()


def _optimizer(steps: int) -> tuple[Choice, ...]:
    decay = round(min(DECAYS[1], max(DECAYS[0], 1 - 1 / max(LOOKS_BACK * steps, 1))), 4)
    return (
        Choice(
            "train.ema", decay, f"weights are averaged over about a twentieth of the {steps} steps", "SPEC L8; Polyak & Juditsky 1992",
            f"权重在 {steps} 步的约二十分之一上取平均",
        ),
        Choice("optim.name", "adamw", "trained from noise on few images", "SPEC L3", "从零训练，用 AdamW"),
        Choice(
            "optim.lr", LR, f"a light network without normalisation from noise, {PATCHES} patches a step: {LR:g}, falling by a cosine",
            "Lim et al. 2017 train 64 channels at 1e-4; narrower ones bear more", "轻量网络从零训练的学习率，余弦下降",
        ),
        Choice("optim.weight_decay", 0.0, "every patch is new: there is little to over-fit", "Lim et al. 2017", "小块各不相同，无需权重衰减"),
    )  # fmt: skip


def _stages(epochs: int, given: Mapping[str, Any], budget: float | None, left: float, *, provable: bool) -> Choice:
    asked, asked_zh = as_asked(given)
    time = f"what {left:.0f} s hold that are left of {budget:.0f}" if budget is not None else "without a budget"
    if asked:
        time = "whatever time they take"
    elif provable:
        time = f"a share of {budget:.0f} s, so that a remedy can be proved in pairs"
    stages = [{"name": "all", "unfreeze": "all", "epochs": epochs, "lr_scale": 1.0, "warmup": min(1.0, epochs / 10)}]
    return Choice(
        "stages", stages, f"{asked}{epochs_of(epochs)} of all layers, {time}; nothing is pretrained, so nothing is frozen first", "SPEC M3, L5",
        f"{asked_zh}全部层训练 {epochs} 轮；没有预训练部分，无需分阶段",
    )  # fmt: skip
