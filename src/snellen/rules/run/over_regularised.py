"""What it does
Finds a training that its own protections hold back: it has not learned even its training images, validation is no worse than
they are, and dropout, label smoothing, the focusing of a focal loss, mixing, weight decay or cropping stand far outside of
what is usual.

Why it matters
Every protection takes something away so that less is learned by heart. Where nothing is learned by heart, it only takes away.

Known problems
The limits are of what is published for whole trainings, not of this data: hard data may want more. A task that is learned all
the same is not complained of, whatever the settings. Weight decay is judged by its time scale, 1 / (rate × decay) steps, at no
higher a rate than is recommended: where the rate itself is far too high, that is what is wrong.

Source
SPEC S5 (under-fitting); for decay I. Loshchilov, F. Hutter, arXiv:1711.05101 (decoupled decay is multiplied by the rate) and
X. Wang, L. Aitchison, arXiv:2405.13698 (its time scale is of epochs, not of steps); the largest values in use: dropout 0.5
(Srivastava et al. 2014), Mixup 0.2 to 1 (arXiv:1710.09412), crops of 8 % of the area (Szegedy et al. 2015, section 6), a focal loss
of gamma 5 (arXiv:1708.02002, which finds 2 the best; that it holds certainty back: arXiv:2002.09437).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from snellen.rules.curves import among_classes, guessing, last_stage, median, needed, numbers, optional, told
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)
# Of losses that have such settings: the name of each, and of its limit.
OF_LOSS = ("smoothing", "gamma")
# The highest rates that are recommended (SPEC L4), five times as much for a head.
USUAL, USUAL_PLAIN = 2.5e-3, 5e-2
# Share of the way from guessing, on the wrong side of it.
WORSE = -0.1


def over_regularised(
    run: Run, *, accuracy: float = 0.9, way: float = 0.7, gap: float = 0.3, dropout: float = 0.6, smoothing: float = 0.4,
    gamma: float = 5.0, mix: float = 2.0, decay: float = 0.01, crop: float = 0.05, degrees: float = 90.0,
) -> list[Finding]:  # fmt: skip
    """Find settings beyond their limit in a training that has not learned.

    `accuracy` and `way` (share of the way from guessing to loss 0) count as learned, together; a wider `gap` (nats) is
    over-fitting. The others are limits: `gamma` of a focal loss, `mix` of Mixup's and CutMix's beta, `decay` of the peak rate
    (no higher than recommended) × weight decay (its inverse are the steps in which weights would be gone), `crop` of the least share of the area, `degrees` of
    rotation.
    """
    records = run.signals("loss")
    needed(records, "train", "val")
    if not among_classes(run):
        return []
    last = last_stage(records)[-1:]
    train, val, right = (median(numbers(last, key)) for key in ("train", "val", "train_accuracy"))
    reached = 1 - train / guessing(run)
    # Far above guessing a training was destroyed, which protections do not do.
    if reached < WORSE or not val - train <= gap or (reached >= way and not right < accuracy):
        return []
    limits = {
        "dropout": dropout, "smoothing": smoothing, "gamma": gamma, "mix": mix, "decay": decay, "crop": crop, "degrees": degrees,
    }  # fmt: skip
    found = {key: value for key, value, far in _settings(run, limits) if far}
    if not found:
        return []
    said = ", ".join(f"{key} = {value:g}" for key, value in found.items())
    message = (
        f"Training images cost {train:.2f} at the end, {reached:.0%} of the way from guessing ({guessing(run):.2f}), with protections "
        f"beyond what is usual: {said}."
    )
    evidence = {"train": train, "val": val, "way": reached, "guessing": guessing(run), "settings": found, "said": said}
    return [Finding(rule="over_regularised", severity="warn", message=message, evidence=evidence)]


def _settings(run: Run, limits: dict[str, float]) -> Iterator[tuple[str, float, bool]]:
    """(recipe key, value, whether it is beyond its limit) of every protection that the run knows."""
    for key, limit in (("model.dropout", "dropout"), ("augment.mixup", "mix"), ("augment.cutmix", "mix")):
        value = told(run, key)
        if value is not None:
            yield key, float(value), value > limits[limit]
    for key in OF_LOSS:
        value = (told(run, "loss.settings") or {}).get(key)
        if value is not None:
            yield f"loss.settings.{key}", float(value), value > limits[key]
    weight, peaks = told(run, "optim.weight_decay"), numbers(optional(run, "rate"), "peak")
    if weight is not None and peaks:
        # By what it does at a rate that is recommended: where the rate is what is wrong, it is not the decay that is told.
        usual = USUAL_PLAIN if told(run, "optim.name") in ("sgd", "lars") else USUAL
        yield "optim.weight_decay", float(weight), weight * min(max(peaks), usual) > limits["decay"]
    for part in told(run, "augment.parts") or ():
        low, turn = part.settings.get("low"), part.settings.get("degrees")
        if part.name == "crop" and low is not None:
            yield "augment.parts", float(low), low < limits["crop"]
        if part.name == "rotate" and turn is not None and turn >= limits["degrees"]:
            yield "augment.parts", float(turn), True


def _case(
    changes: dict[str, Any], train: float = 1.9, accuracy: float = 0.4, gap: float = 0.05, peak: float = 1e-3
) -> dict[str, Any]:
    """Ten classes (guessing costs 2.30)."""
    losses = [
        {"meter": "loss", "stage": "all", "train": x, "val": x + gap, "train_accuracy": accuracy}
        for x in (2.2, train + 0.02, train)
    ]
    rates = [{"meter": "rate", "stage": "all", "lr": 1e-4, "peak": peak}]
    return {
        "signals": [*losses, *rates],
        "recipe": changes,
        "catalog": {"target": [f"c{i}" for i in range(10)] * 3},
    }


FIRES = (
    _case({"model.dropout": 0.95}),
    _case({"optim.weight_decay": 300.0}),
    _case({"loss.settings": {"smoothing": 0.9}}, accuracy=0.97),
    _case({"augment.mixup": 8.0}),
    # Learned, and held back from being sure of it.
    _case({"loss": {"name": "focal", "settings": {"gamma": 12.0}}}, train=1.5, accuracy=0.93),
    _case({"augment.parts": [{"name": "crop", "settings": {"low": 0.02}}]}),
)
SILENT = (
    # Usual settings: too few epochs, or hard data.
    _case({"model.dropout": 0.5, "augment.mixup": 1.0, "optim.weight_decay": 0.1}),
    _case({"loss": {"name": "focal", "settings": {"gamma": 3.0}}}),
    # What is too much is the rate.
    _case({"optim.weight_decay": 0.01}, train=2.2, peak=10.0),
    _case({"model.dropout": 0.95}, train=5.0, accuracy=0.1),
    # Learned all the same.
    _case({"model.dropout": 0.95}, train=0.2, accuracy=0.98),
    # Over-fitting.
    _case({"model.dropout": 0.95}, train=1.0, accuracy=0.8, gap=0.8),
    _case({"augment.parts": [{"name": "crop", "settings": {"low": 0.08}}, {"name": "rotate"}]}),
)
