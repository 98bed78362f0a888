"""Row 3: a training step with the settings that the probe chose, against PyTorch's default.

    python bench/step.py [--rounds 7] [--models resnet18,…] [--quick]

Forward, cross-entropy, backward and AdamW (the same fused one on all sides) on noise of 128 px, batch 32 (16 for the U-Net),
weights from noise. Default: contiguous, fp32. Beside it the share of the best of all combinations of layout and precision,
each measured. The U-Net (segmentation-models-pytorch on a timm encoder) is measured where that package is installed.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import _command
from _rounds import Measured, Ratio, Side
from snellen.shelf import MODELS, OPTIMIZERS
from snellen.train.machine import Setting, device, precisions
from snellen.train.probe import probe

UNET = "unet_lite0"
GOALS = {"resnet18": 1.9, "mobilenetv3_large_100": 1.5}
NAMES = ("resnet18", "mobilenetv3_large_100", "tf_efficientnet_lite0", "vit_tiny_patch16_224", UNET)
CLASSES, SHARE = 10, 0.97
LAYOUTS = ("contiguous", "channels_last")
DEFAULT = Setting(device=device())


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to step, and the batch that it is stepped with."""

    name: str
    make: Callable[[], nn.Module]
    batch: int
    size: int
    steps: int


class Pooled(nn.Module):
    """A U-Net that answers as a classifier does (the mean of its map), with its parts named as the probe looks for them."""

    feature_info = [
        {"module": module, "reduction": reduction}
        for module, reduction in (("unet.encoder", 32), ("unet.decoder.blocks.0", 16), ("unet.decoder.blocks.1", 8), ("unet.decoder", 2))
    ]  # fmt: skip

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def get_classifier(self) -> nn.Module:
        """The layer that gives the classes."""
        return self.unet.segmentation_head

    def forward(self, images: Tensor) -> Tensor:
        """[n, 3, h, w] -> [n, classes]."""
        return self.unet(images).mean((2, 3))


def subject(name: str, *, quick: bool) -> Subject:
    """The model of that name."""
    size, steps = (32, 1) if quick else (128, 3)
    if name == UNET:
        return Subject(name, _unet, 2 if quick else 16, size, steps)
    settings = {"name": name, "classes": CLASSES, "weights": "none"}
    return Subject(name, lambda: MODELS.build("timm_model", settings), 4 if quick else 32, size, steps)


def _unet() -> nn.Module:
    import segmentation_models_pytorch as smp

    return Pooled(smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=CLASSES))


def stepper(model: nn.Module, setting: Setting, about: Subject) -> Side:
    """A side: a few training steps of a copy of the model in a setting."""
    model = setting.prepare(copy.deepcopy(model)).train()
    optimizer = OPTIMIZERS.pick("adamw")([{"params": list(model.parameters())}], 1e-4, 1e-2)
    scaler = setting.scaler()  # Leaves everything as it is but for fp16.
    generator = torch.Generator().manual_seed(0)
    images = setting.place(torch.randn(about.batch, 3, about.size, about.size, generator=generator))
    targets = torch.arange(about.batch, device=setting.device) % CLASSES

    def steps() -> None:
        for _ in range(about.steps):
            with setting.autocast():
                output = model(images)
            scaler.scale(F.cross_entropy(output.float(), targets)).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
        if setting.device == "cuda":
            torch.cuda.synchronize()

    return steps


def compared(about: Subject, given: argparse.Namespace) -> tuple[list[Ratio], Measured]:
    """The probed setting against the default and against the best of all."""
    model = about.make()
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as cache:
        costs = probe(
            lambda: copy.deepcopy(model), name=about.name, cache=Path(cache), size=about.size, batch=about.batch
        )
    every = [
        Setting(precision, layout, device()) for layout, precision in itertools.product(LAYOUTS, precisions(device()))
    ]
    every = list(dict.fromkeys([*every, costs.setting]))
    sides = {_words(setting): stepper(model, setting, about) for setting in every}
    measured = _command.measured(sides, given)
    chosen, best = (
        _words(costs.setting),
        min(sides, key=lambda name: float(sorted(measured.seconds(name))[len(measured.kept) // 2])),
    )
    images = about.batch * about.steps
    facts = f"batch {about.batch}, {about.size} px; the probe chose {chosen} (processor in others' hands: {costs.busy:.0%})."
    times = ", ".join(f"{name} {1000 * float(measured.seconds(name).mean()) / about.steps:.0f} ms" for name in sides)
    return [
        measured.ratio(
            "3", f"step, {about.name}", goal=f">= {GOALS.get(about.name, 1.0)}", ours=chosen, peer=_words(DEFAULT),
            images=images, note=f"{facts} A step takes {times}.",
        ),
        # Seconds of the best over seconds of ours: its share of the speed that could be had.
        measured.ratio(
            "3", f"share of the best setting, {about.name}", goal=f">= {SHARE}", ours=chosen, peer=best, images=images,
            note=f"the best of {len(sides)} combinations was {best}.",
        ),
    ], measured  # fmt: skip


def _words(setting: Setting) -> str:
    return f"{setting.layout} {setting.precision}{' compiled' if setting.compile else ''}"


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__)
    made.add_argument("--models", default=",".join(NAMES), help="timm names, and unet_lite0")
    given = _command.parse(made)
    names = ["test_efficientnet"] if given.quick and given.models == ",".join(NAMES) else given.models.split(",")
    ratios: list[Ratio] = []
    parts: list[Measured] = []
    for name in names:
        if name == UNET and importlib.util.find_spec("segmentation_models_pytorch") is None:
            print(f"{UNET}: not measured, segmentation-models-pytorch is not installed")
            continue
        found, measured = compared(subject(name, quick=given.quick), given)
        ratios, parts = [*ratios, *found], [*parts, measured]
    _command.finish("step", ratios, parts, given)


if __name__ == "__main__":
    main()
