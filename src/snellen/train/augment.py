"""Augmentation of a whole batch at once: one warp, one colour matrix, then pixel operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.recipe import AimedPart, Part, Recipe
from snellen.shelf import AUGMENTS
from snellen.train.draws import uniforms


@dataclass(frozen=True, slots=True)
class _Step:
    kind: str
    draws: int
    function: Callable[[Tensor], Any]
    classes: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Augmenter:
    """Turns stored pixels [n, s, s, 3] uint8 into network input [n, 3, size, size] float32, channels last in memory."""

    steps: tuple[_Step, ...]
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: np.ndarray, targets: np.ndarray, *, seed: int, epoch: int, keys: np.ndarray) -> Tensor:
        """Augment; `keys` [n] are the samples' keys, `targets` [n] their class indices (for parts aimed at classes)."""
        images = _floats(pixels)
        draws = torch.from_numpy(uniforms(seed, epoch, keys, sum(step.draws for step in self.steps) or 1))
        geometry = torch.eye(3).repeat(len(images), 1, 1)
        colour = torch.eye(4).repeat(len(images), 1, 1)
        operations, place = [], 0
        for step in self.steps:
            u, place = draws[:, place : place + step.draws], place + step.draws
            chosen = _chosen(step, targets)
            if step.kind == "geometry":
                geometry = torch.where(chosen, geometry @ step.function(u), geometry)
            elif step.kind == "colour":
                colour = torch.where(chosen, _square(step.function(u)) @ colour, colour)
            else:
                operations.append((chosen[..., None], step.function(u)))
        images = _colour(self._warp(images, geometry), colour)
        for mask, operation in operations:
            images = torch.where(mask, operation(images), images)
        return normalise(images, self.mean, self.std)

    def _warp(self, images: Tensor, geometry: Tensor) -> Tensor:
        if not any(step.kind == "geometry" for step in self.steps):
            return resize(images, self.size)
        shape = [len(images), 3, self.size, self.size]
        grid = F.affine_grid(geometry[:, :2], shape, align_corners=False)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def augmenter(recipe: Recipe, classes: Sequence[str], mean: tuple[float, ...], std: tuple[float, ...]) -> Augmenter:
    """Build from the recipe's augment section."""
    index = {name: i for i, name in enumerate(classes)}
    steps = tuple(_step(part, index) for part in (*recipe.augment.parts, *recipe.augment.aimed))
    return Augmenter(steps, recipe.data.size, mean, std)


def _step(part: Part, index: dict[str, int]) -> _Step:
    module = AUGMENTS.module(part.name)
    aimed = frozenset(index[name] for name in part.classes if name in index) if isinstance(part, AimedPart) else None
    return _Step(module.KIND, module.DRAWS, AUGMENTS.build(part.name, part.settings), aimed)


def _chosen(step: _Step, targets: np.ndarray) -> Tensor:
    hit = np.ones(len(targets), bool) if step.classes is None else np.isin(targets, list(step.classes))
    return torch.from_numpy(hit)[:, None, None]


def _square(matrix: Tensor) -> Tensor:
    last = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(len(matrix), 1, 4)
    return torch.cat([matrix, last], dim=1)


def _colour(images: Tensor, matrix: Tensor) -> Tensor:
    if torch.equal(matrix, torch.eye(4).expand_as(matrix)):
        return images
    mixed = torch.einsum("nij,njhw->nihw", matrix[:, :3, :3], images) + matrix[:, :3, 3][..., None, None]
    return mixed.clamp(0, 1).contiguous(memory_format=torch.channels_last)


def _floats(pixels: np.ndarray) -> Tensor:
    # [n, s, s, 3] seen as NCHW is channels last in memory: no copy is made for the layout.
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Pixels 0..1 by the backbone's own mean and standard deviation (SPEC D7)."""
    return (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def resize(images: Tensor, size: int) -> Tensor:
    """[n, 3, s, s] to [n, 3, size, size], antialiased bilinear; unchanged where the size agrees."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def plain(pixels: np.ndarray, size: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Network input without augmentation, as evaluation and shipping see it."""
    return normalise(resize(_floats(pixels), size), mean, std)
