"""Feature maps of a frozen network on two grids: all its stages brought to stride 8 and 16, reduced; and regions cut out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from snellen.data.pixels import Pixels
from snellen.train.augment import plain
from snellen.train.box_steps import widened
from snellen.train.job import normal_of
from snellen.train.machine import Setting

BATCH = 8
# Images and cells per image from which the leading directions are taken.
LEARNT_FROM, CELLS = 40, 400
# What is looked at is the box and so much of its surroundings: where an object goes on can only be seen beyond.
AROUND = 1.8


@dataclass(frozen=True, slots=True)
class Level:
    """Stages of a network of stride `finest` to `coarsest`, brought to `stride` pixels per cell and reduced to `channels`."""

    stride: int
    finest: int
    coarsest: int
    channels: int
    bins: int  # A region is looked at in bins x bins cells.


# Where things end is seen in the fine stages, what they are in the coarse ones.
LEVELS = (Level(8, 4, 8, 32, 7), Level(16, 16, 64, 96, 4))

# The maps of one image, and where it was asked for of its mirror image too: [1 or 2, channels, g, g] for every level.
Maps = tuple[Tensor, ...]


def pooled(maps: Maps, boxes: Sequence[Tensor], size: int) -> Tensor:
    """Regions [sum of n, d] float32 of the boxes of every image; every level of the maps [b, c, g, g]."""
    wide = [widened(item, AROUND) for item in boxes]
    found = []
    for level in maps:
        stride = size / level.shape[-1]
        bins = next(known.bins for known in LEVELS if known.stride >= stride - 1)
        seen: Tensor = roi_align(level.float(), wide, bins, spatial_scale=1 / stride, sampling_ratio=1, aligned=True)
        found.append(seen.flatten(1))
    return torch.cat(found, dim=1)


@dataclass(frozen=True, slots=True)
class Eye:
    """A frozen network that turns stored images into reduced maps; `middle` [c] and `directions` [c, channels] of each level."""

    model: nn.Module
    setting: Setting
    size: int
    levels: tuple[Level, ...]
    middle: tuple[Tensor, ...]
    directions: tuple[Tensor, ...]

    @classmethod
    def learn(cls, model: nn.Module, setting: Setting, pixels: Pixels, rows: np.ndarray, size: int) -> Eye:
        """Find the leading directions of the stages' channels on some of the images (rows of the pixel store)."""
        chance = torch.Generator().manual_seed(0)
        seen: dict[Level, list[Tensor]] = {}
        some = rows[np.linspace(0, len(rows) - 1, min(len(rows), LEARNT_FROM)).astype(np.int64)]
        for start in range(0, len(some), BATCH):
            for level, maps in _stages(model, setting, pixels.gather(some[start : start + BATCH]), size).items():
                cells = maps.flatten(2).transpose(1, 2)
                chosen = torch.randint(cells.shape[1], (min(CELLS, cells.shape[1]),), generator=chance)
                seen.setdefault(level, []).append(cells[:, chosen].reshape(-1, cells.shape[2]))
        found = [_directions(torch.cat(cells), level.channels) for level, cells in seen.items()]
        return cls(model, setting, size, tuple(seen), tuple(m for m, _ in found), tuple(d for _, d in found))

    def see(self, images: np.ndarray, *, mirrored: bool) -> list[Maps]:
        """[n, s, s, 3] uint8, enlarged to `size` -> maps (float16) of every image as it is, and `mirrored` if that is asked for."""
        views = (images, images[:, :, ::-1].copy()) if mirrored else (images,)
        seen = [self._reduced(view) for view in views]
        return [tuple(torch.stack(maps) for maps in zip(*one, strict=True)) for one in zip(*seen, strict=True)]

    def _reduced(self, images: np.ndarray) -> list[Maps]:
        stages = _stages(self.model, self.setting, images, self.size)
        reduced = [
            ((stages[level].permute(0, 2, 3, 1) - middle) @ directions).permute(0, 3, 1, 2).half().contiguous()
            for level, middle, directions in zip(self.levels, self.middle, self.directions, strict=True)
        ]
        return list(zip(*reduced, strict=True))


def _directions(values: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Mean [c] and leading directions [c, channels] of standardised values [n, c]."""
    middle, spread = values.mean(dim=0), values.std(dim=0).clamp_min(1e-4)
    keep = min(channels, values.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, strength, found = torch.pca_lowrank(
            (values - middle) / spread, q=min(keep + 8, *values.shape), center=False, niter=3
        )
    power = (strength[:keep] / len(values) ** 0.5).clamp_min(1e-3)
    # Half-way to equal power: the later directions say as much of where an object ends as the first.
    return middle, found[:, :keep] / spread[:, None] / power.sqrt()


@torch.no_grad()
def _stages(model: nn.Module, setting: Setting, images: np.ndarray, size: int) -> dict[Level, Tensor]:
    """[n, c, g, g] float32 for every level: the last map of every resolution from stride 4 on."""
    mean, std = normal_of(model)
    batch = plain(images, size, mean, std)
    model.eval()
    with setting.autocast():
        found = model.forward_intermediates(setting.place(batch), intermediates_only=True)  # type: ignore[operator]
    last = {round(size / maps.shape[-1]): maps.float().cpu() for maps in found}
    parts = {
        level: [
            _on_grid(maps, max(1, size // level.stride))
            for stride, maps in last.items()
            if level.finest <= stride <= level.coarsest
        ]
        for level in LEVELS
    }
    return {level: torch.cat(maps, dim=1) for level, maps in parts.items() if maps}


def _on_grid(maps: Tensor, grid: int) -> Tensor:
    """Finer maps keep their detail as channels, coarser ones are interpolated."""
    if maps.shape[-1] == 2 * grid:
        return functional.pixel_unshuffle(maps, 2)
    if maps.shape[-1] == grid:
        return maps
    return functional.interpolate(maps, size=(grid, grid), mode="bilinear", align_corners=False)
