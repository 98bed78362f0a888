"""A small detector on frozen feature maps: one head that says of any box what is in it, how well it fits, and where to move it.

It is a region head (Girshick 2015, arXiv:1504.08083) applied again to where it moved a box (Cai & Vasconcelos 2018,
arXiv:1712.00726), with a predicted overlap (Jiang et al. 2018, arXiv:1807.11590). Boxes are in pixels of the stored, squashed image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_iou, nms, roi_align

from snellen.train.box_steps import centres, follow, from_centres, mirrored, way, widened
from snellen.train.maps import LEVELS, Maps

# What is looked at is the box and half its sides around: where an object goes on can only be seen beyond.
AROUND = 1.8
WIDTH = 256
# Regions of an image in one step: beside annotated boxes, and anywhere.
NEAR, ANYWHERE = 40, 24
# Of so many times as many regions anywhere those are learnt from that look most like an object.
HARDER = 2
IMAGES = 8
INSIDE, OUTSIDE, MOVABLE = 0.5, 0.4, 0.2
# Boxes that go on from the anchors, then overlap that is let through and number in every round, and at the end.
FIRST, CASCADE, LAST = 150, ((0.8, 60), (0.7, 60)), 0.5
LEAST = 0.05
RATE, DECAY, SMOOTHING = 1e-3, 0.05, 0.1


@dataclass(frozen=True, slots=True)
class Scene:
    """Maps of an image and its mirror image, its annotated boxes [m, 4] and their classes [m]."""

    maps: Maps
    boxes: Tensor
    labels: Tensor


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


class Head(nn.Module):
    """Pooled region [n, d] -> class logits, overlap logit, way."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.trunk = nn.Sequential(
            nn.Linear(inputs, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(0.3),
        )  # fmt: skip
        self.out = nn.Linear(WIDTH, classes + 6)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.out(self.trunk(regions)).float()
        split: tuple[Tensor, ...] = out.split([self.classes + 1, 1, 4], dim=1)
        return split[0], split[1][:, 0], split[2]


def pooled(maps: Maps, boxes: Sequence[Tensor], size: int) -> Tensor:
    """Regions [sum of n, d] of the boxes of every image; every level of the maps [b, c, g, g]."""
    wide = [widened(item, AROUND) for item in boxes]
    found = []
    for level in maps:
        stride = size / level.shape[-1]
        bins = next(known.bins for known in LEVELS if known.stride >= stride - 1)
        seen: Tensor = roi_align(level.float(), wide, bins, spatial_scale=1 / stride, sampling_ratio=1, aligned=True)
        found.append(seen.flatten(1))
    return torch.cat(found, dim=1)


def train_head(scenes: Sequence[Scene], anchors: Tensor, classes: int, *, size: int, steps: int, seed: int) -> Head:
    """Fit a head to what is annotated; `anchors` [a, 4] are boxes of usual sizes all over an image."""
    chance = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Head(pooled(scenes[0].maps, [anchors[:1], anchors[:0]], size).shape[1], classes)
        optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
        head.train()
        for _ in range(steps):
            chosen = torch.randint(len(scenes), (IMAGES,), generator=chance).tolist()
            loss = _loss(head, [scenes[i] for i in chosen], anchors, size, chance)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head.eval()


def _loss(head: Head, scenes: Sequence[Scene], anchors: Tensor, size: int, chance: torch.Generator) -> Tensor:
    views, regions, labels, overlaps, ways = [], [], [], [], []
    for scene in scenes:
        flip = bool(torch.rand((), generator=chance) < 0.5)
        boxes = mirrored(scene.boxes, size) if flip else scene.boxes
        region = _regions(boxes, anchors, size, chance)
        label, overlap, step = targets(region, boxes, scene.labels)
        views.append([level[int(flip)] for level in scene.maps])
        regions.append(region)
        labels.append(label)
        overlaps.append(overlap)
        ways.append(step)
    with torch.no_grad():
        seen = pooled(tuple(torch.stack(level) for level in zip(*views, strict=True)), regions, size)
        chosen = _harder(head, seen, [len(region) for region in regions])
    wanted = (torch.cat(part)[chosen] for part in (labels, overlaps, ways))
    return compared(head(seen[chosen]), *wanted)


def _harder(head: Head, seen: Tensor, counts: Sequence[int]) -> Tensor:
    """Rows to learn from: all that lie beside annotated boxes, and of the others in each image those that look most like an object
    (Shrivastava, Gupta & Girshick 2016, arXiv:1604.03540)."""
    far = ANYWHERE * HARDER
    ends = torch.tensor(counts).cumsum(0)
    rows = (ends[:, None] - far + torch.arange(far)).reshape(-1)
    score = -head(seen[rows])[0].softmax(dim=1)[:, 0].reshape(len(counts), far)
    hard = rows.reshape(len(counts), far).gather(1, score.topk(ANYWHERE, dim=1).indices)
    near = torch.cat([torch.arange(int(end) - count, int(end) - far) for end, count in zip(ends, counts, strict=True)])
    return torch.cat([near, hard.reshape(-1)])


def compared(out: tuple[Tensor, Tensor, Tensor], label: Tensor, overlap: Tensor, step: Tensor) -> Tensor:
    logits, fit, moved = out
    clear, near = label >= 0, overlap >= MOVABLE
    classes = functional.cross_entropy(logits[clear], label[clear], label_smoothing=SMOOTHING)
    fits = functional.binary_cross_entropy_with_logits(fit, overlap)
    # Absolute error: the faults among the annotations are few and large, and must not pull.
    moves = functional.smooth_l1_loss(moved[near], step[near], beta=0.1) if bool(near.any()) else moved.sum() * 0
    return classes + fits + 2 * moves


def _regions(boxes: Tensor, anchors: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """Boxes to learn from: annotated ones moved and resized a little or a lot, and some of the anchors."""
    random = anchors[torch.randint(len(anchors), (ANYWHERE * HARDER,), generator=chance)]
    if not len(boxes):
        return random
    return torch.cat([moved(boxes[torch.randint(len(boxes), (NEAR,), generator=chance)], size, chance), random])


def moved(boxes: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """The boxes [n, 4], each moved and resized a little or a lot."""
    middle, sides = centres(boxes)
    n = len(boxes)
    much = torch.rand((n, 1), generator=chance)
    shift = (torch.rand((n, 2), generator=chance) * 2 - 1) * 0.7 * much
    zoom = (torch.rand((n, 1), generator=chance) * 2 - 1) * 0.9 * torch.rand((n, 1), generator=chance)
    aspect = (torch.rand((n, 2), generator=chance) * 2 - 1) * 0.3 * much
    return from_centres(middle + shift * sides, sides * (zoom + aspect).exp()).clamp(0, size)


def targets(regions: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Class [n] (0: background, -1: neither), overlap [n] with the nearest annotated box, way [n, 4] to it."""
    if not len(boxes):
        return torch.zeros(len(regions), dtype=torch.long), torch.zeros(len(regions)), torch.zeros(len(regions), 4)
    overlap, nearest = box_iou(regions, boxes).max(dim=1)
    label = torch.where(overlap >= INSIDE, labels[nearest] + 1, torch.zeros_like(nearest))
    label[(overlap < INSIDE) & (overlap >= OUTSIDE)] = -1
    return label, overlap, way(regions, boxes[nearest])


@torch.inference_mode()
def judge(head: Head, maps: Maps, boxes: Tensor, size: int) -> Opinion:
    """The mean opinion on both views of an image; boxes [n, 4]."""
    if not len(boxes):
        return Opinion(torch.zeros(0, head.classes + 1), torch.zeros(0), torch.zeros(0, 4))
    logits, fit, step = head(pooled(maps, [boxes, mirrored(boxes, size)], size))
    n = len(boxes)
    back = step[n:] * torch.tensor([-1.0, 1.0, 1.0, 1.0])
    plain = Opinion(logits[:n].softmax(dim=1), fit[:n].sigmoid(), step[:n])
    return plain.mean(Opinion(logits[n:].softmax(dim=1), fit[n:].sigmoid(), back))


@torch.inference_mode()
def detect(head: Head, maps: Maps, anchors: Tensor, size: int) -> tuple[Tensor, Opinion]:
    """Boxes [d, 4] of the objects that the head sees, best first, and the opinion on them."""
    logits, fit, step = head(pooled(tuple(level[:1] for level in maps), [anchors], size))
    score = (1 - logits.softmax(dim=1)[:, 0]) * fit.sigmoid()
    best = score.topk(min(FIRST, len(score))).indices
    boxes = follow(anchors[best], step[best], size)
    for overlap, most in CASCADE:
        opinion = judge(head, maps, boxes, size)
        best = nms(boxes, opinion.score, overlap)[:most]
        boxes = follow(boxes[best], opinion.step[best], size)
    opinion = judge(head, maps, boxes, size)
    kept = nms(boxes, opinion.score, LAST)
    kept = kept[opinion.score[kept] >= LEAST]
    return boxes[kept], opinion.take(kept)
