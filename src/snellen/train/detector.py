"""A small detector on frozen feature maps: one head that says of any box what is in it, how well it fits, and where to move it.

It is a region head (Girshick 2015, arXiv:1504.08083) applied again to where it moved a box (Cai & Vasconcelos 2018,
arXiv:1712.00726), with a predicted overlap (Jiang et al. 2018, arXiv:1807.11590). Boxes are in pixels of the squashed image that
the network looks at.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import nms

from snellen.train.box_steps import follow, mirrored
from snellen.train.machine import Setting
from snellen.train.maps import Maps, pooled
from snellen.train.regions import MOVABLE, Regions

WIDTH = 256
# Regions of one step: beside annotated boxes, anywhere, and of those anywhere that look most like an object.
BESIDE, ANYWHERE, HARD = 224, 96, 128
# The share of regions anywhere that counts as looking like an object, and how often that is looked up.
HARDEST, LOOKED_UP = 0.25, 4
# Boxes of the first round for every one that goes on; overlap that is let through in the next ones, and at the end.
FIRST, CASCADE, LAST = 2.5, (0.8, 0.7), 0.5
LEAST = 0.05
RATE, DECAY, SMOOTHING = 1e-3, 0.05, 0.1


@dataclass(frozen=True, slots=True)
class Opinion:
    """Of n boxes: probabilities [n, 1 + classes] (background first), overlap [n] with an object, way [n, 4] to it."""

    probabilities: Tensor
    overlap: Tensor
    step: Tensor

    @property
    def score(self) -> Tensor:
        """[n] 0..1: an object is there and the box is its own."""
        return ((1 - self.probabilities[:, 0]) * self.overlap).sqrt()

    def take(self, rows: slice | Tensor) -> Opinion:
        """Of some of the boxes."""
        return Opinion(self.probabilities[rows], self.overlap[rows], self.step[rows])

    def mean(self, other: Opinion) -> Opinion:
        """Half of each."""
        return Opinion(
            (self.probabilities + other.probabilities) / 2,
            (self.overlap + other.overlap) / 2,
            (self.step + other.step) / 2,
        )

    def mean_at(self, rows: Tensor, other: Opinion) -> Opinion:
        """Half of each at these rows [k], where the other has something to say; as it is elsewhere."""
        both = self.take(rows).mean(other)
        pairs = ((self.probabilities, both.probabilities), (self.overlap, both.overlap), (self.step, both.step))
        return Opinion(*(whole.index_copy(0, rows, part) for whole, part in pairs))


class Head(nn.Module):
    """Pooled region [n, d] -> class logits, overlap logit, way; in the setting's precision."""

    def __init__(self, inputs: int, classes: int, setting: Setting) -> None:
        super().__init__()
        self.classes, self.setting = classes, setting
        self.trunk = nn.Sequential(
            nn.Linear(inputs, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(0.3),
        )  # fmt: skip
        self.out = nn.Linear(WIDTH, classes + 6)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with self.setting.autocast():
            out = self.out(self.trunk(regions)).float()
        split: tuple[Tensor, ...] = out.split([self.classes + 1, 1, 4], dim=1)
        return split[0], split[1][:, 0], split[2]


def train_head(regions: Regions, rows: Tensor, classes: int, setting: Setting, *, steps: int, seed: int) -> Head:
    """Fit a head to some of the regions (`rows` [k]). In every step half of them lie beside annotated boxes, where there are any."""
    chance = torch.Generator().manual_seed(seed)
    beside, anywhere = rows[regions.near[rows]], rows[~regions.near[rows]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Head(regions.seen.shape[1], classes, setting)
        optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
        hard = anywhere
        for step in range(steps):
            if step and step % max(1, steps // LOOKED_UP) == 0:
                hard = _hardest(head, regions, anywhere)
            sources = ((beside, BESIDE), (anywhere, ANYWHERE), (hard, HARD))
            chosen = torch.cat([_some(source, count, chance) for source, count in sources])
            head.train()
            loss = compared(
                head(regions.seen[chosen].float()),
                regions.labels[chosen],
                regions.overlaps[chosen],
                regions.ways[chosen],
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head.eval()


def _some(rows: Tensor, count: int, chance: torch.Generator) -> Tensor:
    return rows[torch.randint(len(rows), (count,), generator=chance)] if len(rows) else rows


@torch.inference_mode()
def _hardest(head: Head, regions: Regions, rows: Tensor) -> Tensor:
    """Of these regions those that look most like an object (Shrivastava, Gupta & Girshick 2016, arXiv:1604.03540)."""
    head.eval()
    background = [head(regions.seen[part].float())[0].softmax(dim=1)[:, 0] for part in torch.split(rows, 2048)]
    count = max(1, int(HARDEST * len(rows)))
    return rows[torch.cat(background).topk(count, largest=False).indices]


def compared(out: tuple[Tensor, Tensor, Tensor], label: Tensor, overlap: Tensor, step: Tensor) -> Tensor:
    """The loss of a head's answer: class, overlap and way."""
    logits, fit, moved = out
    clear, near = label >= 0, overlap >= MOVABLE
    classes = functional.cross_entropy(logits[clear], label[clear], label_smoothing=SMOOTHING)
    fits = functional.binary_cross_entropy_with_logits(fit, overlap)
    # Absolute error: the faults among the annotations are few and large, and must not pull.
    moves = functional.smooth_l1_loss(moved[near], step[near], beta=0.1) if bool(near.any()) else moved.sum() * 0
    return classes + fits + 2 * moves


@torch.inference_mode()
def judge(head: Head, maps: Maps, boxes: Tensor, size: int) -> Opinion:
    """The opinion on boxes [n, 4]; the mean of both views where the maps hold the mirror image too."""
    if not len(boxes):
        return Opinion(torch.zeros(0, head.classes + 1), torch.zeros(0), torch.zeros(0, 4))
    views = len(maps[0])
    logits, fit, step = head(pooled(maps, [boxes, mirrored(boxes, size)][:views], size))
    n = len(boxes)
    plain = Opinion(logits[:n].softmax(dim=1), fit[:n].sigmoid(), step[:n])
    if views == 1:
        return plain
    back = step[n:] * torch.tensor([-1.0, 1.0, 1.0, 1.0])
    return plain.mean(Opinion(logits[n:].softmax(dim=1), fit[n:].sigmoid(), back))


@torch.inference_mode()
def detect(head: Head, maps: Maps, starts: Tensor, size: int, *, most: int) -> tuple[Tensor, Opinion]:
    """At most `most` boxes [d, 4] of the objects that the head sees, best first, and the opinion on them; `starts` [a, 4]: boxes
    that it begins from."""
    logits, fit, step = head(pooled(tuple(level[:1] for level in maps), [starts], size))
    score = (1 - logits.softmax(dim=1)[:, 0]) * fit.sigmoid()
    best = score.topk(min(int(FIRST * most), len(score))).indices
    boxes = follow(starts[best], step[best], size)
    for overlap in CASCADE:
        opinion = judge(head, maps, boxes, size)
        best = nms(boxes, opinion.score, overlap)[:most]
        boxes = follow(boxes[best], opinion.step[best], size)
    opinion = judge(head, maps, boxes, size)
    kept = nms(boxes, opinion.score, LAST)
    kept = kept[opinion.score[kept] >= LEAST]
    return boxes[kept], opinion.take(kept)
