"""Advice for tasks from image to image: patches, steps and epochs from measured costs, the simple method to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snellen.advise import Advice, Choice
from snellen.budget import Cost
from snellen.catalog import Catalog
from snellen.recipe import Recipe

# Patches in a step, and steps that an epoch has at least where there are enough images: evaluation follows every epoch.
PATCHES, STEPS = 16, 25
# Shares of the budget for one training: one that can be repeated in pairs, where that holds so many steps; else one that gets
# what audit, export and report (seconds) leave, less a reserve.
PROVABLE, ENOUGH, SHARE, OVERHEAD = 0.17, 4000, 0.65, 60.0
# Epochs without a budget, and the most that are advised with one.
EPOCHS, MOST = 60, 400
# Seconds of the scores of an evaluated image.
SCORED = 0.2
LR = 1e-3


@dataclass(frozen=True, slots=True)
class Facts:
    """Numbers of usable training and validation images, and the pixels of an evaluated one in patches."""

    n: int
    n_val: int
    patches_each: float


def facts_of(catalog: Catalog, recipe: Recipe, size: int) -> Facts:
    """Of a catalog with measured sizes, for training patches of `size` pixels of the given image."""
    usable = catalog.usable()
    pixels = (usable.column("width").astype(float) * usable.column("height").astype(float)).mean()
    each = float(min(pixels, 1024.0**2)) / (recipe.degrade.scale * size) ** 2
    return Facts(len(usable.of("train")), len(usable.of("val")), each)


def advice(
    catalog: Catalog, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any], sizes: tuple[int, int],
    leaked: Sequence[str], others: Sequence[Choice],
) -> Advice:  # fmt: skip
    """Recommend what the user has not set; `others`: choices of the task itself."""
    facts = facts_of(catalog, base, sizes[0])
    images = int(given.get("train.batch") or min(PATCHES, max(1, facts.n // STEPS)))
    each = int(given.get("degrade.patches") or max(1, PATCHES // images))
    seconds = _epoch_seconds(facts, cost, base, sizes[0], each)
    epochs, share = _epochs(budget, seconds, max(1, facts.n // images))
    choices = (
        *others,
        *_sizes(sizes, base),
        *_steps(images, each),
        *_leaked(leaked),
        *_optimizer(),
        _stages(epochs, budget, share),
    )
    kept = tuple(c for c in choices if not any(c.key == key or c.key.startswith(key + ".") for key in given))
    recipe = base.change({choice.key: choice.value for choice in kept}).change(given)
    return Advice(recipe, kept, sum(stage.epochs for stage in recipe.stages) * seconds)


def _epochs(budget: float | None, seconds: float, steps: int) -> tuple[int, float]:
    """Epochs of `seconds` and `steps` each, and the share of the budget that they are meant for."""
    if budget is None:
        return EPOCHS, 0.0
    short = int(PROVABLE * budget / seconds)
    if short * steps >= ENOUGH:
        return min(MOST, short), PROVABLE
    return max(2, min(MOST, int((SHARE * budget - OVERHEAD) / seconds))), SHARE


def _epoch_seconds(facts: Facts, cost: Cost, base: Recipe, size: int, each: int) -> float:
    evaluated = facts.n_val + min(base.train.gap_samples, facts.n)
    return facts.n * each * cost.step(size) + evaluated * (facts.patches_each * cost.forward(size) + SCORED)


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


def _steps(images: int, each: int) -> tuple[Choice, ...]:
    reason = f"{images * each} patches in a step: {each} of each of {images} images, so that an epoch has enough steps between two evaluations"
    zh = f"每步 {images * each} 个小块：{images} 张图像各 {each} 个"
    source = "Lim et al. 2017, EDSR, §4.2"
    return (
        Choice("train.batch", images, reason, source, zh),
        Choice("degrade.patches", each, reason, source, zh),
    )


def _leaked(leaked: Sequence[str]) -> tuple[Choice, ...]:
    reason = f"{len(leaked)} training images also lie in validation or test: without them the scores can be believed"
    zh = f"{len(leaked)} 张训练图像同时出现在验证或测试集中，剔除后分数才可信"
    return (Choice("data.drop", tuple(leaked), reason, "SPEC D4", zh),) if leaked else ()


def _optimizer() -> tuple[Choice, ...]:
    return (
        Choice("optim.name", "adamw", "trained from noise on few images", "SPEC L3", "从零训练，用 AdamW"),
        Choice(
            "optim.lr", LR, f"a light network without normalisation from noise, {PATCHES} patches a step: {LR:g}, falling by a cosine",
            "Lim et al. 2017 train 64 channels at 1e-4; narrower ones bear more", "轻量网络从零训练的学习率，余弦下降",
        ),
        Choice("optim.weight_decay", 0.0, "every patch is new: there is little to over-fit", "Lim et al. 2017", "小块各不相同，无需权重衰减"),
    )  # fmt: skip


def _stages(epochs: int, budget: float | None, share: float) -> Choice:
    time = "without a budget" if budget is None else f"what {share:.0%} of {budget:.0f} s hold"
    if budget is not None and share == PROVABLE:
        time += ", so that a remedy can be proved in pairs"
    stages = [{"name": "all", "unfreeze": "all", "epochs": epochs, "lr_scale": 1.0, "warmup": min(1.0, epochs / 10)}]
    return Choice(
        "stages", stages, f"{epochs} epochs of all layers, {time}; nothing is pretrained, so nothing is frozen first", "SPEC M3, L5",
        f"全部层训练 {epochs} 轮；没有预训练部分，无需分阶段",
    )  # fmt: skip
