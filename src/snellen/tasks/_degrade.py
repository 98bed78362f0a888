"""What turns a good image into the one that is given: parts of the degradations shelf in order, then 8 bits, as in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from snellen.recipe import Part
from snellen.shelf import DEGRADATIONS

Degradation = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Degrader:
    """`steps`: (number of draws, degradation), in order."""

    steps: tuple[tuple[int, Degradation], ...]

    @classmethod
    def of(cls, parts: Sequence[Part], *, scale: int = 1) -> Degrader:
        """The parts in order, and a bicubic reduction where a camera has it: after blur, before noise and compression.

        Raises SnellenError for a part or a setting that is not there.
        """
        reduce = [Part(name="bicubic", settings={"scale": scale})] if scale > 1 else []
        before = [part for part in parts if DEGRADATIONS.constant(part.name, "BEFORE_REDUCTION")]
        ordered = [*before, *reduce, *(part for part in parts if part not in before)]
        return cls(
            tuple(
                (int(DEGRADATIONS.constant(part.name, "DRAWS")), DEGRADATIONS.build(part.name, part.settings))
                for part in ordered
            )
        )

    @property
    def draws(self) -> int:
        """How many numbers every image needs."""
        return sum(count for count, _ in self.steps)

    def __call__(self, images: Tensor, u: np.ndarray) -> Tensor:
        """[n, 3, h, w] in 0..1 and uniforms [n, draws] → what is given, rounded to 8 bits; images are left as they are.

        What happens to an image depends on its own draws only.
        """
        draws, place, found = torch.from_numpy(np.asarray(u, dtype=np.float32)), 0, images.clone()
        for count, degrade in self.steps:
            found, place = degrade(found, draws[:, place : place + count]), place + count
        return found.mul_(255).round_().div_(255)
