"""Vary, for one weak class, what its wrong images have in common."""

from __future__ import annotations

from collections.abc import Mapping

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("weak_condition", "class_shifted")
SOURCE = "SPEC D9, S3; augmentation that covers the missing condition: Hendrycks & Dietterich 2019, arXiv:1903.12261."
SAFETY: Safety = "safe"
ORDER = 20
SCREENS = False

Parts = tuple[tuple[str, Mapping[str, float]], ...]
LIGHT: Parts = (("brightness_contrast", {"brightness": 0.4, "contrast": 0.2}),)
CONTRAST: Parts = (("brightness_contrast", {"brightness": 0.1, "contrast": 0.5}),)
COLOUR: Parts = (("hue_saturation", {"hue": 15.0, "low": 0.4, "high": 1.6}),)
VIEW: Parts = (("rotate", {"degrees": 30.0}), ("shift", {"share": 0.2}), ("zoom", {"share": 0.3}))
# Magnifying a small crop blurs it, as a soft or distant photograph is blurred.
SOFT: Parts = (("crop", {"low": 0.3, "high": 0.8}),)
NOISY: Parts = (("gaussian_noise", {"sd": 0.1}),)
# A source or a cluster can differ in anything: vary light, colour and framing together.
ANY: Parts = (
    ("brightness_contrast", {"brightness": 0.3, "contrast": 0.3}),
    ("hue_saturation", {"hue": 15.0, "low": 0.6, "high": 1.4}),
    ("crop", {"low": 0.6, "high": 1.0}),
)
MEASURED: Mapping[tuple[str, str], Parts] = {
    ("brightness", "low"): LIGHT,
    ("brightness", "high"): LIGHT,
    ("contrast", "low"): CONTRAST,
    ("contrast", "high"): CONTRAST,
    ("saturation", "low"): COLOUR,
    ("saturation", "high"): COLOUR,
    ("sharpness", "low"): SOFT,
    ("sharpness", "high"): NOISY,
}
# Words in the name of a metadata column.
NAMED: tuple[tuple[tuple[str, ...], Parts], ...] = (
    (("light", "bright", "expos", "time", "weather"), LIGHT),
    (("angle", "view", "pose", "side", "position"), VIEW),
    (("colour", "color", "white"), COLOUR),
    (("focus", "blur", "distance", "zoom"), SOFT),
    (("noise", "iso"), NOISY),
)


def aimed_augment(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Aim augmentations at the finding's class; None where they are there already or no part fits the condition."""
    condition, name = str(finding.evidence["condition"]), str(finding.evidence["class"])
    parts = fitting(condition, str(finding.evidence["direction"]))
    old = [part.model_dump(mode="json") for part in recipe.augment.aimed]
    new = [{"name": part, "settings": dict(values), "classes": [name]} for part, values in parts]
    new = [part for part in new if part not in old]
    if not new:
        return None
    return Remedy(
        name="aimed_augment",
        finding=finding.rule,
        patch={"augment.aimed": [*old, *new]},
        reason=f"Training shows class {name!r} with more variation in {condition}, which it fails in or has not been shown.",
        source=SOURCE,
        safety=SAFETY,
        metric="recall_macro",
    )


def fitting(condition: str, direction: str) -> Parts:
    """Parts that make images of a condition; none where augmentation has no answer to it."""
    if (condition, direction) in MEASURED:
        return MEASURED[condition, direction]
    if condition == "annotator":
        # Another annotator does not photograph differently: that is a question of labels.
        return ()
    near = [parts for words, parts in NAMED if any(word in condition.lower() for word in words)]
    return near[0] if near else ANY
