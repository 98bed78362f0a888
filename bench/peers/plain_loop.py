"""A PyTorch loop written out by hand: what our loop does to the weights, and nothing else.

It keeps no record, writes no file, measures no gradient and looks for no fault. The same batches in the same order, the same
augmentation, AdamW, cosine, label smoothing, and after every epoch the same validation and fixed training images, by which
the best weights are copied: the weights that it ends with are ours, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snellen.recipe import Recipe
from snellen.train.augment import Augmenter, plain
from snellen.train.draws import seed_of, uniforms
from snellen.train.machine import Setting
from snellen.train.source import Samples


@dataclass(frozen=True, slots=True)
class Given:
    """What a user's script would have at hand."""

    recipe: Recipe
    task: Any
    classes: tuple[str, ...]
    training: Samples
    validation: Samples
    subset: Samples
    augment: Augmenter
    setting: Setting


def plain_loop(given: Given) -> dict[str, Tensor]:
    """Train the recipe's one stage, all layers unfrozen; the best weights."""
    recipe, samples = given.recipe, given.training
    (stage,) = recipe.stages
    torch.manual_seed(seed_of(recipe.seed, 1))
    model = given.setting.prepare(given.task.model(recipe, given.classes))
    weights = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.optim.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.optim.lr, fused=True)

    size = recipe.train.batch
    total, step = stage.epochs * len(split(np.arange(len(samples)), size)), 0
    best_score, best = evaluate(model, given, given.validation), weights_of(model)
    for epoch in range(stage.epochs):
        draws = uniforms(seed_of(recipe.seed, 2, 0), epoch, samples.keys, 1)[:, 0]
        for chosen in split(np.argsort(draws, kind="stable"), size):
            model.train()
            for group in optimizer.param_groups:
                group["lr"] = recipe.optim.lr * stage.lr_scale * 0.5 * (1 + math.cos(math.pi * step / total))
            pixels, targets = samples.pixels.gather(samples.rows[chosen]), samples.targets[chosen]
            images = given.augment(pixels, targets, seed=recipe.seed, epoch=epoch, keys=samples.keys[chosen])
            with given.setting.autocast():
                output = model(given.setting.place(images))
            wanted = torch.from_numpy(targets).to(given.setting.device)
            each = F.cross_entropy(output.float(), wanted, reduction="none", label_smoothing=0.1)
            (each.sum() / len(chosen)).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
        score = evaluate(model, given, given.validation)
        evaluate(model, given, given.subset)
        if score > best_score:
            best_score, best = score, weights_of(model)
    model.load_state_dict(best)
    for samples in (given.validation, given.subset):
        evaluate(model, given, samples)
    return best


def split(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Batches of `size`; a last one of a single sample joins the one before it."""
    cuts = list(range(size, len(order), size))
    return np.split(order, cuts[:-1] if cuts and len(order) - cuts[-1] == 1 else cuts)


@torch.no_grad()
def evaluate(model: nn.Module, given: Given, samples: Samples, *, batch: int = 64) -> tuple[float, float]:
    """Accuracy and the negative of the cross-entropy: larger is better."""
    model.eval()
    size = given.recipe.data.eval_size or given.recipe.data.size
    outputs = []
    with given.setting.autocast():
        for start in range(0, len(samples), batch):
            pixels = samples.pixels.gather(samples.rows[start : start + batch])
            images = plain(pixels, size, given.augment.mean, given.augment.std)
            outputs.append(model(given.setting.place(images)))
    chances = torch.cat([torch.softmax(output.float(), dim=1) for output in outputs]).cpu().numpy()
    own = chances[np.arange(len(samples)), samples.targets]
    return float((chances.argmax(axis=1) == samples.targets).mean()), float(np.log(np.maximum(own, 1e-12)).mean())


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy."""
    return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
