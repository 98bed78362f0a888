"""Any timm classifier, with ImageNet weights from an installed package, the hub or a file (SPEC M1, M2)."""

from __future__ import annotations

import difflib
import importlib
import inspect
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from snellen.parts.models._families import FAMILIES, PACKAGES, weights_from
from snellen.parts.models._sizes import only_size, size_settings

# What is asked of this part beside the model itself.
__all__ = ["FAMILIES", "NoWeights", "only_size", "timm_model", "weights_from"]


class NoWeights(RuntimeError):
    """Pretrained weights were asked for and none can be had here."""


def timm_model(
    *,
    name: str,
    classes: int,
    weights: str = "auto",
    dropout: float = 0.0,
    drop_path: float = 0.0,
    sizes: tuple[int, ...] = (),
) -> nn.Module:
    """Build the model with a new head of `classes` outputs.

    `weights`: "auto" takes the installed package's file, else timm's hub; "none" starts from noise; anything else is a
    file (safetensors, or a state dict that torch loads with weights_only). `sizes`: sides in pixels of the images that
    it will be given. A model that is built for one of them says so: `model.only_size`. Raises NoWeights or ValueError.
    """
    if not timm.is_model(name):
        raise ValueError(f"timm has no model {name!r}{_near(name)}")
    settings: dict[str, Any] = {
        "num_classes": classes,
        "drop_rate": dropout,
        **({"drop_path_rate": drop_path} if drop_path else {}),
        **size_settings(name, tuple(sizes)),
    }
    model = _weighted(name, weights, settings)
    model.only_size = only_size(name) and settings.get("img_size", only_size(name))  # type: ignore[assignment]
    return model


def _near(name: str) -> str:
    """'; did you mean …?' with the nearest names, else where to look."""
    near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else "; see timm.list_models()"


def _weighted(name: str, weights: str, settings: dict[str, Any]) -> nn.Module:
    if weights == "none":
        return timm.create_model(name, pretrained=False, **settings)
    file = _package_file(name) if weights == "auto" else Path(weights)
    if file is None:
        return _from_hub(name, settings)
    if not file.is_file():
        raise NoWeights(f"weights file {file} does not exist; give a file, 'auto' or 'none' as model.weights")
    model = timm.create_model(name, pretrained=False, **settings)
    _fill(model, _read(file), file)
    return model


def _package_file(name: str) -> Path | None:
    if name not in PACKAGES:
        return None
    package, holder = PACKAGES[name]
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError:
        return None
    folder = Path(inspect.getfile(getattr(module, holder))).parent / "models"
    return next(iter(sorted(folder.glob("*.pth"))), None)


def _from_hub(name: str, settings: dict[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, **settings)
    except (OSError, RuntimeError) as error:
        package = PACKAGES.get(name, ("",))[0]
        way = f"install the package {package}" if package else "use one of " + ", ".join(PACKAGES)
        raise NoWeights(
            f"no pretrained weights for {name}: the model hub did not answer ({type(error).__name__}); {way}, "
            f"or set model.weights to a file, or to none to start from noise"
        ) from error


def _read(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    state: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def _fill(model: nn.Module, given: dict[str, torch.Tensor], file: Path) -> None:
    """Copy by name where the names agree, else by order; the head keeps its start where its shape differs."""
    own = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    given = {key: value for key, value in given.items() if not key.endswith("num_batches_tracked")}
    if not set(given) >= set(own):
        if len(given) != len(own):
            raise NoWeights(f"{file} has {len(given)} tensors, the model {len(own)}; they cannot be matched")
        given = dict(zip(own, given.values(), strict=True))
    head = {id(parameter) for parameter in model.get_classifier().parameters()}  # type: ignore[operator]
    named = dict(model.named_parameters())
    for key, value in own.items():
        if value.shape == given[key].shape:
            value.copy_(given[key])
        elif id(named.get(key)) not in head:
            raise NoWeights(f"{file}: tensor {key} is {tuple(given[key].shape)}, the model's is {tuple(value.shape)}")
