"""Columns: what the name of a column means, where no format says it."""

from __future__ import annotations

import re
from collections.abc import Iterable

VAL = {"val", "valid", "validation", "eval", "evaluation", "test", "dev"}
TRAIN = {"train", "training", "tr", "trn"}
LOSS = {"loss", "losses", "nll", "xent", "cost", "celoss", "logloss"}
ACCURACY = {"acc", "accuracy", "top1", "acc1", "prec1", "acc@1", "precision@1"}
RATE = {"lr", "lrs", "pg0"}
GRADIENT = {"gradnorm", "gnorm", "grad"}
EPOCH, STEP = {"epoch", "epochs"}, {"step", "steps", "iter", "iteration", "iterations", "globalstep"}
CHINESE = {
    "训练": " train ", "验证": " val ", "测试": " test ", "损失": " loss ", "学习率": " lr ", "准确率": " accuracy ",
    "精度": " accuracy ", "轮次": " epoch ", "轮数": " epoch ", "轮": " epoch ", "迭代": " iter ", "步": " step ", "梯度": " grad ",
}  # fmt: skip
# Shorter ways to say what a name means come first: "loss" before "loss_cls", "train_loss_epoch" before "train_loss_step".
LAST = ("step", "raw", "ema", "smooth")


def words(name: str) -> list[str]:
    """The words of a column's name: trainLoss, train/loss and 训练损失 are all train, loss."""
    for sign, word in CHINESE.items():
        name = name.replace(sign, word)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    name = re.sub(r"learning[\W_]*rate", " lr ", name, flags=re.IGNORECASE)
    name = re.sub(r"(?:grad(?:ient)?|global)[\W_]*(?:2[\W_]*)?norm", " gradnorm ", name, flags=re.IGNORECASE)
    return [word for word in re.split(r"[^a-z0-9@]+", name.lower()) if word]


def role_of(name: str) -> str | None:
    """The role of one column: a key of ROLES, or None where its name says nothing that is known."""
    said = set(words(name))
    if said & LOSS:
        return "val" if said & VAL else "train"
    if said & ACCURACY:
        return "train_accuracy" if said & TRAIN else "val_accuracy" if said & VAL else "accuracy"
    if said & RATE:
        return "lr"
    if said & GRADIENT:
        return "norm"
    if said <= EPOCH | {"num", "no", "current"} and said & EPOCH:
        return "epoch"
    if said <= STEP | {"global", "num", "trainer", "train"} and said & STEP:
        return "step"
    return None


def guess(names: Iterable[str]) -> dict[str, str]:
    """Role → column, for the plainest column of each role.

    An accuracy that names no side goes with the losses: beside a validation accuracy it is training's, else validation's.
    """
    candidates: dict[str, list[str]] = {}
    for name in names:
        role = role_of(name)
        if role is not None:
            candidates.setdefault(role, []).append(name)
    found = {role: min(given, key=_plain) for role, given in candidates.items()}
    if "accuracy" in found:
        side = "train_accuracy" if "val_accuracy" in found else "val_accuracy"
        found.setdefault(side, found["accuracy"])
        del found["accuracy"]
    return found


def _plain(name: str) -> tuple[bool, bool, int, str]:
    said = words(name)
    # A test is no validation where there is one of that too.
    return "test" in said, said[-1] in LAST, len(said) - ("epoch" in said), name
