"""Published claims as pairs of recipes: what is compared, on which data, and what was published.

A published figure stands here only where it can be looked up: in the project's inventory (docs/features.md has its ids), or in
the authors' own repository, which is then named. Of other claims only the direction is told.
"""

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
    pairs of images whose `unseen` classes were not trained on); `tail`: the rarest training class keeps one image in so many;
    `note`: what a reader of its row must know."""

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
    note: str = ""


BETTER = "better (no figure taken)"
CUTMIX, YUN = (
    "ResNet-50, ImageNet: error 23.68 to 21.40 %",
    "Yun et al. 2019, arXiv:1905.04899; README of clovaai/CutMix-PyTorch",
)

# E1's ladder: each rung stands on those before it.
RUNGS: tuple[tuple[str, Patch, str, str], ...] = (
    ("augment", AUGMENT, BETTER, "SPEC D8"),
    ("cutmix", {"augment.cutmix": 1.0}, CUTMIX, YUN),
    ("mixup", {"augment.mixup": 0.4}, "ResNet-50, ImageNet: error 23.68 to 22.58 %", "SPEC D8; README of clovaai/CutMix-PyTorch"),
    ("cosine", COSINE, BETTER, "SPEC L5; Loshchilov & Hutter 2017, arXiv:1608.03983"),
    ("label_smoothing", SMOOTHING, BETTER, "SPEC L1; Szegedy et al. 2016, §7"),
    ("focal", {"loss": {"name": "focal", "settings": {"gamma": 2.0, "smoothing": 0.1}}}, BETTER, "SPEC L1; Lin et al. 2017, arXiv:1708.02002"),
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
        "cutmix", "CutMix over basic augmentation, ResNet-18", CUTMIX, YUN, PLAIN, {**PLAIN, "augment.cutmix": 1.0},
    ),
    Claim(
        "cosine", "cosine over step decay", BETTER, "SPEC L5; Loshchilov & Hutter 2017, arXiv:1608.03983",
        {**AUGMENT, **STEP}, PLAIN,
    ),
    Claim(
        "label_smoothing", "label smoothing 0.1", BETTER, "SPEC L1; Szegedy et al. 2016, §7",
        PLAIN, {**PLAIN, **SMOOTHING},
    ),
    *_ladder(),
    Claim(
        "focal_tail", "focal loss on a long tail", BETTER, "SPEC L1; Lin et al. 2017, arXiv:1708.02002",
        PLAIN, {**PLAIN, **FOCAL}, **_TAIL,
    ),
    Claim(
        "sampling_tail", "class-balanced sampling on a long tail", BETTER, "SPEC T6",
        PLAIN, {**PLAIN, "train.sampling": "balanced"}, **_TAIL,
    ),
    Claim(
        "class_balanced_tail", "class-balanced cross-entropy on a long tail", BETTER, "SPEC L1; Cui et al. 2019, arXiv:1901.05555", PLAIN,
        {**PLAIN, "loss": {"name": "class_balanced", "settings": {"smoothing": 0.0, "beta": 0.9999}}}, **_TAIL,
    ),
    Claim(
        "center_digits", "center loss beside cross-entropy, digits", "intra-class distance -37 % on MNIST", "SPEC L1; Wen et al. 2016, ECCV",
        {"augment.parts": [{"name": "shift", "settings": {"share": 0.1}}]},
        {"augment.parts": [{"name": "shift", "settings": {"share": 0.1}}], "loss": {"name": "center", "settings": {"weight": 0.01, "rate": 100.0, "smoothing": 0.0}}},
        data="digits_domains", measure="spread", epochs=20,
    ),
    Claim(
        "arcface_verification", "ArcFace, margin 0.5, over softmax: are two images of one class? Classes that were not trained on",
        "LFW: 99.2 to 99.6 %", "SPEC L1; Deng et al. 2019, arXiv:1801.07698", PLAIN,
        {**PLAIN, "loss": {"name": "arcface", "settings": {"margin": 0.5}}},
        data="fashion_mnist_small", measure="verification", unseen=("ankle_boot", "bag", "coat", "dress"),
        note="Pairs of images are not independent: the interval is by seed and by the class of a pair's first image.",
    ),
    Claim(
        "adamw", "AdamW over Adam", BETTER, "SPEC L3; Loshchilov & Hutter 2019, arXiv:1711.05101",
        # Added to the gradient, AdamW's decay of 0.05 is no usual choice: it would be a straw man that AdamW beats.
        {**PLAIN, "optim.name": "adam", "optim.weight_decay": 5e-4}, PLAIN,
        note="Each with a decay that is usual for it: Adam 5e-4, added to the gradient (L2); AdamW 0.05, decoupled.",
    ),
)  # fmt: skip
BY_NAME = {claim.name: claim for claim in CLAIMS}
