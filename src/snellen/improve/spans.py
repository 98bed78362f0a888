"""Spans: the range of one setting of a search, how it is written on the command line, and the usual ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from snellen.recipe import Recipe
from snellen.values import SnellenError

# A span without values gives a grid so many.
POINTS = 3
# A share of a range whose value is hardly ever whole by chance.
BETWEEN = 0.3717


@dataclass(frozen=True, slots=True)
class Span:
    """A setting's range: from `low` to `high`, by its logarithm or linearly, or some `values` where there are any. `whole`: of
    whole numbers alone."""

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    values: tuple[float, ...] = ()
    whole: bool = False

    def at(self, share: float) -> float:
        """The value at a share of the range, 0..1."""
        if self.values:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        found = self.low * (self.high / self.low) ** share if self.log else self.low + (self.high - self.low) * share
        return round(found) if self.whole else float(found)

    @property
    def points(self) -> tuple[float, ...]:
        """The values of a grid."""
        return self.values or tuple(self.at(place / (POINTS - 1)) for place in range(POINTS))


def usual(recipe: Recipe) -> dict[str, Span]:
    """SPEC E2: rate by its logarithm (from a tenth to ten times what it is), batch 32, 64 or 128 (half and
    twice what it is where that is less), dropout 0.1 to 0.5."""
    lr, batch = recipe.optim.lr, recipe.train.batch
    return {
        "optim.lr": Span(lr / 10, lr * 10, log=True),
        "train.batch": Span(values=(32, 64, 128) if batch >= 32 else (max(1, batch // 2), batch, 2 * batch)),
        "model.dropout": Span(0.1, 0.5),
    }


def parsed(texts: Sequence[str], recipe: Recipe) -> dict[str, Span]:
    """`optim.lr=1e-5:1e-2:log`, `model.dropout=0.1:0.5` or `train.batch=32,64` -> spans by recipe key.

    Raises SnellenError for what is not of that form, keys that the recipe does not have, and ends that it refuses.
    """
    found = {}
    for text in texts:
        key, sign, rest = text.partition("=")
        span = _span(rest) if sign else None
        if span is None:
            raise SnellenError(
                f"range {text!r} is not of the form KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C with numbers, as in optim.lr=1e-5:1e-2:log"
            )
        for value in span.values or (span.low, span.high):
            recipe.change({key.strip(): value}).resolve()
        found[key.strip()] = span if span.values else _fitting(key.strip(), span, recipe)
    return found


def _fitting(key: str, span: Span, recipe: Recipe) -> Span:
    """The span, of whole numbers alone where the recipe takes no others between its ends."""
    try:
        recipe.change({key: span.at(BETWEEN)}).resolve()
    except SnellenError:
        span = replace(span, whole=True)
        recipe.change({key: span.at(BETWEEN)}).resolve()
    return span


def _span(text: str) -> Span | None:
    try:
        if "," in text or ":" not in text:
            return Span(values=tuple(_number(word) for word in text.split(",")))
        low, high, *rest = text.split(":")
        span = Span(_number(low), _number(high), log=rest == ["log"])
    except ValueError:
        return None
    fits = span.low < span.high and rest in ([], ["log"]) and (span.low > 0 or not span.log)
    return span if fits else None


def _number(word: str) -> float:
    """Whole numbers stay whole: a batch of 32.0 images is none."""
    value = float(word)
    return int(value) if value.is_integer() and "." not in word and "e" not in word.lower() else value


def grid(ranges: Mapping[str, Span]) -> list[dict[str, float]]:
    """Every combination, the first key slowest."""
    return [
        dict(zip(ranges, point, strict=True)) for point in itertools.product(*(span.points for span in ranges.values()))
    ]
