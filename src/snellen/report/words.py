"""Words: the page's texts in one language, and how numbers are said in it."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snellen import store
from snellen.recipe import flatten
from snellen.values import Finding, SnellenError, thaw, unit

TEXT = Path(__file__).parent / "text"

# Scores that are shares of 1: they are said in per cent, and their differences in percentage points.
SHARES = frozenset(
    (
        "accuracy",
        "top1",
        "top5",
        "precision_macro",
        "recall_macro",
        "f1_macro",
        "precision",
        "recall",
        "f1",
        "ece",
        "miou",
        "dice",
        "boundary_f",
        "pixel_accuracy",
        "image_iou",
    )
)

# Shares that are measured of each class, under the metric's name and the class's.
BY_CLASS = {"iou": "IoU", "dice": "Dice"}


def is_share(metric: str) -> bool:
    """Whether a metric is a share of 1."""
    return metric in SHARES or metric.partition("_")[0] in BY_CLASS


@dataclass(frozen=True, slots=True)
class Words:
    """Texts by dotted key; a key that the language lacks is taken from English."""

    lang: str
    texts: Mapping[str, str]

    @classmethod
    def load(cls, lang: str) -> Words:
        """Read `text/<lang>.json`, or that of a region of it (zh: zh-CN.json); raises SnellenError for another."""
        near = sorted(path for path in TEXT.glob("*.json") if path.stem == lang or path.stem.startswith(f"{lang}-"))
        if not lang or not near:
            known = ", ".join(sorted({path.stem.split("-")[0] for path in TEXT.glob("*.json") if "." not in path.stem}))
            raise SnellenError(f"no report language {lang!r}; there are: {known}")
        own = flatten(store.read_json(near[0]))
        return cls(near[0].stem, {**flatten(store.read_json(TEXT / "en.json")), **own})

    def __call__(self, key: str, values: Mapping[str, Any] | None = None) -> str:
        """The text of a key with `{name}` filled from `values`; raises KeyError for a key that no language has."""
        return self._fill(self.texts[key], dict(values or {}))

    def label(self, kind: str, name: str) -> str:
        """The text of `<kind>.<name>`, or the name itself made readable: loss_gap → Loss gap."""
        text = self.texts.get(f"{kind}.{name}")
        start, _, rest = str(name).partition("_")
        if text is None and kind == "metrics" and start in BY_CLASS:
            return f"{BY_CLASS[start]}: {rest}"
        plain = str(name).replace("_", " ").strip()
        return text if text is not None else plain[:1].upper() + plain[1:]

    def finding(self, finding: Finding) -> str:
        """The finding's message in this language; the English one where no template fits its evidence.

        `variants.<rule>` names the evidence that chooses between several templates of one rule.
        """
        evidence = _numbers(thaw(finding.evidence))
        template = self._template(finding, evidence)
        if template is None or not _fields(template) <= {"rule", *evidence}:
            return finding.message
        if "verdicts" in evidence:
            evidence["verdicts"] = {self.texts.get(f"states.{key}", key): n for key, n in evidence["verdicts"].items()}
        if isinstance(evidence.get("strangest"), list):
            evidence["strangest"] = [self.texts.get(f"states.{key}", key) for key in evidence["strangest"]]
        return self._fill(template, {"rule": self.label("rules", finding.rule), **evidence})

    def _template(self, finding: Finding, evidence: Mapping[str, Any]) -> str | None:
        if not finding.looked:
            return self.texts.get("findings._missing")
        key = f"findings.{finding.rule}"
        variant = self.texts.get(f"variants.{finding.rule}")
        if variant is None:
            return self.texts.get(key)
        return self.texts.get(f"{key}.{evidence.get(variant)}", self.texts.get(f"{key}."))

    def _fill(self, template: str, values: Mapping[str, Any]) -> str:
        return _Loose("、" if self.lang.startswith("zh") else ", ").vformat(template, (), values)

    def score(self, metric: str, value: Any) -> str:
        """One value of a metric: a share in per cent, anything else with three decimals; a dash for none."""
        value = number(value)
        if value is None:
            return "–"
        return f"{value:.1%}" if is_share(metric) else f"{value:.3f}"

    def effect(self, metric: str, value: Any) -> str:
        """A signed difference of a metric: in percentage points, of a log loss in nats, of a PSNR in dB; a dash for none."""
        value = number(value)
        if value is None:
            return "–"
        text = f"{value * 100:+.1f}" if unit(metric) == "points" else f"{value:+.3f}"
        return text.replace("-", "−")

    def unit(self, metric: str) -> str:
        """The unit of `effect`."""
        return self(f"unit.{unit(metric)}")

    def seconds(self, value: Any) -> str:
        """A duration: 3.2 s, 4 min 12 s, 1 h 05 min; a dash for none."""
        value = number(value)
        if value is None:
            return "–"
        if value < 60:
            return self("unit.seconds", {"s": f"{value:.1f}" if value < 10 else f"{value:.0f}"})
        minutes, rest = divmod(round(value), 60)
        if minutes < 60:
            return self("unit.minutes", {"m": minutes, "s": f"{rest:02d}"})
        return self("unit.hours", {"h": minutes // 60, "m": f"{minutes % 60:02d}"})


class _Loose(string.Formatter):
    """`str.format` in which a value that a format does not fit is shown as it is: a list joined, None and NaN as a dash."""

    def __init__(self, comma: str) -> None:
        self.comma = comma

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            return self.comma.join(self.format_field(item, format_spec) for item in value)
        if isinstance(value, dict):
            return self.comma.join(f"{key} {self.format_field(item, format_spec)}" for key, item in value.items())
        if value is None or value != value:
            return "–"
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return format(value, format_spec) if numeric else str(value)


def _fields(template: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name}


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    # JSON has no NaN; the store writes these words for them.
    return {key: float(v) if isinstance(v, str) and v in ("nan", "inf", "-inf") else v for key, v in values.items()}


def number(value: Any) -> float | None:
    """A finite float; None for anything else (the store writes a non-finite number as a word)."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


# Characters that would move, hide or reorder the text around them: shown as signs instead.
_HIDDEN = (*range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_SIGNS: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(32)},
    **dict.fromkeys(_HIDDEN, "\ufffd"),
    **dict.fromkeys((0x0A, 0x2028, 0x2029), "⏎"),
}


def visible(text: str) -> str:
    """`text` with control and direction characters, and halves of surrogate pairs, shown as signs."""
    return text.translate(_SIGNS).encode("utf-8", "replace").decode("utf-8")


def shorten(text: str, limit: int) -> str:
    """`text` made visible and cut in the middle to `limit` characters: the end of a name tells as much as its start."""
    text = visible(text)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"
