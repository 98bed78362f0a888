"""The object that `--json` prints, written out by hand: other programs build on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NUMBER = (int, float)
MAYBE = (int, float, type(None))
TOP: dict[str, Any] = {
    "task": str, "run": str, "report": str, "seconds": NUMBER, "test": dict, "findings": list, "verdicts": list,
    "artifacts": list,
}  # fmt: skip
LEAK: dict[str, Any] = {"metric": str, "value": MAYBE, "without": MAYBE, "samples": int, "leaked": int, "learnt": int}
METRIC = {"value": MAYBE, "low": MAYBE, "high": MAYBE, "n": int}
FINDING: dict[str, Any] = {"rule": str, "severity": str, "message": str, "samples": list}
VERDICT: dict[str, Any] = {
    "remedy": str, "finding": str, "metric": str, "effect": MAYBE, "low": MAYBE, "high": MAYBE, "decision": str,
    "seconds": NUMBER,
}  # fmt: skip
ARTIFACT: dict[str, Any] = {"format": str, "path": str, "latency_ms": NUMBER, "parity": NUMBER}
# What may stand beside them. A new key is written down here first.
MORE = {"top": {"val_test", "leak", "gates", "planted", "peak_bytes"}, "verdict": {"reason", "stage"}}


def check(answer: Any) -> None:
    """Raise AssertionError where the object of `run` (or `audit`, `train`, `heal`, `demo`) does not fit."""
    fits(answer, TOP, "top")
    for split in ("test", "val_test"):
        for name, row in answer.get(split, {}).items():
            fits(row, METRIC, f"{split}.{name}")
            if row["value"] is not None:
                assert row["low"] <= row["value"] <= row["high"], (split, name, row)
                assert row["n"] > 0
    for split, row in answer.get("leak", {}).items():
        fits(row, LEAK, f"leak.{split}")
        assert 0 <= row["learnt"] <= row["leaked"] <= row["samples"]
    for finding in answer["findings"]:
        fits(finding, FINDING, "finding")
        assert finding["severity"] in ("info", "warn", "block")
        assert finding["message"]
        assert all(isinstance(path, str) and not path.startswith("/") for path in finding["samples"])
    for verdict in answer["verdicts"]:
        fits(verdict, VERDICT, "verdict")
        assert verdict["decision"] in ("adopt", "reject", "undecided")
        if verdict["effect"] is None:
            assert verdict["decision"] == "undecided"
        else:
            assert verdict["low"] <= verdict["effect"] <= verdict["high"]
    for artifact in answer["artifacts"]:
        fits(artifact, ARTIFACT, "artifact")


def fits(value: Any, keys: Mapping[str, Any], where: str) -> None:
    """A mapping with these keys of these types, and no others but those under MORE."""
    assert isinstance(value, dict), f"{where} is {type(value).__name__}"
    missing, unknown = set(keys) - set(value), set(value) - set(keys) - MORE.get(where, set())
    assert not missing, f"{where} lacks {sorted(missing)}"
    assert not unknown, f"{where} has keys that are not documented: {sorted(unknown)}"
    for key, kind in keys.items():
        item = value[key]
        # bool is an int to Python, and no number to a reader of the schema.
        assert isinstance(item, kind), f"{where}.{key} is {item!r}"
        assert not isinstance(item, bool), f"{where}.{key} is {item!r}"
