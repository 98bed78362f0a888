"""What a shipped model answers: what becomes of its output, what that is called, and how two answers are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

OUTPUT = "probabilities"


@dataclass(frozen=True, slots=True)
class Answer:
    """`of`: output of the model → answer [n, …], traced into the file; `output`: its name there; `preparation`: what must
    happen to a photo before, in words, for images of a size; `same`: whether two answers say the same, bool [n, …]; `free`:
    whether the file takes images of any height and width."""

    of: Callable[[torch.Tensor], torch.Tensor]
    output: str
    preparation: Callable[[int], str]
    same: Callable[[np.ndarray, np.ndarray], np.ndarray]
    free: bool = False

    @classmethod
    def by(cls, task: Any) -> Answer:
        """As a task gives it."""
        return cls(task.answer, task.output, task.preparation, task.same, bool(getattr(task, "free", False)))


def _softmax(output: torch.Tensor) -> torch.Tensor:
    return torch.softmax(output, dim=1)


def top_classes_agree(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Whether the most probable classes (axis 1) are the same."""
    return np.asarray(found.argmax(axis=1) == expected.argmax(axis=1))


def preprocessing(size: int) -> str:
    """What must happen to a photo before it enters an exported classifier, in words."""
    return (
        f"Apply the EXIF orientation, put transparency on white, convert to RGB. Resize to exactly {size}x{size} (antialiased "
        f"bilinear; the aspect ratio is not kept, nothing is cropped). Divide by 255: float32 in 0..1, channels first "
        f"[n,3,{size},{size}]. Mean and standard deviation are applied inside the model; so is softmax."
    )


CLASSES = Answer(_softmax, OUTPUT, preprocessing, top_classes_agree)
