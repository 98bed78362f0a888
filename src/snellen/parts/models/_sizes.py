"""Which image sizes a timm model takes. On the meta device a forward pass computes shapes only, so asking costs a blink."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import timm
import torch
from torch import nn

# By these a model with a table of positions (ViT, Swin) takes images of any size, where it has them.
FREE = {"dynamic_img_size": True, "dynamic_img_pad": True, "strict_img_size": False}
# Named in an error where a model takes them: sides in pixels.
USUAL = (64, 96, 128, 160, 192, 224, 256)


@cache
def size_settings(name: str, sizes: tuple[int, ...]) -> Mapping[str, Any]:
    """Settings by which the timm model takes square images of all these sides (pixels).

    A model whose table of positions cannot be stretched as it runs (BEiT, CaiT, Mixer, MaxViT) is built for one side.
    Raises ValueError saying which sides it takes.
    """
    free = _free(name)
    model = _shaped(name, free)
    native = native_size(name)
    # Where even its own size does not pass, shapes alone tell nothing of this model, and nothing is refused.
    if all(_takes(model, size) for size in sizes) or not _takes(model, native):
        return free
    if len(set(sizes)) == 1 and _built_for(name, sizes[0]):
        return {**free, "img_size": sizes[0]}
    raise ValueError(_needs(name, sizes, model, native))


@cache
def only_size(name: str) -> int | None:
    """The side in pixels for which the model was pretrained, where it takes only one at a time; None where it is free (or
    timm has no such model)."""
    if not timm.is_model(name):
        return None
    native = native_size(name)
    model = _shaped(name, _free(name))
    # Free is what takes another multiple of 32 too: those are the sizes that are chosen from.
    others = (128, 192) if native != 192 else (128, 160)
    return native if _takes(model, native) and not any(_takes(model, size) for size in others) else None


def native_size(name: str) -> int:
    """The side in pixels of the images that the model was pretrained on."""
    settings = timm.get_pretrained_cfg(name)
    return int(settings.input_size[-1]) if settings else 224


def _needs(name: str, sizes: tuple[int, ...], model: nn.Module, native: int) -> str:
    asked = " and ".join(str(size) for size in sorted(set(sizes)))
    free = [size for size in sorted({*USUAL, native}) if _takes(model, size)]
    built = [size for size in sorted({*USUAL, native}) if size in free or _built_for(name, size)]
    if set(sizes) <= set(built) and len(set(sizes)) > 1:
        return (
            f"{name} is built for images of one size and cannot take {asked} px in turn; set data.size and data.eval_size "
            f"to the same value ({native} is what it was pretrained at)"
        )
    return (
        f"{name} does not take images of {asked} px; it was pretrained at {native} px and takes "
        f"{', '.join(map(str, built)) or native} px: set data.size and data.eval_size to one of these"
    )


@cache
def _free(name: str) -> dict[str, bool]:
    known = inspect.signature(type(_shaped(name, {}))).parameters
    return {key: value for key, value in FREE.items() if key in known}


def _built_for(name: str, size: int) -> bool:
    try:
        return _takes(_shaped(name, {**_free(name), "img_size": size}), size)
    except (TypeError, AssertionError, RuntimeError, ValueError):
        # It has no such setting, or cannot be built for this size.
        return False


def _shaped(name: str, settings: Mapping[str, Any]) -> nn.Module:
    with torch.device("meta"):  # Nothing is allocated.
        return timm.create_model(name, num_classes=2, **settings).eval()


def _takes(model: nn.Module, size: int) -> bool:
    try:
        with torch.no_grad():
            model(torch.empty(2, 3, size, size, device="meta"))
    except NotImplementedError:
        # Its shapes depend on values: that says nothing of the size.
        return True
    except (AssertionError, RuntimeError, ValueError, TypeError, IndexError):
        return False
    return True
