"""A small segmenter on the maps of a frozen network, trained on the other folds: what each image shows, held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snellen.data.pixels import Pixels
from snellen.train.augment import plain
from snellen.train.job import normal_of
from snellen.train.machine import Setting

FOLDS = 5
# Side of a cell of the maps in pixels of the network's input.
STRIDE = 2
BATCH = 8
# Images and points per image that heads are trained on: enough for some hundred weights per channel, few enough to stay in
# memory whatever the size of the data.
MOST_IMAGES, POINTS = 1000, 384
HIDDEN, EPOCHS, STEP, RATE, DECAY = 64, 8, 2048, 3e-3, 1e-2
# The label of a cell that nothing is known of.
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Eye:
    """A frozen network (timm's `forward_intermediates`) that turns stored images into maps of several strides."""

    model: nn.Module
    setting: Setting
    size: int

    @property
    def grid(self) -> int:
        """Side of the maps in cells."""
        return self.size // STRIDE

    def see(self, pixels: Pixels, rows: np.ndarray) -> list[Tensor]:
        """Maps [n, c, h, w] float32 of these rows of the pixel store: colour and its surroundings first, then the stages."""
        mean, std = normal_of(self.model)
        images = plain(pixels.gather(rows), self.size, mean, std)
        self.model.eval()
        with torch.inference_mode(), self.setting.autocast():
            stages = self.model.forward_intermediates(self.setting.place(images), intermediates_only=True)  # type: ignore[operator]
        colour = functional.avg_pool2d(images, STRIDE)
        near = functional.avg_pool2d(colour, 5, stride=1, padding=2, count_include_pad=False)
        far = functional.avg_pool2d(colour, 8)
        own = images.mean(dim=(2, 3), keepdim=True)
        return [
            torch.cat([colour, colour - near, colour - own], dim=1),
            far,
            *(stage.float().cpu() for stage in stages),
        ]


@dataclass(frozen=True, slots=True)
class Head:
    """Standardise, one hidden layer, classes; its first layer is applied to each stage before that is enlarged."""

    first: list[Tensor]
    shift: Tensor
    last: nn.Linear

    def probabilities(self, maps: Sequence[Tensor], grid: int) -> Tensor:
        """[n, k, grid, grid] of the maps that `Eye.see` gives."""
        total: Tensor = self.shift[None, :, None, None]
        with torch.inference_mode():
            for weight, values in zip(self.first, maps, strict=True):
                small = functional.conv2d(values, weight[:, :, None, None])
                total = total + functional.interpolate(small, (grid, grid), mode="bilinear", align_corners=False)
            logits = functional.conv2d(functional.gelu(total), self.last.weight[:, :, None, None], self.last.bias)
            return torch.softmax(logits, dim=1)


@dataclass(frozen=True, slots=True)
class Given:
    """The images to be judged: `rows` [n] of the pixel store; `mask(i)` [g, g] class indices of image i, 0 the background
    (UNKNOWN where nothing is known); `learnable` [n]: whether heads may learn from it; `groups` [n]: images of one
    group stay in one fold; `classes`: how many there are."""

    pixels: Pixels
    rows: np.ndarray
    mask: Callable[[int], np.ndarray]
    learnable: np.ndarray
    groups: np.ndarray
    classes: int


def held_out(eye: Eye, given: Given, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """(position, probabilities [classes, size, size] float32) of every image from a head that saw none of its group.

    Images come fold by fold, not in order. Needs learnable images in two groups or more. Cost: two passes of the network
    over the images, the first of at most MOST_IMAGES.
    """
    folds = folds_of(given.groups, given.learnable, seed)
    values, labels, weights, owner = _points(eye, given, seed)
    widths = [part.shape[1] for part in eye.see(given.pixels, given.rows[:1])]
    for fold in np.unique(folds):
        other = torch.from_numpy(folds[owner] != fold)
        head = _fit(values[other], labels[other], weights[other], widths, given.classes, seed + int(fold))
        mine = np.flatnonzero(folds == fold)
        for start in range(0, len(mine), BATCH):
            batch = mine[start : start + BATCH]
            found = head.probabilities(eye.see(given.pixels, given.rows[batch]), eye.grid)
            # Enlarged, so that outlines can be compared to less than a cell.
            large = functional.interpolate(found, (eye.size, eye.size), mode="bilinear", align_corners=False)
            yield from zip(batch.tolist(), large.numpy(), strict=True)


def folds_of(groups: np.ndarray, learnable: np.ndarray, seed: int) -> np.ndarray:
    """Fold of every image, [n] int64: groups are dealt out in random order, those with something to learn from first."""
    names, place = np.unique(groups, return_inverse=True)
    useful = np.bincount(place, learnable, minlength=len(names)) > 0
    chance = np.random.default_rng(seed).random(len(names))
    order = np.argsort(np.lexsort((chance, ~useful)))
    return np.asarray(order[place] % FOLDS)


def _points(eye: Eye, given: Given, seed: int) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
    """Values [m, c] float16, class, weight and image of the points that heads learn from."""
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.permutation(np.flatnonzero(given.learnable))[:MOST_IMAGES])
    values, labels, weights, owner = [], [], [], []
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        maps = eye.see(given.pixels, given.rows[batch])
        for place, image in enumerate(batch):
            mask = given.mask(int(image)).reshape(-1)
            if (mask == UNKNOWN).all():
                continue
            cells, weight = _drawn(mask, chance)
            values.append(_at([part[place] for part in maps], cells, eye.grid).half())
            labels.append(mask[cells])
            weights.append(weight)
            owner.append(np.full(len(cells), image))
    known, weight = np.concatenate(labels).astype(np.int64), np.concatenate(weights).astype(np.float32)
    return torch.cat(values), torch.from_numpy(known), torch.from_numpy(weight), np.concatenate(owner)


def _drawn(mask: np.ndarray, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cells of one flat mask, half of them of the foreground, and weights that undo this preference."""
    known = np.flatnonzero(mask != UNKNOWN)
    inside = known[mask[known] > 0]
    if not len(inside):
        return chance.choice(known, POINTS), np.ones(POINTS)
    cells = np.concatenate([chance.choice(known, POINTS - POINTS // 2), chance.choice(inside, POINTS // 2)])
    share = len(inside) / len(known)
    return cells, np.where(mask[cells] > 0, 2 * share / (1 + share), 2.0)


def _at(maps: list[Tensor], cells: np.ndarray, grid: int) -> Tensor:
    """Values [p, c] of all maps [c, h, w] at cells of the grid, between their own cells bilinearly."""
    spots = np.stack([cells % grid, cells // grid], axis=1)
    places = torch.from_numpy(((2 * spots + 1) / grid - 1).astype(np.float32))[None, None]
    found = [
        functional.grid_sample(part[None], places, mode="bilinear", padding_mode="border", align_corners=False)[0, :, 0]
        for part in maps
    ]
    return torch.cat(found).T


def _fit(values: Tensor, labels: Tensor, weights: Tensor, widths: Sequence[int], classes: int, seed: int) -> Head:
    """Train a head by AdamW with a rate that falls to nothing."""
    some = values[:: max(1, len(values) // 50_000)].float()
    middle, spread = some.mean(dim=0), some.std(dim=0).clamp_min(1e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, last = nn.Linear(values.shape[1], HIDDEN), nn.Linear(HIDDEN, classes)
        steps = EPOCHS * -(-len(values) // STEP)
        optimiser = torch.optim.AdamW([*first.parameters(), *last.parameters()], lr=RATE, weight_decay=DECAY)
        for step in range(steps):
            chosen = torch.randint(len(values), (STEP,))
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
            hidden = functional.dropout(first((values[chosen].float() - middle) / spread), 0.1)
            loss = functional.cross_entropy(last(functional.gelu(hidden)), labels[chosen], reduction="none")
            optimiser.zero_grad()
            (loss * weights[chosen]).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    weight = (first.weight / spread).detach()
    shift = (first.bias - weight @ middle).detach()
    return Head(list(torch.split(weight, list(widths), dim=1)), shift, last.requires_grad_(False))
