"""A second look at boxes: each is cut out of the image and shown to the frozen network alone, as R-CNN did.

What lies in the middle of a cut-out is seen at the size that the network was trained for, which whole maps do not give to small
objects (Girshick et al. 2014, arXiv:1311.2524). A head learns from annotated boxes, moved ones, and what a detector proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from snellen.train.box_steps import widened
from snellen.train.detector import DECAY, RATE, Head, Opinion, compared
from snellen.train.job import normal_of
from snellen.train.machine import Setting

# Side of a cut-out in pixels, and how much of what is around the box is in it.
SIDE, AROUND = 96, 1.2
# Of the last map this many directions are kept for every cell: they tell where in the cut-out something is.
PLACED = 64
BATCH, EPOCHS = 256, 25
MOST_STEPS = 600
# Cut-outs that are shown to the network at once.
SHOWN = 64
# Boxes from which the usual value and spread of every feature are taken.
SOME = 4000


@dataclass(frozen=True, slots=True)
class Cutter:
    """Shows cut-outs of stored images to a frozen network; `directions` [c, PLACED] reduce its last map."""

    model: nn.Module
    setting: Setting
    directions: Tensor

    @classmethod
    def learn(cls, model: nn.Module, setting: Setting, images: np.ndarray, boxes: Sequence[Tensor]) -> Cutter:
        """Find the leading directions on some images [n, s, s, 3] uint8 and a few boxes of theirs, in pixels of these."""
        model.eval()
        cells = torch.cat(list(_maps(model, setting, images, boxes))).permute(0, 2, 3, 1).flatten(0, 2)
        keep = min(PLACED, *cells.shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            found = torch.pca_lowrank(cells, q=min(keep + 8, *cells.shape), niter=3)[2]
        return cls(model, setting, found[:, :keep])

    def show(self, images: np.ndarray, boxes: Sequence[Tensor]) -> Tensor:
        """Features [sum of boxes, d] float16 of the boxes of every image, in order. Memory does not grow with their number."""
        found = [
            torch.cat([maps.mean(dim=(2, 3)), torch.einsum("nchw,cd->ndhw", maps, self.directions).flatten(1)], dim=1)
            for maps in _maps(self.model, self.setting, images, boxes)
        ]
        return torch.cat(found).half() if found else torch.zeros(0, 0, dtype=torch.float16)


@torch.no_grad()
def _maps(model: nn.Module, setting: Setting, images: np.ndarray, boxes: Sequence[Tensor]) -> Iterator[Tensor]:
    """[n, c, h, w] float32: the network's last maps of the cut-outs, some at a time."""
    mean, std = (torch.tensor(values)[:, None, None] for values in normal_of(model))
    whole = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
    owner = torch.repeat_interleave(torch.tensor([len(part) for part in boxes]))
    places = torch.cat([owner[:, None].float(), widened(torch.cat(list(boxes)), AROUND)], dim=1)
    for some in torch.split(places, SHOWN) if len(places) else ():
        cut = roi_align(whole, some, SIDE, sampling_ratio=2, aligned=True)
        with setting.autocast():
            found: Tensor = model.forward_features(setting.place((cut - mean) / std))  # type: ignore[operator]
        found = found.float().cpu()
        # A transformer gives tokens: a map of one cell each.
        yield found if found.ndim == 4 else found.transpose(1, 2)[:, :, :, None]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is known of shown boxes: features [n, d], class [n] (-1: not to be learnt), overlap [n], way [n, 4], fold [n]."""

    features: Tensor
    labels: Tensor
    overlaps: Tensor
    ways: Tensor
    folds: Tensor


def out_of_fold(lessons: Lessons, setting: Setting, *, classes: int, folds: int, seed: int) -> Opinion:
    """The opinion on every box of a head that has seen none of its fold."""
    known = lessons.features[:: max(1, len(lessons.features) // SOME)].float()
    middle, spread = known.mean(dim=0), known.std(dim=0) + 1e-3
    n = len(lessons.features)
    parts = [torch.zeros(n, classes + 1), torch.zeros(n), torch.zeros(n, 4)]
    for fold in range(folds):
        rows = torch.where(lessons.folds != fold)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + fold)
            head = Head(lessons.features.shape[1], classes, setting)
            _fit(head, lessons, rows, (middle, spread))
        own = torch.where(lessons.folds == fold)[0]
        with torch.inference_mode():
            for rows in torch.split(own, 4096):
                logits, fit, step = head((lessons.features[rows].float() - middle) / spread)
                for part, value in zip(parts, (logits.softmax(dim=1), fit.sigmoid(), step), strict=True):
                    part[rows] = value
    return Opinion(*parts)


def _fit(head: Head, lessons: Lessons, rows: Tensor, normal: tuple[Tensor, Tensor]) -> None:
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=2 * DECAY)
    steps = min(max(1, EPOCHS * len(rows) // BATCH), MOST_STEPS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    head.train()
    for _ in range(steps):
        some = rows[torch.randint(len(rows), (BATCH,))]
        out = head((lessons.features[some].float() - normal[0]) / normal[1])
        loss = compared(out, lessons.labels[some], lessons.overlaps[some], lessons.ways[some])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    head.eval()
