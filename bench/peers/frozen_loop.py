"""Training a head with the frozen backbone run again in every epoch, as fastai, Ultralytics and Lightning do it.

The backbone takes no gradients and its batch-norm keeps its statistics; images are augmented afresh in every epoch; after
every epoch validation is looked at.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from peers.plain_loop import Given, evaluate, split
from snellen.train.draws import seed_of, uniforms


def frozen_loop(given: Given) -> float:
    """Train the recipe's one head stage; validation accuracy at its end."""
    recipe, samples = given.recipe, given.training
    (stage,) = recipe.stages
    torch.manual_seed(seed_of(recipe.seed, 1))
    model = given.setting.prepare(given.task.model(recipe, given.classes)).eval()
    model.requires_grad_(False)
    head = model.get_classifier().requires_grad_(True)
    groups = [
        {"params": [p for p in head.parameters() if p.ndim > 1], "weight_decay": recipe.optim.weight_decay},
        {"params": [p for p in head.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.optim.lr, fused=True)
    size = recipe.train.batch
    total, step, accuracy = stage.epochs * len(split(np.arange(len(samples)), size)), 0, 0.0
    for epoch in range(stage.epochs):
        draws = uniforms(seed_of(recipe.seed, 2, 0), epoch, samples.keys, 1)[:, 0]
        for chosen in split(np.argsort(draws, kind="stable"), size):
            for group in optimizer.param_groups:
                group["lr"] = recipe.optim.lr * stage.lr_scale * 0.5 * (1 + math.cos(math.pi * step / total))
            pixels, targets = samples.pixels.gather(samples.rows[chosen]), samples.targets[chosen]
            images = given.augment(pixels, targets, seed=recipe.seed, epoch=epoch, keys=samples.keys[chosen])
            with given.setting.autocast():
                output = model(given.setting.place(images))
            wanted = torch.from_numpy(targets).to(given.setting.device)
            F.cross_entropy(output.float(), wanted, label_smoothing=0.1).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
        accuracy, _ = evaluate(model, given, given.validation)
    return accuracy
