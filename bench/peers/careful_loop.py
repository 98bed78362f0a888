"""The careful loop: what somebody who knows the trade writes in an afternoon, with pretrained weights.

    python bench/peers/careful_loop.py FOLDER [--epochs 4] [--seed 0] [--workers 2]

FOLDER has train, val and test with class folders. RandomResizedCrop(128, scale 0.35 to 1) and flip, EfficientNet-Lite0,
AdamW 5e-4 (weight decay 0.01), one-cycle, label smoothing 0.1, batch 32, fp32, all layers from the first step. At the end
Resize(146), CenterCrop(128) on val and test. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.outcome import tell
from snellen.parts.models.timm_model import timm_model

BATCH, LR, DECAY, SMOOTHING = 32, 5e-4, 0.01, 0.1


def main() -> None:
    """Train, then answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="auto")
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    training = ImageFolder(str(given.data / "train"))
    model = timm_model(name=given.model, classes=len(training.classes), weights=given.weights)
    # torch's own start of a linear layer: timm's for this family is thirty times as large and wrecks the trunk at once
    # (measured: 0.76 instead of what this reaches).
    model.classifier = nn.Linear(model.num_features, len(training.classes))
    train(model, training, given)
    right: dict[str, bool] = {}
    for split in ("val", "test"):
        right |= answers(model, given.data, split, training.classes, given)
    tell(right, {"epochs": given.epochs, "seed": given.seed})


def train(model: nn.Module, images: ImageFolder, given: argparse.Namespace) -> None:
    """All layers, one cycle."""
    images.transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(given.size, scale=(0.35, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            normal(model),
        ]
    )
    batches = DataLoader(images, batch_size=BATCH, shuffle=True, num_workers=given.workers, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=given.epochs * len(batches))
    model.train()
    for _ in range(given.epochs):
        for inputs, targets in batches:
            loss = F.cross_entropy(model(inputs), targets, label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


@torch.inference_mode()
def answers(model: nn.Module, data: Path, split: str, classes: list[str], given: argparse.Namespace) -> dict[str, bool]:
    """Whether each image of a split is answered right, by its path."""
    ways = [transforms.Resize(round(given.size * 1.14)), transforms.CenterCrop(given.size), transforms.ToTensor()]
    images = ImageFolder(str(data / split), transform=transforms.Compose([*ways, normal(model)]))
    wanted = [classes.index(images.classes[target]) for target in images.targets]
    model.eval()
    batches = DataLoader(images, batch_size=64, num_workers=given.workers)
    found = torch.cat([model(inputs).argmax(dim=1) for inputs, _ in batches]).tolist()
    paths = [Path(path).relative_to(data).as_posix() for path, _ in images.samples]
    return {path: answer == target for path, answer, target in zip(paths, found, wanted, strict=True)}


def normal(model: nn.Module) -> transforms.Normalize:
    """The backbone's own mean and standard deviation."""
    return transforms.Normalize(model.pretrained_cfg["mean"], model.pretrained_cfg["std"])


if __name__ == "__main__":
    main()
