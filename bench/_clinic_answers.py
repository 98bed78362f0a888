"""What should be said of each planted fault: the rules of which any one names it, and what else is true of such a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """`rules`: any one that warns has found it. `beside`: also true of it, neither right nor wrong to say (what
    stands in both is right)."""

    rules: tuple[str, ...]
    beside: tuple[str, ...] = ()


# A rate that is too high shows in many ways, and all of them lead to the same remedy.
TOO_FAST = (
    "rate_too_high", "diverging", "oscillating", "gradient_unstable", "gradient_exploding", "nonfinite", "collapsed",
    "steps_too_large",
)  # fmt: skip
BY_HEART = ("overfitting", "past_best", "overconfident", "memorised")
# What lacks images or epochs learns some classes later than others.
UNEVEN = ("weak_class", "weak_condition")
ANSWERS: Mapping[str, Answer] = {
    **dict.fromkeys(("rate_high", "rate_absurd", "loss_nan", "no_warmup", "no_clip"), Answer(TOO_FAST, (*UNEVEN, "dead_units", "broken_norm", "underfitting", *BY_HEART))),
    "momentum_absurd": Answer(("momentum_too_high", *TOO_FAST), (*UNEVEN, "dead_units", "broken_norm", "underfitting", *BY_HEART)),
    "rate_low": Answer(("underfitting", "steps_too_small"), UNEVEN),
    "rate_low_sgd": Answer(("underfitting", "steps_too_small"), UNEVEN),
    "never_decays": Answer(("rate_never_falls", "plateau", *TOO_FAST), (*BY_HEART, *UNEVEN)),
    "decay_huge": Answer(("underfitting", "over_regularised"), (*UNEVEN, "collapsed", "dead_units", "rate_too_high")),
    "dropout_huge": Answer(("underfitting", "over_regularised"), UNEVEN),
    "smoothing_huge": Answer(("underfitting", "over_regularised"), UNEVEN),
    "mixup_extreme": Answer(("underfitting", "over_regularised"), UNEVEN),
    "augmented_to_death": Answer(("underfitting", "over_regularised"), (*UNEVEN, "broken_norm")),
    "no_regularisation": Answer(BY_HEART, UNEVEN),
    "too_long": Answer(BY_HEART, (*UNEVEN, *TOO_FAST)),
    "too_short": Answer(("underfitting",), UNEVEN),
    "frozen": Answer(("frozen_too_much", "underfitting"), UNEVEN),
    "not_pretrained": Answer(("from_noise", "underfitting"), (*UNEVEN, "broken_norm", "collapsed", "rate_too_high", "dead_units", "plateau", "steps_too_large", *BY_HEART)),
    "batch_tiny": Answer(("broken_norm", "gradient_unstable", "rate_too_high", "oscillating", "batch_too_small"), (*UNEVEN, *BY_HEART, *TOO_FAST)),
    "batch_whole": Answer(("too_few_steps", "underfitting"), UNEVEN),
    "too_small": Answer(("size_too_small", "underfitting"), (*UNEVEN, *BY_HEART)),
    "sizes_differ": Answer(("broken_norm", "sizes_differ"), (*UNEVEN, *BY_HEART, "rate_too_high", "collapsed", "underfitting")),
    "loss_mismatch": Answer(("over_regularised", "underfitting", "rate_too_high", "loss_mismatch"), UNEVEN),
    "labels_wrong": Answer(("label_noise", "memorised"), (*UNEVEN, *BY_HEART, "plateau", "scattered_class")),
    "labels_by_heart": Answer(("label_noise", "memorised"), (*UNEVEN, *BY_HEART, "scattered_class")),
    "class_rare": Answer(("tiny_classes", "class_imbalance", "weak_class"), (*UNEVEN, *BY_HEART)),
    "imbalanced": Answer(("class_imbalance", "tiny_classes", "weak_class"), (*UNEVEN, *BY_HEART)),
    "leaked": Answer(("leakage",), (*UNEVEN, *BY_HEART, "exact_duplicates", "near_duplicates")),
    "copied": Answer(("exact_duplicates", "near_duplicates"), (*UNEVEN, *BY_HEART)),
    **dict.fromkeys(("validation_dark", "validation_washed"), Answer(("validation_shifted",), (*UNEVEN, *BY_HEART, "dark_images", "low_contrast", "bright_images", "channel_order", "broken_norm"))),
    "validation_swapped": Answer(("channel_order", "evaluation_channels", "validation_shifted"), (*UNEVEN, *BY_HEART)),
    "validation_relabelled": Answer(("weak_class", "label_noise"), (*UNEVEN, *BY_HEART)),
    "class_blurred": Answer(("blurred_images", "class_shifted", "weak_class", "weak_condition", "validation_shifted"), (*BY_HEART, "scattered_class")),
    "marker": Answer(("shortcut_marker",), (*UNEVEN, *BY_HEART)),
    "blanks": Answer(("blank_images",), (*UNEVEN, *BY_HEART, "exact_duplicates", "conflicting_labels", "dark_images", "low_contrast", "blurred_images", "label_noise", "near_duplicates", "outlier_images", "grey_images", "memorised")),
    "truncated": Answer(("truncated_images", "unreadable_images"), (*UNEVEN, *BY_HEART)),
}  # fmt: skip
