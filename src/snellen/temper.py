"""Temper: the classifier that is handed over is made as sure as it is right, where validation shows that it helps.

Temperature scaling (Guo et al. 2017, arXiv:1706.04599) costs no training and changes no answer. The classifier's weights and bias are
divided by the temperature, so that every exported file says calibrated probabilities without a step of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from snellen import store
from snellen.derived import derived
from snellen.examine import diagnose
from snellen.improve.heal import Healed
from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.rows import Predictions
from snellen.run import Run
from snellen.ship.loaded import load
from snellen.tasks._scores import ece
from snellen.tasks._temperature import crossed, temperature

LEVEL = 0.95
# Fewer validation images fix no temperature.
LEAST = 60
# In the name of the run's folder, behind that of the run it was made of.
MARK = "-tempered-"


def temper(lab: Lab, healed: Healed) -> Healed:
    """The run at the temperature that fits validation best, where that is proved to lower the log loss; else as it is.

    Proved: each half of validation at the temperature that the other half gave has a log loss that is lower than before, and the
    interval of the difference over images lies above 0. temperature.json tells it, and the calibration error before and after.
    """
    rows = healed.run.predictions("val")
    if not healed.recipe.improve.temperature or not isinstance(rows, Predictions) or len(rows.ids) < LEAST:
        return healed
    names = _classifier(load(healed.run).model)
    if not names:
        return healed
    heat, apart = temperature(rows), crossed(rows)
    effect = pair([rows], [apart], metric="log_loss", level=LEVEL)
    run = _made(lab, healed.run, names, heat) if effect.low > 0 else None
    kept = run is not None and _held(run, rows)
    errors = [ece(part.targets, part.probabilities) for part in (rows, apart)]
    lab.case.write("temperature", _about(heat, effect, errors, kept=kept))
    lab.watch(
        {"notice": f"temperature {heat:.2f}{'' if kept else ' (not taken)'}: validation log loss {-effect.effect:+.3f} "
         f"[{-effect.high:+.3f}, {-effect.low:+.3f}]"}
    )  # fmt: skip
    if run is None or not kept:
        return healed
    run.write_findings(diagnose(run))
    return replace(healed, run=run)


def _classifier(model: nn.Module) -> list[str]:
    """Names of the tensors whose division by the temperature divides the logits; none where the end is not one linear layer."""
    layer = model.get_classifier() if hasattr(model, "get_classifier") else None  # type: ignore[operator]
    # Exactly this: a cosine classifier is a linear layer by name, and does not read the length of its weights.
    if type(layer) is not nn.Linear:
        return []
    own = {id(parameter) for parameter in layer.parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) in own]


def _made(lab: Lab, first: Run, names: list[str], heat: float) -> Run:
    """The run with a tempered classifier."""

    def weights() -> dict[str, Tensor]:
        tensors, _ = store.read_tensors(first.checkpoint("best"))
        return {name: value / heat if name in names else value for name, value in tensors.items()}

    return derived(lab, first, f"{first.folder.name}{MARK}{round(1e6 * heat)}", weights, {"temperature": heat})


def _held(run: Run, before: Predictions) -> bool:
    """Whether the weights do what the temperature was to do: the answers of before, with a lower loss. (The temperature was fitted on
    stored probabilities, which end at a floor.)"""
    found = run.predictions("val")
    lower = float(found.losses().mean()) < float(before.losses().mean())
    return lower and bool((found.predicted == before.predicted).all())


def _about(heat: float, effect: Effect, errors: list[float], *, kept: bool) -> dict[str, Any]:
    numbers = {key: getattr(effect, key) for key in ("effect", "low", "high", "samples")}
    return {"temperature": heat, "kept": kept, **numbers, "ece": {"before": errors[0], "after": errors[1]}}
