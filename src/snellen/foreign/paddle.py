"""Text logs of PaddleX, PaddleClas, PaddleSeg and PaddleDetection: what was printed, line by line.

Source: paddlex/utils/logging and paddlex/cv/models (`[TRAIN] Epoch=1/12, Step=10/100, loss=0.53`); ppcls/engine/train
(`[Train][Epoch 1/20][Iter: 0/25]lr(Cosine): 0.01, top1: 0.1, loss: 2.3`); paddleseg/core/train (`[TRAIN] epoch: 1, iter: …`);
ppdet/engine/callbacks (`Epoch: [0] [0/100] learning_rate: …`).
"""

from __future__ import annotations

import re

from snellen.foreign.gather import Gather, finish
from snellen.foreign.head import Head
from snellen.foreign.lines import Trouble, lines, number
from snellen.foreign.reading import Reading

TRAIN, EVAL = re.compile(r"\[train\]|\bEpoch: \[", re.I), re.compile(r"\[eval\]", re.I)
EPOCH = re.compile(r"\bepoch\s*[:=]?\s*\[?\s*(\d{1,9})", re.I)
# A word, perhaps a schedule's name in brackets, and a number: top1: 0.5, loss=0.53, lr(Cosine): 1e-3.
PAIR = re.compile(
    r"([A-Za-z_][\w@]{0,40})(?:\([\w-]{0,40}\))?\s?[:=]\s?([-+]?(?:\d[\d.]{0,30}(?:[eE][-+]?\d{1,4})?|nan|inf))\b", re.I
)
ROLES = {
    "loss": "train",
    "lr": "lr",
    "learning_rate": "lr",
    "grad_norm": "norm",
    "acc1": "accuracy",
    "top1": "accuracy",
    "acc": "accuracy",
}


def detect(head: Head) -> bool:
    """A line that begins a training step with an epoch and a loss."""
    return any(TRAIN.search(line) and EPOCH.search(line) and "loss" in line for line in head.text.splitlines()[:400])


def read(head: Head) -> Reading:
    """Lines that tell of training or evaluation; all others are passed over. An evaluation counts to the epoch it names, or
    to the last that was trained."""
    trouble, columns, epoch = Trouble(), dict[str, str](), 0.0
    gather = Gather("epoch", trouble)
    for line in lines(head.path, trouble):
        side = "val" if EVAL.search(line) else "train" if TRAIN.search(line) else None
        # A line of a log is short; what is longer is looked at as far as a log's line goes.
        line = line[:4_000]
        if side is None:
            continue
        if found := EPOCH.search(line):
            epoch = float(found[1])
        values = {}
        for name, text in PAIR.findall(line):
            role = _role(name.lower(), side)
            if role is not None and columns.setdefault(role, f"{side} {name}") == f"{side} {name}":
                values[role] = number(text)
        if values:
            gather.add(values, epoch)
    return finish(gather, path=head.path, format="Paddle text log", framework="paddle", columns=columns)


def _role(name: str, side: str) -> str | None:
    role = ROLES.get(name)
    if role == "accuracy":
        return f"{side}_accuracy"
    if side == "val":
        return "val" if role == "train" else None
    return role
