"""Published claims as pairs of recipes: what is compared, on which data, and what was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Patch = Mapping[str, Any]

# A ResNet-18 from noise on small photographs, as far from tuned as it can be and still learn: what a technique adds is
# added to this. No average of the weights and no dropout, which would do part of what the techniques claim.
BARE: Patch = {
    "model": {"name": "resnet18", "weights": "none", "dropout": 0.0}, "data.size": 32, "data.eval_size": 32,
    "optim": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05}, "loss.settings": {"smoothing": 0.0},
    "train": {"batch": 64, "ema": 0.0, "gap_samples": 256, "precision": "fp32", "layout": "channels_last"},
}  # fmt: skip
AUGMENT: Patch = {"augment.parts": [{"name": "flip"}, {"name": "shift", "settings": {"share": 0.125}}]}
STEP: Patch = {"stages.0.schedule": {"name": "step"}}
COSINE: Patch = {"stages.0.schedule": {"name": "cosine"}}
SMOOTHING: Patch = {"loss.settings": {"smoothing": 0.1}}
FOCAL: Patch = {"loss": {"name": "focal", "settings": {"gamma": 2.0}}}
PLAIN: Patch = {**AUGMENT, **COSINE}


@dataclass(frozen=True, slots=True)
class Claim:
    """`base` and `candidate` change BARE; `data` is a folder of the data root, `epochs` the default; `measure`: rows (the
    test split's predictions), spread (and how far features of a class lie apart) or verification (same class or not, for
    pairs of images whose `unseen` classes were not trained on); `tail`: the rarest training class keeps one image in so many."""

    name: str
    says: str
    published: str
    source: str
    base: Patch
    candidate: Patch
    data: str = "cifar10_12k"
    epochs: int = 30
    metric: str = "accuracy"
    measure: str = "rows"
    tail: int = 1
    unseen: tuple[str, ...] = ()


# E1's ladder: each rung stands on those before it.
RUNGS: tuple[tuple[str, Patch, str, str], ...] = (
    ("augment", AUGMENT, "no figure", "Krizhevsky et al. 2012, §4.1"),
    ("cutmix", {"augment.cutmix": 1.0}, "ResNet-50, ImageNet: +2.3 points", "Yun et al. 2019, arXiv:1905.04899"),
    ("mixup", {"augment.mixup": 0.4}, "better, no figure taken", "Zhang et al. 2018, arXiv:1710.09412"),
    ("cosine", COSINE, "no figure", "Loshchilov & Hutter 2017, arXiv:1608.03983"),
    ("label_smoothing", SMOOTHING, "Inception-v3, ImageNet: +0.2 points", "Szegedy et al. 2016, §7"),
    ("focal", {"loss": {"name": "focal", "settings": {"gamma": 2.0, "smoothing": 0.1}}}, "for detection: +2.9 AP", "Lin et al. 2017, arXiv:1708.02002, table 1b"),
)  # fmt: skip


def _ladder() -> tuple[Claim, ...]:
    found, below = [], dict(STEP)
    for name, patch, published, source in RUNGS:
        above = {**below, **patch}
        says = f"{name.replace('_', ' ')} on top of what is below it"
        found.append(Claim(f"ladder_{name}", says, published, source, dict(below), above))
        below = above
    return tuple(found)


_TAIL: dict[str, Any] = {"tail": 50, "metric": "recall_macro"}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "cutmix", "CutMix over basic augmentation, ResNet-18", "CIFAR-10, PyramidNet-200: error 3.85 to 2.88 (+1.0 points)",
        "Yun et al. 2019, arXiv:1905.04899", PLAIN, {**PLAIN, "augment.cutmix": 1.0},
    ),
    Claim(
        "cosine", "cosine over step decay", "better, no figure taken", "Loshchilov & Hutter 2017, arXiv:1608.03983",
        {**AUGMENT, **STEP}, PLAIN,
    ),
    Claim(
        "label_smoothing", "label smoothing 0.1", "Inception-v3, ImageNet: +0.2 points", "Szegedy et al. 2016, §7",
        PLAIN, {**PLAIN, **SMOOTHING},
    ),
    *_ladder(),
    Claim(
        "focal_tail", "focal loss on a long tail", "for detection: +2.9 AP", "Lin et al. 2017, arXiv:1708.02002",
        PLAIN, {**PLAIN, **FOCAL}, **_TAIL,
    ),
    Claim(
        "sampling_tail", "class-balanced sampling on a long tail", "better, no figure taken", "SPEC T6",
        PLAIN, {**PLAIN, "train.sampling": "balanced"}, **_TAIL,
    ),
    Claim(
        "class_balanced_tail", "class-balanced cross-entropy on a long tail",
        "CIFAR-10, ResNet-32, imbalance 50: error 25.19 to 20.73 (+4.5 points)",
        "Cui et al. 2019, arXiv:1901.05555, table 2", PLAIN,
        {**PLAIN, "loss": {"name": "class_balanced", "settings": {"smoothing": 0.0, "beta": 0.9999}}}, **_TAIL,
    ),
    Claim(
        "center_digits", "center loss beside cross-entropy, digits", "intra-class distance -37 % on MNIST", "SPEC L1; Wen et al. 2016",
        {"augment.parts": [{"name": "shift", "settings": {"share": 0.1}}]},
        {"augment.parts": [{"name": "shift", "settings": {"share": 0.1}}], "loss": {"name": "center", "settings": {"weight": 0.01, "rate": 100.0, "smoothing": 0.0}}},
        data="digits_domains", measure="spread", epochs=20,
    ),
    Claim(
        "arcface_verification", "ArcFace, margin 0.5, over softmax: are two images of one class? Classes that were not trained on",
        "LFW: 99.2 to 99.6 %", "SPEC L1; Deng et al. 2019, arXiv:1801.07698", PLAIN,
        {**PLAIN, "loss": {"name": "arcface", "settings": {"margin": 0.5}}},
        data="fashion_mnist_small", measure="verification", unseen=("ankle_boot", "bag", "coat", "dress"),
    ),
    Claim(
        "adamw", "AdamW over Adam", "error lower by about 15 % of itself", "Loshchilov & Hutter 2019, arXiv:1711.05101",
        {**PLAIN, "optim.name": "adam"}, PLAIN,
    ),
)  # fmt: skip
BY_NAME = {claim.name: claim for claim in CLAIMS}
