"""What is said and drawn of a verdict."""

from __future__ import annotations

from typing import Any

import pytest

from snellen.report import proofs
from snellen.report.proofs import because
from snellen.report.words import Words
from snellen.values import Verdict


def _rejected(reason: str, **given: Any) -> Verdict:
    known: dict[str, Any] = {
        "remedy": "cutmix", "finding": "overfitting", "metric": "psnr_gain", "baseline": "0", "candidate": "1", "effect": 0.3,
        "low": 0.2, "high": 0.4, "level": 0.95, "samples": 9, "seeds": 2, "looks": 1, "seconds": 1.0, "decision": "reject",
    }  # fmt: skip
    return Verdict(**{**known, **given}, reason=reason)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("no useful gain: …", "small"), ("a trade-off: …", "tradeoff"), ("taken back: …", "taken_back")],
)
def test_a_rejection_is_told_by_its_own_reason(reason: str, kind: str) -> None:
    words = Words.load("zh")
    assert because(_rejected(reason), words) == words.texts[f"reasons.{kind}"]


def test_decibels_are_no_hundredths() -> None:
    row = proofs._forest_row(_rejected("no useful gain"), Words.load("en"))
    assert (row["effect"], row["low"], row["high"], row["unit"]) == (0.3, 0.2, 0.4, "dB")
