"""The machine as a run sees it: device, threads, precision, layout, memory, versions."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from snellen.recipe import Train
from snellen.values import SnellenError

PINNED = ("threads", "layout", "precision", "compile", "device", "torch")
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
# What processors call it that they compute in bf16 (x86, ARM).
NATIVE_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
# Numbers of glibc's mallopt, and what shows that somebody has chosen how memory is allocated already.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_ALLOCATION = ("LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
# What torch says where memory is short without a type of its own for it.
_SHORT = ("out of memory", "can't allocate memory", "cannot allocate memory")


@dataclass(frozen=True, slots=True)
class Setting:
    """Device, memory layout and precision that a model runs in, and whether it is compiled."""

    precision: str = "fp32"
    layout: str = "contiguous"
    device: str = "cpu"
    compile: bool = False

    def place(self, images: Tensor) -> Tensor:
        """Images on the device, in the layout."""
        if images.ndim != 4:
            return images.to(self.device)
        form = torch.channels_last if self.layout == "channels_last" else torch.contiguous_format
        return images.to(self.device, memory_format=form)

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model on the device, in the layout; compiled in place, so that names of weights stay."""
        keep_memory()
        model = model.to(self.device)
        if self.layout == "channels_last":
            model = model.to(memory_format=torch.channels_last)
        if self.compile:
            model.compile()
        return model

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision where the setting asks for it."""
        half = HALVES.get(self.precision)
        return torch.autocast(self.device, half or torch.bfloat16, enabled=half is not None)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss where gradients would vanish (fp16); elsewhere it leaves everything as it is."""
        return torch.amp.GradScaler(self.device, enabled=self.precision == "fp16")


def device() -> str:
    """cuda where there is one, else cpu. (CUDA is not measured by this project's own checks.)"""
    return "cuda" if torch.cuda.is_available() else "cpu"


def precisions(on: str) -> tuple[str, ...]:
    """What can be tried on a device, full precision first."""
    if on != "cuda":
        return ("fp32", "bf16")
    return ("fp32", *(("bf16",) if torch.cuda.is_bf16_supported() else ()), "fp16")


def looking(setting: Setting) -> Setting:
    """The setting for a frozen network whose features are only compared: their last bits do not matter.

    channels_last, and bf16 on a processor that computes in it. Where this was looked into (one core, AVX512-BF16), an
    image of 384 px took EfficientNet-Lite0 a third of the time that it takes in full precision.
    """
    # Releases of torch before this could be asked count as not computing in bf16.
    told = getattr(torch.cpu, "get_capabilities", dict)
    found: Mapping[str, Any] = told() if setting.device == "cpu" else {}
    native = any(found.get(name, False) for name in NATIVE_BF16)
    return replace(setting, layout="channels_last", precision="bf16" if native else setting.precision)


def setting_of(train: Train, probed: Setting) -> Setting:
    """What the recipe says, and where it says auto what the probe found; raises SnellenError where this machine has it not."""
    precision = probed.precision if train.precision == "auto" else train.precision
    if precision == "fp16" and probed.device != "cuda":
        raise SnellenError(
            f"train.precision is fp16, which needs a CUDA device, and this machine trains on {probed.device}; "
            "set it to bf16, fp32 or auto"
        )
    layout = probed.layout if train.layout == "auto" else train.layout
    return Setting(precision, layout, probed.device, probed.compile if train.compile == "auto" else train.compile)


def environment(setting: Setting) -> dict[str, Any]:
    """What a run records of the machine; the values under PINNED must agree on resume."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "device": setting.device,
        "precision": setting.precision,
        "layout": setting.layout,
        "compile": setting.compile,
        **{name: version(name) for name in ("snellen", "torch", "torchvision", "timm", "numpy")},
    }


@cache
def processor() -> str:
    """The name of what computes: the graphics processor where there is one, else the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@cache
def keep_memory() -> bool:
    """Let freed memory stay with this process, to be used again; whether that could be arranged.

    glibc gives every block above 32 MB back to the system at once and asks for it anew, and the system hands out each page
    separately and zeroed. Where this was looked into (2 cores, 32 images of 224 px, channels_last), a training step of
    EfficientNet-Lite0 took 62 ms per image with that and 23 without, one of ResNet-18 36 and 31; at 128 px, where blocks
    are smaller, there was little between them. The most that was held grew by 8 %. Nothing is done where another C library
    is used, where the environment says how memory is allocated, or where SNELLEN_KEEP_MEMORY is 0.
    """
    chosen = os.environ.get("SNELLEN_KEEP_MEMORY") == "0" or any(name in os.environ for name in _ALLOCATION)
    if platform.libc_ver()[0] != "glibc" or chosen:
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_MMAP_MAX, 0)) and bool(libc.mallopt(_TRIM_THRESHOLD, -1))


def memory_free() -> int:
    """Bytes that a training may still take: of the device, or of the machine within the limit of this process's group."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    limit, used = group / "memory.max", group / "memory.current"
    if limit.is_file() and used.is_file() and limit.read_text().strip().isdigit():
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)


def out_of_memory(error: BaseException) -> bool:
    """Whether this error says that memory is short, on a CPU or on CUDA."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SHORT)
