"""Advice for masks: (catalog, measured costs, budget) → a recipe, every choice with its reason and source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from snellen.advise import LIGHT, Advice, Choice, as_asked, epochs_of, of_recipe
from snellen.budget import PROOF, Cost, left, seconds
from snellen.catalog import Catalog
from snellen.recipe import Recipe

SIZES = (64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)
# Without a budget images are not made larger than this.
MOST = 256
# Epochs over all layers: of a training without a budget, and at least; so many a run must have to be proved on in pairs, at this
# size at least (or the images' own). A decoder is new: it needs more of them than a classifier's head.
FULL, ENOUGH, PROVABLE_EPOCHS, PROVABLE_SIZE = 40, 12, 12, 192
PROVABLE = (0.17, 0.22)
# Epochs of the decoder alone before the encoder moves: enough that noise no longer flows back into pretrained weights.
ALONE = 3
# Shares of the pixels below this count as this: a class of a few pixels must not rule the loss.
LEAST_SHARE = 1e-3
# Of three classes or more, what tells them apart is seen from so many pixels a side on; below, only that something is there.
TELLS = 128
# The encoder's share of the decoder's rate.
ENCODER = 0.2
# With fewer steps than these over all layers a rate is doubled: measured on six kinds of stamps in some 300 steps (bench/DENSE.md).
FEW_STEPS = 500
# From so many images on, or with a heavy encoder, the rule says SGD.
LARGE = 20_000


@dataclass(frozen=True, slots=True)
class _Facts:
    n: int
    n_val: int
    side: float
    light: bool
    rare: float
    time: float
    classes: int


def sizes(
    catalog: Catalog, side: float, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any]
) -> tuple[int, int]:
    """Training and evaluation size in pixels, before anything is decoded; `side` is the median shorter side."""
    in_train = int((catalog.column("split").astype(str) == "train").sum())
    n = in_train or int(len(catalog) * (1 - base.data.val - base.data.test))
    facts = _Facts(
        n, int(n * base.data.val), side, True, 1.0, left(cost, budget or 0.0), len(catalog.about("classes") or ())
    )
    size, _, _ = plan(facts, cost, budget, base, given, None)
    own = given.get("data.eval_size")
    # One step larger where the budget has kept training below what the images hold: more detail where it costs least.
    larger = min((s for s in SIZES if s > size), default=size)
    return size, int(own) if own else (larger if side >= larger else size)


def plan(
    facts: _Facts, cost: Cost, budget: float | None, base: Recipe, given: Mapping[str, Any], size: int | None
) -> tuple[int, int, int]:
    """Image size (where it is not fixed yet), epochs of the decoder alone and over all layers. `given["epochs"]`: both together,
    as the user asked."""
    least = TELLS if facts.classes > 2 else 64
    fitting = [s for s in SIZES if least <= s <= max(64.0, facts.side)] or [
        min(s for s in SIZES if s >= min(facts.side, MOST))
    ]
    fixed = size or given.get("data.size")
    if fixed:
        fitting = [int(fixed)]
    asked = int(given.get("epochs") or 0)
    alone = min(ALONE, asked // 7)
    if budget is None:
        size = fitting[0] if fixed else max(s for s in fitting if s <= MOST)
        return (size, alone, asked - alone) if asked else (size, _alone(FULL), FULL)

    def epochs(size: int, time: float) -> int:
        each = [seconds(_short(base, size, count), cost, facts.n, facts.n_val) for count in (1, 2)]
        return int(max(0, (time - each[0]) // max(each[1] - each[0], 1e-9) + 1))

    shares = PROVABLE if base.improve.remedies else ()
    provable = [s for s in fitting if PROVABLE_SIZE <= s <= MOST] or fitting[-1:]
    if asked:
        # The largest size at which so many can be proved upon, else the largest at which they fit at all.
        tried = [*product([min(budget * share, facts.time / PROOF) for share in shares], reversed(provable))]
        tried += [(facts.time, s) for s in reversed(fitting) if s <= MOST]
        return next((s for time, s in tried if epochs(s, time) >= asked), fitting[0]), alone, asked - alone

    # Small data: a run short enough to be repeated in pairs, where anything is to be proved.
    for share, size in product(shares, reversed(provable)):
        count = epochs(size, min(budget * share, facts.time / PROOF))
        if count >= PROVABLE_EPOCHS:
            return size, _alone(min(FULL, count)), min(FULL, count)
    for size in reversed([s for s in fitting if s <= MOST] or fitting[:1]):
        if epochs(size, facts.time) >= ENOUGH:
            count = min(FULL, epochs(size, facts.time))
            return size, _alone(count), count
    count = max(1, min(FULL, epochs(fitting[0], facts.time)))
    return fitting[0], _alone(count), count


def _alone(count: int) -> int:
    """Epochs of the decoder alone before so many over all layers."""
    return min(ALONE, count // 6)


def _short(base: Recipe, size: int, count: int) -> Recipe:
    return base.change({"data.size": size, "data.eval_size": size, "stages": _stages(_alone(count), count)})


def _stages(alone: int, count: int) -> list[dict[str, Any]]:
    first = {"name": "head", "unfreeze": "head", "epochs": alone, "warmup": 0.5, "schedule": {"name": "constant"}}
    every = {
        "name": "all", "unfreeze": "all", "epochs": count, "lr_scale": 1.0, "warmup": min(1.0, round(count / 10, 2)),
        "schedule": {"name": "poly", "settings": {"power": 0.9}},
    }  # fmt: skip
    return [first, every] if alone else [every]


def advise(
    catalog: Catalog, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any],
    sizes: tuple[int, int], leaked: tuple[str, ...], counts: tuple[int, ...],
) -> Advice:  # fmt: skip
    """Recommend what the user has not set (see snellen.advise); `counts`: training images that hold each class."""
    facts = _facts(catalog, base, left(cost, budget or 0.0))
    _, alone, count = plan(facts, cost, budget, base, given, sizes[0])
    batch = _batch(base, facts)
    steps = count * math.ceil(facts.n / int(given.get("train.batch", batch.value)))
    choices = (
        *_model(base), *_sizes(sizes, facts, budget), *_leaked(leaked), *_optimizer(facts, steps), _loss(base, _weights(catalog, counts)), _augment(facts),
        _cycle(alone, count, given), batch, _sampling(facts),
    )  # fmt: skip
    kept = tuple(choice for choice in choices if not _set_by_user(choice.key, given))
    recipe = base.change({choice.key: choice.value for choice in kept}).change(of_recipe(given))
    return Advice(recipe, kept, seconds(recipe, cost, facts.n, facts.n_val))


def _set_by_user(key: str, given: Mapping[str, Any]) -> bool:
    return any(key == other or key.startswith(other + ".") for other in given)


def _facts(catalog: Catalog, base: Recipe, time: float) -> _Facts:
    usable = catalog.usable()
    sides = np.minimum(usable.column("width").astype(float), usable.column("height").astype(float))
    train = usable.of("train")
    held = [set(ids or ()) for ids in train.table.column("mask_ids").to_pylist()]
    every = set().union(*held) if held else set()
    rare = min((sum(number in ids for ids in held) / max(len(held), 1) for number in every), default=1.0)
    light = any(word in base.model.name for word in LIGHT)
    return _Facts(len(train), len(usable.of("val")), float(np.median(sides)), light, rare, time, len(every))


def _model(base: Recipe) -> tuple[Choice, ...]:
    decoder = base.model.decoder.name if base.model.decoder else ""
    encoder = f"{base.model.name} as encoder: light and pretrained on ImageNet, its weights come as a package, so it works offline"
    skips = f"{decoder}: maps of every resolution meet, so that borders stay sharp; the others are settings of model.decoder"
    return (
        Choice("model.name", base.model.name, encoder, "SPEC M1, M2", "编码器轻量、在 ImageNet 上预训练，权重随软件包安装，离线可用"),
        Choice(
            "model.decoder", base.model.decoder.model_dump() if base.model.decoder else None, skips, "SPEC M1",
            "各分辨率的特征图在解码器中汇合，边界清晰；其他解码器可用 model.decoder 设定",
        ),
    )  # fmt: skip


def _sizes(sizes: tuple[int, int], facts: _Facts, budget: float | None) -> tuple[Choice, ...]:
    time = "no budget was given" if budget is None else f"{budget:.0f} s are given"
    why = f"the images' shorter side is {facts.side:.0f} px (median) and {time}: the largest size that leaves enough epochs"
    zh = f"图像短边中位数 {facts.side:.0f} 像素；取仍有足够训练轮数的最大尺寸"
    if sizes[1] > sizes[0]:
        later, later_zh = (
            "one step larger: the images hold more detail than training had time for",
            "评估用大一级的尺寸：图像细节多于训练所能用的",
        )
    else:
        later, later_zh = "masks are compared at the size that was trained", "掩码按训练尺寸比较"
    return (
        Choice("data.size", sizes[0], why, "SPEC M1", zh),
        Choice("data.eval_size", sizes[1], later, "SPEC T3", later_zh),
    )


def _leaked(leaked: tuple[str, ...]) -> tuple[Choice, ...]:
    reason = f"{len(leaked)} training images also lie in validation or test: without them the scores can be believed"
    zh = f"{len(leaked)} 张训练图像同时出现在验证或测试集中，剔除后分数才可信"
    return (Choice("data.drop", leaked, reason, "SPEC D4", zh),) if leaked else ()


def _optimizer(facts: _Facts, steps: int) -> tuple[Choice, ...]:
    if facts.n >= LARGE or (not facts.light and facts.n >= LARGE / 4):
        why = f"{facts.n} images{'' if facts.light else ' and a heavy encoder'}: SGD with momentum"
        return (
            Choice("optim.name", "sgd", why, "SPEC L3", "数据量大或编码器较重，用带动量的 SGD"),
            Choice("optim.lr", 5e-3, "SGD: 5e-3, in the range 1e-3 to 1e-2", "SPEC L4", "SGD 推荐学习率 5e-3"),
            Choice("optim.weight_decay", 1e-4, "in the range for SGD", "SPEC L4", "SGD 的权重衰减"),
        )  # fmt: skip
    # SPEC L4 gives 1e-4 for AdamW at batch 16 to 32; a new decoder takes the upper end of its range.
    # Only light ones were measured with the doubled rate, which lies above that range.
    hurried = facts.light and steps < FEW_STEPS
    lr = 2e-3 if hurried else 1e-3 if facts.light else 5e-4
    few, few_zh = (
        (f"; twice as much, because {steps} steps are few", f"；只有 {steps} 步，加倍") if hurried else ("", "")
    )
    source = "SPEC L4; measured, bench/DENSE.md" if hurried else "SPEC L4"
    kind = "light" if facts.light else "general"
    slow = dict.fromkeys(("stage1", "stage2", "stage3", "stage4"), ENCODER)
    return (
        Choice("optim.name", "adamw", f"{facts.n} training images are small or medium data", "SPEC L3", "中小规模数据用 AdamW"),
        Choice(
            "optim.lr", lr, f"AdamW, a decoder that begins at noise: {lr:g}{few}; the {kind} encoder has a share of it",
            source, f"AdamW：解码器从零开始，{lr:g}{few_zh}；编码器取其一部分",
        ),
        Choice(
            "optim.rates", slow, f"the pretrained encoder learns at {lr * ENCODER:g}, in the range 1e-4 to 5e-4 for fine-tuning",
            "SPEC L4; Howard & Ruder 2018, §3.2", f"预训练编码器的学习率为 {lr * ENCODER:g}，在微调范围内",
        ),
        Choice("optim.weight_decay", 1e-4, "AdamW's default for fine-tuning", "SPEC L4", "AdamW 微调的默认权重衰减"),
        Choice("optim.clip", 1.0, "a pretrained encoder is unfrozen: one bad batch must not undo it", "SPEC M3", "解冻预训练编码器时裁剪梯度"),
    )  # fmt: skip


def _weights(catalog: Catalog, counts: tuple[int, ...]) -> tuple[float, ...]:
    """Weights of the classes in the pixel-wise part: the inverse root of a class's share of the pixels, 1 in the mean over pixels. The
    class of most images is taken for the ground, which has what the others leave; those share by the images that hold them. () for two classes."""
    train = catalog.usable().of("train")
    if len(counts) < 3 or not train.has("mask_share"):
        return ()
    drawn = float(np.nanmean(train.column("mask_share").astype(float)))
    ground = int(np.argmax(counts))
    others = max(sum(counts) - counts[ground], 1)
    shares = np.asarray([1 - drawn if place == ground else drawn * n / others for place, n in enumerate(counts)])
    weights = np.clip(shares, LEAST_SHARE, 1.0) ** -0.5
    return tuple(round(float(w), 3) for w in weights / (weights * shares).sum())


def _loss(base: Recipe, weights: tuple[float, ...]) -> Choice:
    reason = "Dice weighs every class alike, however few its pixels; cross-entropy (gamma 0) keeps every pixel's gradient alive"
    zh = "Dice 让小类别与大类别同等重要；交叉熵保持每个像素的梯度"
    loss = base.loss.model_dump()
    if weights and loss["name"] == "dice_focal":
        loss["settings"] = {**loss["settings"], "weights": weights}
        reason += (
            f". Its {len(weights)} classes are weighted by the inverse root of their share of the pixels, so that saying background everywhere "
            "is no way out"
        )
        zh += "；各类别按像素占比平方根的倒数加权，避免全部预测为背景"
    return Choice("loss", loss, reason, "SPEC T5; Eigen & Fergus 2015, §4 (class weights)", zh)


def _augment(facts: _Facts) -> Choice:
    parts: list[dict[str, Any]] = [
        {"name": "flip", "settings": {}},
        {"name": "crop", "settings": {"low": 0.5}},
        {"name": "brightness_contrast", "settings": {}},
    ]
    reason = "flip, crops of 0.5–1.0 of the area and light changes; masks follow the same warp"
    if facts.n < 1000:
        parts += [{"name": "rotate", "settings": {"degrees": 15.0}}, {"name": "hue_saturation", "settings": {}}]
        reason += f"; {facts.n} images are few, so rotation and hue are added"
    return Choice(
        "augment.parts", parts, reason, "SPEC D8", "翻转、裁剪和亮度变化，掩码随同一变换；样本少时再加旋转和色调"
    )


def _cycle(alone: int, count: int, given: Mapping[str, Any]) -> Choice:
    asked, asked_zh = as_asked(given)
    reason = (
        f"the new decoder alone for {epochs_of(alone)}, so that its noise does not flow into the pretrained encoder, then "
        if alone
        else "so few epochs have none to spare for the decoder alone: "
    )
    reason += f"all layers for {count} with polynomial decay (power 0.9)"
    zh = f"先只训练新的解码器 {alone} 轮，再训练全部 {count} 轮，按 0.9 次幂多项式衰减"
    return Choice("stages", _stages(alone, count), asked + reason, "SPEC M3, L5", asked_zh + zh)


def _batch(base: Recipe, facts: _Facts) -> Choice:
    batch = 8 if facts.n < 1000 else 16
    reason = f"{facts.n} images: {batch} a step give enough steps; every image holds thousands of labelled pixels"
    return Choice("train.batch", batch, reason, "SPEC L4", f"每步 {batch} 张：每张图像已有上千个带标签的像素")


def _sampling(facts: _Facts) -> Choice:
    reason = f"the rarest class is in {facts.rare:.0%} of the training images"
    if facts.rare < 0.2:
        reason += "; balanced crops are tried as a remedy and kept only if they prove to help"
    return Choice(
        "train.sampling", "uniform", reason, "SPEC T6, S6", f"最少见的类别出现在 {facts.rare:.0%} 的训练图像中"
    )
