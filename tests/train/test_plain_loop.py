"""The loop against loops written out by hand with torch alone."""

from __future__ import annotations

import math

import pytest
import timm
import tiny
import torch
import torch.nn.functional as F

from snellen.train.draws import seed_of
from snellen.train.enter import batches

PLAIN = {"augment.mixup": 0.0, "model.dropout": 0.0, "train.ema": 0.0, "optim.clip": None}
WARM = [{"name": "all", "unfreeze": "all", "epochs": 3, "lr_scale": 0.5, "warmup": 1.0}]
HEAD = [{"name": "head", "unfreeze": "head", "epochs": 4, "lr_scale": 20.0}]


def network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed_of(seed, 1))
    model = timm.create_model("test_efficientnet", num_classes=3, drop_rate=0.0)
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.zeros_(model.classifier.bias)
    return model


def groups(model: torch.nn.Module) -> list[dict[str, object]]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": 1e-4}, {"params": rest, "weight_decay": 0.0}]


def test_a_stage_has_the_bits_of_a_loop_by_hand(trained, job, weights_of, differ) -> None:
    recipe = tiny.recipe({**PLAIN, "stages": WARM})
    run = trained(recipe, stop_at=12)

    work = job(recipe)
    samples = work.training
    model = network()
    # In the order of the sections, not of the modules: the same tensors, so the same steps.
    optimizer = torch.optim.AdamW(groups(model), lr=1e-3, fused=True)
    step, per_epoch = 0, 4
    for epoch in range(3):
        for chosen in batches(work, 0, epoch):
            model.train()
            warm = (step + 1) / per_epoch
            cosine = 0.5 * (1 + math.cos(math.pi * ((step - per_epoch) / (2 * per_epoch))))
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * 0.5 * (warm if step < per_epoch else cosine)
            pixels = samples.pixels.gather(samples.rows[chosen])
            targets = samples.targets[chosen]
            images = work.augmenter(pixels, targets, seed=0, epoch=epoch, keys=samples.keys[chosen]).contiguous()
            each = F.cross_entropy(model(images), torch.from_numpy(targets), reduction="none", label_smoothing=0.1)
            (each.sum() / len(chosen)).backward()
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    assert step == 12
    assert differ(weights_of(run, "last"), model.state_dict()) == []


def test_the_head_on_cached_features_learns_as_the_whole_network_would(trained, job) -> None:
    """The same curve within 1e-3, with the trunk computed once instead of in every epoch."""
    recipe = tiny.recipe({**PLAIN, "stages": HEAD, "augment.parts": []})
    run = trained(recipe)
    work = job(recipe)
    model = network().eval()
    head = (
        {"params": [model.classifier.weight], "weight_decay": 1e-4},
        {"params": [model.classifier.bias], "weight_decay": 0.0},
    )
    optimizer = torch.optim.AdamW(list(head), lr=1.0)
    mean, std = work.normal
    step = 0
    for epoch, record in enumerate(run.signals("loss")):
        total = 0.0
        for chosen in batches(work, 0, epoch):
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * 20 * 0.5 * (1 + math.cos(math.pi * step / 16))
            (images,) = work.training.take(chosen).plain(tiny.SIDE, mean, std)
            targets = torch.from_numpy(work.training.targets[chosen])
            loss = F.cross_entropy(model(images), targets, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
            step += 1
        assert record["running"] == pytest.approx(total / len(work.training), abs=1e-3)
        for name, samples in (("val", work.validation), ("train", work.subset)):
            (images,) = samples.plain(tiny.SIDE, mean, std)
            with torch.no_grad():
                value = F.cross_entropy(model(images), torch.from_numpy(samples.targets)).item()
            assert record[name] == pytest.approx(value, abs=1e-3)
    assert run.signals("loss")[-1]["running"] < run.signals("loss")[0]["running"]
