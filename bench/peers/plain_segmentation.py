"""The plain script: what the documentation of segmentation-models-pytorch suggests, on the same encoder with the same weights.

    python bench/peers/plain_segmentation.py FOLDER OUT.npz --seconds 300 --size 192 [--seed 0] [--batch 8]

FOLDER has images/{train,val,test}/*.jpg and masks/{train,val,test}/*.png. U-Net, AdamW 1e-4, Dice + cross-entropy, flips,
fp32, all layers from the first step, evaluated after every epoch, the best weights on validation kept. It ends when the seconds
from its own start are over (images are decoded once, into memory). OUT holds the counts of every validation and test image, as
arrays named split:column.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from PIL import Image

from snellen.parts.models.timm_model import timm_model
from snellen.tasks._pixels import numbers_of

ENCODER, LR = "tf_efficientnet_lite0", 1e-4


def main() -> None:
    """Train until the time is over, then answer the validation and test images."""
    start = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=8)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    parts = {split: load(given.data, split, given.size) for split in ("train", "val", "test")}
    classes = int(parts["train"][1].max()) + 1
    model = smp.Unet(f"tu-{ENCODER}", encoder_weights=None, classes=classes)
    weights = timm_model(name=ENCODER, classes=2).state_dict()
    model.encoder.model.load_state_dict({key: weights[key] for key in model.encoder.model.state_dict()})
    epochs = train(model, parts, given, start)
    found = {}
    for split in ("val", "test"):
        images, masks, names = parts[split]
        found |= {f"{split}:{name}": values for name, values in evaluate(model, images, masks).items()}
        found[f"{split}:names"] = np.asarray(names)
    np.savez(given.out, epochs=epochs, seconds=time.monotonic() - start, **found)


def load(folder: Path, split: str, size: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Images [n, 3, size, size] normalised, masks [n, size, size], names."""
    images, masks, names = [], [], []
    for path in sorted((folder / "images" / split).glob("*")):
        mask = folder / "masks" / split / f"{path.stem}.png"
        images.append(np.asarray(Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)))
        masks.append(np.asarray(Image.open(mask).resize((size, size), Image.Resampling.NEAREST)))
        names.append(f"images/{split}/{path.name}")
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return (pixels - 0.5) / 0.5, torch.from_numpy(np.stack(masks)).long(), names


def train(model: torch.nn.Module, parts: dict, given: argparse.Namespace, start: float) -> int:
    """Until the time is over, less what an evaluation takes; returns the epochs. The best weights are in the model."""
    images, masks, _ = parts["train"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    dice = smp.losses.DiceLoss(mode="multiclass")
    best, kept, epoch, looked = -1.0, model.state_dict(), 0, 0.0
    while time.monotonic() - start < given.seconds - 2 * looked:
        model.train()
        for chosen in torch.randperm(len(images)).split(given.batch):
            if time.monotonic() - start > given.seconds - 2 * looked or len(chosen) < 2:
                break
            x, y = images[chosen], masks[chosen]
            for axis in (1, 2):
                if torch.rand(()) < 0.5:
                    x, y = x.flip(axis + 1), y.flip(axis)
            logits = model(x)
            loss = dice(logits, y) + F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        epoch += 1
        began = time.monotonic()
        score = mean_iou(model, *parts["val"][:2])
        looked = max(looked, time.monotonic() - began)
        if score > best:
            best, kept = score, {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return epoch


@torch.no_grad()
def mean_iou(model: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor) -> float:
    """Over the classes that are wanted anywhere, pooled over the images: all that choosing an epoch needs."""
    model.eval()
    counts: torch.Tensor | int = 0
    for x, y in zip(images.split(8), masks.split(8), strict=True):
        logits = model(x)
        k = logits.shape[1]
        counts += torch.bincount((y * k + logits.argmax(dim=1)).flatten(), minlength=k * k).reshape(k, k).double()
    both, wanted, said = counts.diag(), counts.sum(dim=1), counts.sum(dim=0)
    return float((both / (wanted + said - both).clamp(min=1))[wanted > 0].mean())


@torch.no_grad()
def evaluate(model: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor) -> dict[str, np.ndarray]:
    """Counts of every image."""
    model.eval()
    found = [numbers_of(model(x), y) for x, y in zip(images.split(8), masks.split(8), strict=True)]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


if __name__ == "__main__":
    main()
