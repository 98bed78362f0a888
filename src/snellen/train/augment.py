"""Augmentation of a whole batch at once: one warp, one colour matrix, then pixel operations.

Only the samples that something happens to are worked on, and what happens to one does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.parts.augments._changes import Changes, Operation
from snellen.parts.augments._operations import recolour
from snellen.recipe import AimedPart, Part, Recipe
from snellen.shelf import AUGMENTS
from snellen.train.draws import uniforms
from snellen.train.warp import changed, normalised
from snellen.values import SnellenError


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn for a batch: `geometry` [n, 3, 3] from output to input coordinates in -1..1 (targets follow the same
    matrices, see train/targets), `colour` [n, 3, 4], and operations on the images of some rows, in order."""

    geometry: Tensor
    colour: Tensor
    pixels: tuple[tuple[Tensor, Operation], ...]


@dataclass(frozen=True, slots=True)
class _Step:
    kind: str
    draws: int
    function: Callable[[Tensor], Any]
    classes: frozenset[int] | None

    def rows(self, targets: np.ndarray) -> Tensor:
        hit = np.ones(len(targets), bool) if self.classes is None else np.isin(targets, list(self.classes))
        return torch.from_numpy(np.flatnonzero(hit))


@dataclass(frozen=True, slots=True)
class Augmenter:
    """Turns stored pixels [n, s, s, 3] uint8 into network input [n, 3, size, size] float32."""

    steps: tuple[_Step, ...]
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: np.ndarray, targets: np.ndarray, *, seed: int, epoch: int, keys: np.ndarray) -> Tensor:
        """Augment; `keys` [n] are the samples' keys, `targets` [n] their class indices (for parts aimed at classes)."""
        with torch.autocast(
            "cpu", enabled=False
        ):  # Whoever asks may be computing in half precision: coordinates must not.
            return self.apply(pixels, self.draw(targets, seed=seed, epoch=epoch, keys=keys))

    def draw(self, targets: np.ndarray, *, seed: int, epoch: int, keys: np.ndarray) -> Drawn:
        """What happens to each sample: a function of seed, epoch and its key, and of its class where parts are aimed."""
        draws = torch.from_numpy(uniforms(seed, epoch, keys, sum(step.draws for step in self.steps) or 1))
        geometry = torch.eye(3).repeat(len(keys), 1, 1)
        colour = torch.eye(4).repeat(len(keys), 1, 1)
        operations, place = [], 0
        for step in self.steps:
            rows, start, place = step.rows(targets), place, place + step.draws
            if not len(rows):
                continue
            changes = changes_of(step.kind, step.function(draws[rows, start:place]), len(rows))
            if changes.geometry is not None:
                geometry[rows] = geometry[rows] @ changes.geometry
            if changes.colour is not None:
                colour[rows] = _square(changes.colour) @ colour[rows]
            operations += [(rows[chosen], operation) for chosen, operation in changes.pixels]
        return Drawn(geometry, colour[:, :3], tuple(operations))

    def apply(self, pixels: np.ndarray, drawn: Drawn) -> Tensor:
        """The network input of stored pixels [n, s, s, 3] after what was drawn for them."""
        images = pictured(pixels, drawn.geometry, drawn.colour, self.size)
        for rows, operation in drawn.pixels:
            images = _on(images, rows, operation)
        return normalised(images, self.mean, self.std)


def changes_of(kind: str, result: Any, n: int) -> Changes:
    """What a part of the kind returned for n samples, in the form that all kinds share."""
    if kind == "geometry":
        return Changes(geometry=result)
    if kind == "colour":
        return Changes(colour=result)
    if kind == "pixels":
        return Changes(pixels=((torch.arange(n), result),))
    return Changes(*result)


def pictured(pixels: np.ndarray, geometry: Tensor, colour: Tensor, size: int) -> Tensor:
    """Pixels [n, s, s, 3] uint8 → images [n, 3, size, size] float32 in 0..1 by one bilinear warp, mirrored at the edge, and one
    colour matrix; a sample that does not move is resized as `plain` does."""
    moves = (geometry != torch.eye(3)).flatten(1).any(dim=1)
    moved, still = moves.nonzero()[:, 0], (~moves).nonzero()[:, 0]
    if not len(moved):
        return recoloured(resize(_floats(pixels), size), colour)
    own = pixels if not len(still) else pixels[moved.numpy()]
    # [n, h, w, 3] seen as NCHW is channels last in memory.
    found = torch.from_numpy(changed(own, geometry[moved], colour[moved], size)).permute(0, 3, 1, 2)
    if not len(still):
        return found
    result = torch.empty(len(pixels), 3, size, size, memory_format=torch.channels_last)
    result[moved] = found
    result[still] = recoloured(resize(_floats(pixels[still.numpy()]), size), colour[still])
    return result


def grid(geometry: Tensor, size: int) -> Tensor:
    """Where each pixel of a [size, size] output looks in the input: [n, size, size, 2], x and y in -1..1."""
    centres = (2 * torch.arange(size) + 1) / size - 1
    # Columns and rows apart, then one addition: a fraction of the time of a product for each pixel.
    places = []
    for axis in (0, 1):
        a, b, c = (geometry[:, axis, i, None] for i in range(3))
        places.append((a * centres)[:, None, :] + (b * centres + c)[:, :, None])
    return torch.stack(places, dim=-1)


def recoloured(images: Tensor, colour: Tensor) -> Tensor:
    """Each pixel by its sample's matrix [n, 3, 4], clipped to 0..1; one scale for all channels takes a shorter way."""
    scale, shift = colour[:, 0, 0], colour[:, :, 3]
    scaling = (colour[:, :, :3] == scale[:, None, None] * torch.eye(3)).flatten(1).all(dim=1)
    nothing = scaling & (scale == 1) & (shift == 0).all(dim=1)
    light, mixed = (scaling & ~nothing).nonzero()[:, 0], (~scaling).nonzero()[:, 0]
    images = _on(images, light, lambda chosen: _scaled(chosen, scale[light], shift[light]))
    return _on(images, mixed, lambda chosen: recolour(chosen, colour[mixed]))


def _scaled(images: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return images.mul_(scale[:, None, None, None]).add_(shift[:, :, None, None]).clamp_(0, 1)


def _on(images: Tensor, rows: Tensor, operation: Operation) -> Tensor:
    """The operation on some rows, in place; on all of them without a copy."""
    if len(rows) == len(images):
        return operation(images)
    if len(rows):
        images[rows] = operation(images[rows])
    return images


def augmenter(recipe: Recipe, classes: Sequence[str], mean: tuple[float, ...], std: tuple[float, ...]) -> Augmenter:
    """Build from the recipe's augment section."""
    index = {name: i for i, name in enumerate(classes)}
    steps = tuple(_step(part, index) for part in (*recipe.augment.parts, *recipe.augment.aimed))
    return Augmenter(steps, recipe.data.size, mean, std)


def _step(part: Part, index: dict[str, int]) -> _Step:
    module = AUGMENTS.module(part.name)
    aimed = frozenset(index[name] for name in part.classes if name in index) if isinstance(part, AimedPart) else None
    try:
        function = AUGMENTS.build(part.name, part.settings)
    except ValueError as error:
        raise SnellenError(f"augment part {part.name}: {error}") from None
    return _Step(module.KIND, module.DRAWS, function, aimed)


def _square(matrix: Tensor) -> Tensor:
    last = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(len(matrix), 1, 4)
    return torch.cat([matrix, last], dim=1)


def _floats(pixels: np.ndarray) -> Tensor:
    # [n, s, s, 3] seen as NCHW is channels last in memory: no copy is made for the layout.
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Pixels 0..1 by the backbone's own mean and standard deviation (SPEC D7)."""
    return normalised(images.clone(), mean, std)


def resize(images: Tensor, size: int) -> Tensor:
    """[n, 3, s, s] to [n, 3, size, size], antialiased bilinear; unchanged where the size agrees."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def plain(pixels: np.ndarray, size: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Network input without augmentation, as evaluation and shipping see it."""
    return normalised(resize(_floats(pixels), size), mean, std)
