"""The machine as a run sees it: device, threads, precision, layout, versions."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

PINNED = ("threads", "layout", "precision", "device", "torch")


@dataclass(frozen=True, slots=True)
class Setting:
    """Device, memory layout and precision that a model runs in."""

    precision: str = "fp32"
    layout: str = "contiguous"
    device: str = "cpu"

    def place(self, images: Tensor) -> Tensor:
        """Images on the device, in the layout."""
        if images.ndim != 4:
            return images.to(self.device)
        form = torch.channels_last if self.layout == "channels_last" else torch.contiguous_format
        return images.to(self.device, memory_format=form)

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model on the device, in the layout."""
        model = model.to(self.device)
        return model.to(memory_format=torch.channels_last) if self.layout == "channels_last" else model

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision where the setting asks for it."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")


def device() -> str:
    """cuda where there is one, else cpu. (CUDA is not measured by this project's own checks.)"""
    return "cuda" if torch.cuda.is_available() else "cpu"


def environment(setting: Setting) -> dict[str, Any]:
    """What a run records of the machine; the values under PINNED must agree on resume."""
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "device": setting.device,
        "precision": setting.precision,
        "layout": setting.layout,
        **{name: version(name) for name in ("snellen", "torch", "torchvision", "timm", "numpy")},
    }
