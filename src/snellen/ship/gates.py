"""Gates: what must hold before a model is handed over. The test split is opened here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from snellen.recipe import Gates
from snellen.values import Finding


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
    always answering with the largest class.
    """
    rows = [_score(limits, metric, test, guess)] if test else []
    for artifact in artifacts:
        value = artifact["parity"]["max_abs"]
        text = f"{artifact['format']} differs from the trained model by at most {value:.2g} in any number of its answer"
        rows.append(_gate(f"parity_{artifact['format']}", value <= limits.parity, value, limits.parity, text))
    blocks = [finding.rule for finding in findings if finding.severity == "block"]
    text = f"findings that block shipping and still stand: {', '.join(blocks) or 'none'}"
    rows.append(_gate("blocking_findings", not blocks, len(blocks), 0, text))
    return rows


def _score(limits: Gates, metric: str, test: Mapping[str, Any], guess: float) -> dict[str, Any]:
    limit = guess if limits.score is None else limits.score
    text = f"lower bound of {metric} on the test split is {test['low']:.3f} (limit {limit:.3f}, n = {test['n']})"
    return _gate(f"score_{metric}", test["low"] > limit, test["low"], limit, text)


def _gate(name: str, passed: bool, value: float, limit: float, message: str) -> dict[str, Any]:
    return {"name": name, "passed": bool(passed), "value": float(value), "limit": float(limit), "message": message}
