"""Which part of a model trains in a stage. The boundaries come from timm's feature information, so every family works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from snellen.recipe import Optim

# Four sections, as in a ResNet: what timm calls reductions 4, 8, 16, 32, or quarters of the blocks in a plain transformer.
SECTIONS = 4


def boundaries(model: nn.Module) -> tuple[str, ...]:
    """Names of the modules that end the first, second and third of the trunk's four sections.

    Where the resolution falls, a section ends at each fall (ResNet: layer1, layer2, layer3); where it does not (ViT),
    sections are quarters of the blocks.
    """
    info = [dict(item) for item in getattr(model, "feature_info", [])]
    if len(info) < 2:
        raise ValueError(
            f"{type(model).__name__} has no feature information to stage by; train with unfreeze: head or all"
        )
    if len({item["reduction"] for item in info}) == 1:
        return tuple(str(info[len(info) * part // SECTIONS - 1]["module"]) for part in range(1, SECTIONS))
    ends = [str(item["module"]) for item in info][-SECTIONS:]
    return tuple(ends[:-1])


def sections(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Parameters by section in forward order: stage1 (with the stem) … stage4, head."""
    head = {id(parameter) for parameter in classifier(model).parameters()}
    ends = boundaries(model)
    last = {
        end: max((i for i, (n, _) in enumerate(model.named_parameters()) if _inside(n, end)), default=-1)
        for end in ends
    }
    found: dict[str, list[nn.Parameter]] = {f"stage{i + 1}": [] for i in range(len(ends) + 1)}
    for place, (_, parameter) in enumerate(model.named_parameters()):
        if id(parameter) not in head:
            found[f"stage{sum(place > end for end in last.values()) + 1}"].append(parameter)
    return {
        **{name: parameters for name, parameters in found.items() if parameters},
        "head": list(classifier(model).parameters()),
    }


def _inside(name: str, module: str) -> bool:
    return name.startswith(module + ".")


def classifier(model: nn.Module) -> nn.Module:
    found: nn.Module = model.get_classifier()  # type: ignore[operator]
    return found


def trainable(model: nn.Module, unfreeze: str) -> dict[str, list[nn.Parameter]]:
    """The sections that train under `unfreeze`: head, last (the last two stages and the head) or all."""
    every = sections(model)
    if unfreeze == "all":
        return every
    names = ["head"] if unfreeze == "head" else [*[name for name in every if name != "head"][-2:], "head"]
    return {name: every[name] for name in names}


def freeze(model: nn.Module, unfreeze: str) -> Mapping[str, list[nn.Parameter]]:
    """Switch gradients on for what trains and off for the rest; return what trains by section."""
    chosen = trainable(model, unfreeze)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameters in chosen.values():
        for parameter in parameters:
            parameter.requires_grad_(True)
    return chosen


def set_modes(model: nn.Module, *, freeze_norm: bool) -> None:
    """Training mode, but batch-norm of the frozen part (or all of it) keeps its statistics: eval mode."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            own = list(module.parameters(recurse=False))
            if freeze_norm or (own and not any(parameter.requires_grad for parameter in own)):
                module.eval()


def groups(
    chosen: Mapping[str, list[nn.Parameter]], optim: Optim, *, model: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Optimiser groups, each with its `weight_decay` and its `scale`, the share of the rate that it learns at.

    Weights decay; norms and biases (one dimension) do not, nor does what the model itself names, such as positions (SPEC
    L2; timm's no_weight_decay). `scale` is `optim.rates` of the section (discriminative rates; Howard & Ruder 2018,
    arXiv:1801.06146, §3.2) × `optim.layer_decay` per layer above (Clark et al. 2020, arXiv:2003.10555; Bao et al. 2022,
    arXiv:2106.08254). Layers are those of `model`'s own grouping, else the sections.
    """
    rates: Mapping[str, float] = dict(optim.rates)  # type: ignore[arg-type]
    spared, layers = _spared(model), _layers(chosen, model)
    every = [(name, parameter) for name, parameters in chosen.items() for parameter in parameters]
    top = max(layers.values(), default=0)
    found: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for still in (False, True):
        for name, parameter in every:
            if (parameter.ndim <= 1 or id(parameter) in spared) is still:
                scale = rates.get(name, 1.0) * optim.layer_decay ** (top - layers[id(parameter)])
                found.setdefault((still, float(scale)), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": 0.0 if still else optim.weight_decay, "scale": scale}
        for (still, scale), parameters in found.items()
    ]


def _spared(model: nn.Module | None) -> set[int]:
    """Parameters (by id) that the model itself says must not decay."""
    ask = getattr(model, "no_weight_decay", None)
    if model is None or ask is None:
        return set()
    named = dict(model.named_parameters())
    return {id(named[name]) for name in ask() if name in named}


def _layers(chosen: Mapping[str, list[nn.Parameter]], model: nn.Module | None) -> dict[int, int]:
    """The layer of every chosen parameter (by id), counted from the input."""
    order = [*(f"stage{number + 1}" for number in range(SECTIONS)), "head"]
    found = {id(p): order.index(name) if name in order else 0 for name, own in chosen.items() for p in own}
    match = getattr(model, "group_matcher", None)
    if model is None or match is None:
        return found
    from timm.models import group_parameters

    numbers = group_parameters(model, match(coarse=False), reverse=True)
    return {key: int(numbers[name]) for name, p in model.named_parameters() if (key := id(p)) in found}
