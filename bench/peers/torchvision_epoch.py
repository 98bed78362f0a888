"""The usual way of feeding a training: torchvision's ImageFolder, its transforms, and a DataLoader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

WORKERS = (0, 1, 2)


def loader(folder: Path, *, workers: int, size: int, batch: int, low: float = 0.4) -> DataLoader[Any]:
    """Crop, flip and colour at `size` pixels; workers outlive the epoch."""
    ways = transforms.Compose(
        [
            transforms.RandomResizedCrop(size, scale=(low, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(0.2, 0.2, 0.2, 0.04),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    images = ImageFolder(str(folder), transform=ways)
    return DataLoader(images, batch_size=batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def epoch(batches: DataLoader[Any]) -> int:
    """Read every batch once; how many images there were."""
    count = 0
    for images, _ in batches:
        assert images.dtype == torch.float32
        count += len(images)
    return count
