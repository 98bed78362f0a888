"""Gates: what must hold before a model is handed over. The test split is opened here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from snellen.recipe import Gates
from snellen.values import Finding

# Measured so that less is better; what is only guessed is scored so that more is.
LESS = ("log_loss", "ece")


def gates(
    limits: Gates,
    metric: str,
    test: Mapping[str, Any] | None,
    guess: float,
    artifacts: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
) -> list[dict[str, Any]]:
    """Each gate as {"name", "passed", "value", "limit", "message"}.

    `test` is the metric's {"value", "low", "high", "n"} on the test split (None: there is none), `guess` the score of
    always answering with the largest class, larger is better.
    """
    if test:
        rows = [_score(limits, metric, test, guess)]
    else:
        rows = [] if limits.score is None else [_unmeasured(limits.score, metric, "there is no test split")]
    rows += parity_gates(limits, artifacts)
    blocks = [finding.rule for finding in findings if finding.severity == "block"]
    text = f"findings that block shipping and still stand: {', '.join(blocks) or 'none'}"
    rows.append(_gate("blocking_findings", not blocks, len(blocks), 0, text))
    return rows


def parity_gates(limits: Gates, artifacts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each artifact whether it answers as the trained model does."""
    rows = []
    for artifact in artifacts:
        value = artifact["parity"]["max_abs"]
        text = f"{artifact['format']} differs from the trained model by at most {value:.2g} in any number of its answer"
        rows.append(_gate(f"parity_{artifact['format']}", value <= limits.parity, value, limits.parity, text))
    return rows


def _score(limits: Gates, metric: str, test: Mapping[str, Any], guess: float) -> dict[str, Any]:
    less = metric in LESS
    limit = limits.score if limits.score is not None else -guess if less else guess
    if test["low"] is None:
        why = f"its interval needs two images of the test split or more, and there are {test['n']}"
        return _unmeasured(limit, metric, why)
    side, bound = ("upper", test["high"]) if less else ("lower", test["low"])
    text = f"{side} bound of {metric} on the test split is {bound:.3f} (limit {limit:.3f}, n = {test['n']})"
    return _gate(f"score_{metric}", bound < limit if less else bound > limit, bound, limit, text)


def _unmeasured(limit: float, metric: str, why: str) -> dict[str, Any]:
    """A gate that cannot be passed, because nothing was measured that could be held against the limit."""
    message = f"{metric} cannot be held against {limit:.3f}: {why}"
    return {"name": f"score_{metric}", "passed": False, "value": None, "limit": float(limit), "message": message}


def _gate(name: str, passed: bool, value: float, limit: float, message: str) -> dict[str, Any]:
    return {"name": name, "passed": bool(passed), "value": float(value), "limit": float(limit), "message": message}
