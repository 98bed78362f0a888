"""Advice: (catalog, measured costs, budget) → a recipe, every choice with its reason and source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from snellen.budget import FULL, Cost, Epochs, cache_for, plan, seconds, untrained, views_for
from snellen.catalog import Catalog
from snellen.recipe import Recipe

LIGHT = ("lite", "mobilenet", "atto", "femto", "tiny", "resnet18", "shufflenet", "mobileone")


@dataclass(frozen=True, slots=True)
class Choice:
    """One recommended value: recipe key, value, reason and source (both languages where it has them)."""

    key: str
    value: Any
    reason: str
    source: str
    reason_zh: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """The recommended recipe and why; `estimate` in seconds for one training."""

    recipe: Recipe
    choices: tuple[Choice, ...]
    estimate: float


def advise(
    catalog: Catalog,
    cost: Cost,
    budget: float | None,
    *,
    base: Recipe,
    given: Mapping[str, Any],
    sizes: tuple[int, int],
    leaked: tuple[str, ...] = (),
) -> Advice:
    """Recommend what the user has not set.

    `base` holds the user's recipe, `given` the dotted keys that are the user's; `sizes` are those that `choose_size`
    gave; `leaked` are training samples that also lie in validation or test: they are left out before anything is tried,
    because no score could be believed with them. `catalog.about("changing")`: transforms that turn one class into another.
    `given["epochs"]`: over all stages, as the user asked; what is advised is for a training of that length.
    """
    facts = _facts(catalog, base, given)
    _, epochs = plan(facts, cost, budget, base, given, sizes[0])
    # Fewer epochs take larger steps, up to the top of the range that L4 gives (5e-4 for a light model).
    boost = min(10.0, max(1.0, (FULL["all"] / max(epochs["all"], 1)) ** 2))
    steps = epochs["all"] * math.ceil(facts["n"] / facts["batch"])
    choices = (
        _model(base), _size(sizes[0], facts, budget), _eval_size(*sizes, cropped=not untrained(epochs)), *_leaked(leaked), *_optimizer(facts),
        _augment(facts), _mixes(epochs), *_loss(base, epochs), _stages(epochs, boost, steps, given), _batch(), *_views(facts, epochs), *_norm(base, steps), _sampling(facts),
    )  # fmt: skip
    kept = tuple(choice for choice in choices if not _set_by_user(choice.key, given) and _goes_with(base, choice))
    recipe = base.change({choice.key: choice.value for choice in kept}).change(of_recipe(given))
    return Advice(recipe, kept, seconds(recipe, cost, facts["n"], facts["n_val"]))


def of_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of the user's wishes are keys of a recipe: a number of epochs over all stages is none."""
    return {key: value for key, value in given.items() if key != "epochs"}


def as_asked(given: Mapping[str, Any]) -> tuple[str, str]:
    """What a reason for the stages begins with where the user asked for a number of epochs, in both languages."""
    count = given.get("epochs")
    return (
        (f"{epochs_of(count)} {'was' if count == 1 else 'were'} asked for: ", f"按要求共 {count} 轮：")
        if count
        else ("", "")
    )


def epochs_of(count: int) -> str:
    """A number of epochs in words."""
    return f"{count} epoch" if count == 1 else f"{count} epochs"


def _leaked(leaked: tuple[str, ...]) -> tuple[Choice, ...]:
    reason = f"{len(leaked)} training images also lie in validation or test: without them the scores can be believed"
    zh = f"{len(leaked)} 张训练图像同时出现在验证或测试集中，剔除后分数才可信"
    return (Choice("data.drop", leaked, reason, "SPEC D4", zh),) if leaked else ()


def _goes_with(base: Recipe, choice: Choice) -> bool:
    # A loss that the user has chosen may refuse what is advised otherwise, such as mixed images.
    return base.refused() is not None or base.change({choice.key: choice.value}).refused() is None


def _set_by_user(key: str, given: Mapping[str, Any]) -> bool:
    return any(key == other or key.startswith(other + ".") for other in given)


def _facts(catalog: Catalog, base: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    usable = catalog.usable()
    train = usable.of("train")
    counts = list(train.counts().values())
    sides = np.minimum(usable.column("width").astype(float), usable.column("height").astype(float))
    return {
        "n": len(train), "n_val": len(usable.of("val")), "all": len(catalog), "classes": len(counts), "ratio": max(counts) / min(counts),
        "least": min(counts), "side": float(np.median(sides)), "light": any(word in base.model.name for word in LIGHT),
        "batch": base.train.batch, "asked": base.optim.name if _set_by_user("optim.name", given) else "",
        "changing": tuple(catalog.about("changing") or ()),
    }  # fmt: skip


def _loss(base: Recipe, epochs: Epochs) -> tuple[Choice, ...]:
    """What the task's loss should not do where only a head is trained."""
    if not untrained(epochs) or base.loss != Recipe().loss:
        return ()
    reason = "only a head is trained, on features that stand still: it has too little to over-fit with to be held back by smoothed labels"
    zh = "只训练分类头，特征不变：参数少，不需要标签平滑"
    return (Choice("loss.settings", {"smoothing": 0.0}, reason, "SPEC L1", zh),)


def _model(base: Recipe) -> Choice:
    name = base.model.name
    if name != Recipe().model.name:
        return Choice("model.name", name, "as it was asked for", "SPEC M1, M2", "按要求")
    reason = f"{name}: light and pretrained on ImageNet, its weights come as a package, so it also works offline"
    return Choice("model.name", name, reason, "SPEC M1, M2", "轻量、在 ImageNet 上预训练，权重随软件包安装，离线可用")


def _size(size: int, facts: Mapping[str, Any], budget: float | None) -> Choice:
    time = "no budget was given" if budget is None else f"{budget:.0f} s are given"
    reason = f"the images' shorter side is {facts['side']:.0f} px (median) and {time}: the largest size that leaves enough epochs"
    if size > facts["side"]:
        reason = (
            f"the images' shorter side is {facts['side']:.0f} px (median); a network that is not trained itself sees best a little above "
            "the size that it was pretrained at, so they are enlarged (Touvron et al. 2019)"
        )
        zh = f"图像短边中位数 {facts['side']:.0f} 像素；主干不训练时，略大于预训练尺寸看得最清楚，因此放大图像（Touvron 等 2019）"
        return Choice("data.size", size, reason, "SPEC M1", zh)
    return Choice(
        "data.size", size, reason, "SPEC M1", f"图像短边中位数 {facts['side']:.0f} 像素；取仍有足够训练轮数的最大尺寸"
    )


def _eval_size(size: int, value: int, *, cropped: bool) -> Choice:
    reason = "random crops enlarge objects in training; a larger size at evaluation makes up for it and costs nothing in training"
    zh = "随机裁剪会放大物体，评估时用更大的尺寸来抵消"
    if value == size and not cropped:
        reason, zh = (
            "nothing is cropped in training, so evaluation uses the training size",
            "训练时不裁剪，评估用训练尺寸",
        )
    elif value == size:
        reason, zh = "the images are not larger, so evaluation uses the training size", "图像本身不更大，评估用训练尺寸"
    return Choice("data.eval_size", value, reason, "Touvron et al. 2019, FixRes", zh)


def _optimizer(facts: Mapping[str, Any]) -> tuple[Choice, ...]:
    name, why, zh = _kind(facts)
    lr, rate, rate_zh = _rate(facts["asked"] or name, facts)
    return (
        Choice("optim.name", name, why, "SPEC L3", zh),
        Choice("optim.lr", lr, f"{rate}; the stages scale it", "SPEC L4", f"{rate_zh}，各阶段再按比例缩放"),
        Choice("optim.weight_decay", 1e-4, f"{name}'s default for fine-tuning", "SPEC L4", f"{name} 微调的默认权重衰减"),
        Choice("optim.clip", 1.0, "a pretrained trunk is unfrozen: one bad batch must not undo it", "SPEC M3", "解冻预训练主干时裁剪梯度"),
    )  # fmt: skip


# From so many training images data counts as very large, and from so many images a step as a very large batch (SPEC L3).
LARGE, LARGE_BATCH = 100_000, 1024


def _kind(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    """The optimiser by SPEC L3, with its reason in both languages."""
    n, batch = facts["n"], facts["batch"]
    if batch >= LARGE_BATCH:
        why = f"{batch} images a step are a very large batch: LAMB sets each layer's step by the length of its weights"
        return "lamb", why, f"每步 {batch} 张是非常大的批次：LAMB 按各层权重的长度确定步长"
    if n >= LARGE and not facts["light"]:
        why = f"{n} training images are very large data and the model is heavy: SGD with momentum for the last points of accuracy"
        return "sgd", why, f"{n} 张训练图像是非常大的数据且模型较重：带动量的 SGD 能取得最后几个点的精度"
    if n >= LARGE:
        why = f"the model is light: AdamW, also on {n} training images"
        return "adamw", why, f"轻量模型在 {n} 张训练图像上也用 AdamW"
    return "adamw", f"{n} training images are small or medium data", "中小规模数据用 AdamW"


def _rate(name: str, facts: Mapping[str, Any]) -> tuple[float, str, str]:
    """The rate by SPEC L4 for that optimiser, with its reason in both languages."""
    light, batch = facts["light"], facts["batch"]
    lr = 2e-4 if light else 1e-4
    kind = "a light model" if light else "a general model"
    if name == "lamb" and batch > 32:
        scaled = float(f"{lr * (batch / 32) ** 0.5:.2g}")
        why = f"{lr:g} at batch 32, times the root of the batch (You et al. 2020, §4.3): {scaled:g}"
        return scaled, why, f"批次 32 时为 {lr:g}，乘以批次倍数的平方根：{scaled:g}"
    if name == "sgd":
        lr = 5e-3 if light else 1e-2
        return _for_batch(lr, batch, ("1e-3", "1e-2"), f"{kind} with SGD", "SGD ")
    return _for_batch(lr, batch, ("1e-4", "5e-4"), f"{kind} with AdamW", "AdamW ")


def _for_batch(lr: float, batch: int, span: tuple[str, str], kind: str, kind_zh: str) -> tuple[float, str, str]:
    """The rate for batches of 16 to 32, in proportion to the batch outside of that, within the range that SPEC L4 gives."""
    (low, high), told = map(float, span), " to ".join(span)
    times = batch / 32 if batch > 32 else batch / 16 if batch < 16 else 1.0
    scaled = float(f"{min(max(lr * times, low), high):.2g}")
    if scaled == lr:
        return lr, f"{kind}: {lr:g}, in the range {told}", f"{kind_zh}推荐学习率 {lr:g}"
    why = f"{kind}: {lr:g} at batch 16 to 32, in proportion to batches of {batch}, in the range {told}: {scaled:g}"
    return scaled, why, f"{kind_zh}批次 16–32 时为 {lr:g}，按批次 {batch} 成比例：{scaled:g}"


def _augment(facts: Mapping[str, Any]) -> Choice:
    parts: list[dict[str, Any]] = [
        {"name": "flip", "settings": {}},
        {"name": "crop", "settings": {"low": 0.4}},
        {"name": "brightness_contrast", "settings": {}},
    ]
    reason = "flip, crops of 0.4–1.0 of the area and light changes keep the class of natural objects"
    if facts["n"] < 1000:
        parts += [{"name": "rotate", "settings": {"degrees": 15.0}}, {"name": "hue_saturation", "settings": {}}]
        reason += f"; {facts['n']} images are few, so rotation and hue are added"
    if "flip" in facts["changing"]:
        parts = parts[1:]
        reason = (
            f"{reason.removeprefix('flip, ')}; no flip, because mirrored images of some class are taken for another"
        )
    return Choice("augment.parts", parts, reason, "SPEC D8", "翻转、裁剪和亮度变化不改变类别；样本少时再加旋转和色调")


def _mixes(epochs: Mapping[str, int]) -> Choice:
    long = epochs["all"] >= 15
    reason = (
        "small data and many epochs: CutMix is preferred to harder crops"
        if long
        else f"{epochs_of(epochs['all'])} over all layers: too few for mixed images to pay; the proof may still try them"
    )
    return Choice("augment.cutmix", 1.0 if long else 0.0, reason, "SPEC D8", "轮数多时用 CutMix，轮数少时不用")


# In so few steps of all layers a rate of 5e-4 does not get far: at twice that, trainings of 50 steps were 2.6 to 3.8 points better on
# each of four datasets, at four times that on one alone (bench/advice_variants.py, two seeds; docs/ablation.md).
FEW_STEPS, FASTER = 100, 2.0


def _stages(epochs: Mapping[str, int], boost: float, steps: int, given: Mapping[str, Any]) -> Choice:
    asked, asked_zh = as_asked(given)
    note = (
        ""
        if boost == 1
        else f", times {boost:.1f} in {epochs_of(epochs['all'])} instead of the {FULL['all']} it was set for"
    )
    faster = FASTER if epochs["all"] and steps < FEW_STEPS else 1.0
    note += f", and times {faster:g} because all layers take only {steps} steps" if faster > 1 else ""
    wanted = [
        {"name": "head", "unfreeze": "head", "epochs": epochs["head"], "lr_scale": 5.0, "schedule": {"name": "cosine"}},
        {"name": "last", "unfreeze": "last", "epochs": epochs["last"], "lr_scale": round(0.5 * min(boost, 4), 3), "warmup": 0.3},
        {"name": "all", "unfreeze": "all", "epochs": epochs["all"], "lr_scale": round(0.25 * boost * faster, 3),
         "warmup": min(5.0, round(epochs["all"] / 5, 2)), "schedule": {"name": "cosine_restarts", "settings": {"cycles": 1}}},
    ]  # fmt: skip
    stages = [stage for stage in wanted if stage["epochs"]]
    if not epochs["all"]:
        return Choice("stages", stages, *_partial(epochs))
    told = (
        ("head", "head", "1e-3", "头部"),
        ("last", "last two stages", "1e-4", "最后两段"),
        ("all", "all layers", "5e-5", "全部"),
    )
    shares = ", ".join(f"{words} {epochs_of(epochs[name])} at {rate}" for name, words, rate, _ in told if epochs[name])
    reason = f"{asked}{shares} with warm-up and cosine (rates for optim.lr 2e-4){note}"
    shares_zh = "，再".join(f"{words}训练 {epochs[name]} 轮" for name, _, _, words in told if epochs[name])
    zh = f"{asked_zh}{shares_zh}；学习率依次降低"
    return Choice("stages", stages, reason, "SPEC M3, L5", zh)


def _partial(epochs: Epochs) -> tuple[str, str, str]:
    """Reason, source and Chinese reason of stages that leave the beginning of the network frozen."""
    last = f", then its last two stages {epochs_of(epochs['last'])}" if epochs["last"] else ""
    reason = (
        f"the budget does not hold enough epochs over all layers: the head is trained {epochs_of(epochs['head'])} on what the "
        f"frozen part gives, which is computed once{last}; that leaves time for larger images"
    )
    zh = f"，再训练最后两段 {epochs['last']} 轮" if epochs["last"] else ""
    return (
        reason,
        "SPEC M3",
        f"预算不够训练全部层足够多轮：冻结部分只计算一次，先训练头部 {epochs['head']} 轮{zh}，省下的时间用于更大的图像",
    )


def _batch() -> Choice:
    return Choice(
        "train.batch",
        32,
        "32 to 64 for staged fine-tuning; the smaller one gives small data more steps",
        "SPEC M3",
        "分阶段微调用 32–64",
    )


def _views(facts: Mapping[str, Any], epochs: Epochs) -> tuple[Choice, ...]:
    views = views_for(facts["n"], epochs)
    if views > 1:
        reason = (
            f"the frozen trunk is computed once for {views} augmented views of each image instead of once per epoch"
        )
        return (Choice("train.views", views, reason, "SPEC M3", f"冻结的主干只对每张图的 {views} 个增强视图各算一次"),)
    reason = "the head reads the images as they are, which the audit has shown to the network already"
    found = Choice("train.views", views, reason, "SPEC M3", "头部只读原图：审核时已经过网络，不必再算")
    fresh = f"the last stages have {epochs_of(epochs['last'])} only: each sees every image augmented afresh"
    own = Choice(
        "train.cache", cache_for(epochs), fresh, "SPEC M3", f"最后两段只训练 {epochs['last']} 轮，每轮重新增强图像"
    )
    return (found, own) if epochs["last"] else (found,)


# Statistics of batches differ from the pretrained ones, and with so few steps of all layers a network does not recover from the change.
NORM_STEPS = 150


def _norm(base: Recipe, steps: int) -> tuple[Choice, ...]:
    if not 0 < steps < NORM_STEPS or base.model.weights == "none":
        return ()
    reason = (
        f"all layers take only {steps} steps: batch normalisation, where the network has it, keeps its pretrained statistics, because with those of the batches the "
        "network would first have to make up for the change"
    )
    zh = f"全部层只训练 {steps} 步：批归一化（若网络有）保持预训练的统计量，否则网络要先适应统计量的变化"
    return (Choice("train.freeze_norm", True, reason, "measured, docs/ablation.md", zh),)


def _sampling(facts: Mapping[str, Any]) -> Choice:
    reason = f"the largest class has {facts['ratio']:.1f} times the smallest ({facts['least']} images)"
    if facts["ratio"] > 3:
        reason += "; balanced sampling is tried as a remedy and kept only if it proves to help"
    return Choice(
        "train.sampling",
        "uniform",
        reason,
        "SPEC T6, S6",
        f"最大类是最小类的 {facts['ratio']:.1f} 倍；均衡采样作为补救措施，证明有效才采用",
    )
