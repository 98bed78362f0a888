"""Pipeline: a drawing of the run as the resolved recipe says it will go (SPEC E5), as inline SVG."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from snellen.recipe import Part, Recipe, Stage
from snellen.report.words import Words, visible
from snellen.shelf import TASKS

TITLE, TEXT, LINE, PAD, GAP = 13.0, 11.5, 16.0, 12.0, 30.0
# How much of a network drawn as five blocks learns, counted from the head.
LEARNS = {"head": 1, "last": 3, "all": 5}


@dataclass(frozen=True, slots=True)
class Box:
    """One station: position and size in SVG units, a title, and lines of text; `bars` are a stage's five blocks."""

    x: float
    y: float
    width: float
    height: float
    title: str
    lines: tuple[str, ...]
    kind: str = "station"
    learns: int = 0


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the template draws: boxes, and arrows as SVG paths."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]


def wide(recipe: Recipe, counts: Mapping[str, Any], words: Words) -> Drawing:
    """The drawing for a desktop, in three floors: data to augmentation; the model's stages; loss to gates."""
    return _floors(recipe, counts, words, width=900.0, columns=3)


def tall(recipe: Recipe, counts: Mapping[str, Any], words: Words) -> Drawing:
    """The drawing for a phone: every station below the one before."""
    return _floors(recipe, counts, words, width=340.0, columns=1)


def _floors(recipe: Recipe, counts: Mapping[str, Any], words: Words, *, width: float, columns: int) -> Drawing:
    first = [_data(recipe, counts, words), _splits(recipe, counts, words), _augment(recipe, words)]
    last = [_loss(recipe, words), _metric(recipe, words), _gates(recipe, words)]
    boxes, y = _row(first, 1.0, width, columns)
    model = _model(recipe, words, y + GAP, width, columns)
    below, end = _row(last, model[0].y + model[0].height + GAP, width, columns)
    stations = [*boxes, model[0], *below]
    arrows = [_arrow(a, b) for a, b in pairwise(stations)]
    return Drawing(width, end + 1.0, (*boxes, *model, *below), tuple(arrows))


def _row(texts: Sequence[tuple[str, list[str]]], y: float, width: float, columns: int) -> tuple[list[Box], float]:
    """Boxes side by side and equally high, or below each other where there is one column; and where they end."""
    each = (width - GAP * (columns - 1) - 2) / columns
    wrapped = [(title, _wrap(lines, each - 2 * PAD)) for title, lines in texts]
    if columns > 1:
        tallest = max(_height(lines) for _, lines in wrapped)
        row = [Box(1 + i * (each + GAP), y, each, tallest, title, lines) for i, (title, lines) in enumerate(wrapped)]
        return row, y + tallest
    stack: list[Box] = []
    for title, lines in wrapped:
        stack.append(Box(1.0, y, each, _height(lines), title, lines))
        y += stack[-1].height + GAP
    return stack, y - GAP


def _model(recipe: Recipe, words: Words, y: float, width: float, columns: int) -> list[Box]:
    title, lines = _network(recipe, words)
    head = _wrap(lines, width - 2 * PAD - 2)
    top = y + _height(head)
    across = min(len(recipe.stages), 4) if columns > 1 else 1
    each = (width - 2 - 2 * PAD - GAP / 2 * (across - 1)) / across
    texts = [_wrap(_stage(recipe, stage, words), each - 2 * PAD) for stage in recipe.stages]
    high = max(_height(text) for text in texts) + 20
    inner = []
    for place, (text, stage) in enumerate(zip(texts, recipe.stages, strict=True)):
        x, row = 1 + PAD + (place % across) * (each + GAP / 2), place // across
        label = words("pipeline.stage", {"n": place + 1, "name": visible(stage.name)})
        inner.append(Box(x, top + row * (high + PAD), each, high, label, text, "stage", LEARNS[stage.unfreeze]))
    rows = -(-len(inner) // across)
    return [Box(1.0, y, width - 2, _height(head) + rows * (high + PAD), title, head), *inner]


def _height(lines: Sequence[str]) -> float:
    return PAD * 2 + TITLE + LINE * len(lines) + (4 if lines else 0)


def _arrow(a: Box, b: Box) -> str:
    if abs(a.y - b.y) < 1:
        return f"M{a.x + a.width + 4:.0f} {a.y + a.height / 2:.0f}H{b.x - 5:.0f}"
    # From the end of one row to the start of the next: straight down where the boxes overlap, else along the gap.
    down, start = b.y - 5, a.y + a.height + 4
    x, target = a.x + a.width / 2, b.x + b.width / 2
    if b.x < x < b.x + b.width:
        return f"M{x:.0f} {start:.0f}V{down:.0f}"
    return f"M{target:.0f} {start:.0f}V{down:.0f}"


def _data(recipe: Recipe, counts: Mapping[str, Any], words: Words) -> tuple[str, list[str]]:
    lines = [visible(str(counts["name"]))] if counts.get("name") else []
    if counts.get("samples"):
        kind = "pipeline.samples" if counts["classes"] else "pipeline.images"
        lines.append(words(kind, {"n": counts["samples"], "k": counts["classes"]}))
    size = {"train": recipe.data.size, "eval": recipe.data.eval_size or recipe.data.size}
    return words("pipeline.data"), [*lines, words("pipeline.size", size)]


def _splits(recipe: Recipe, counts: Mapping[str, Any], words: Words) -> tuple[str, list[str]]:
    known = counts.get("splits") or {}
    if known:
        lines = [f"{words.label('splits', name or 'none')}  {amount:,}" for name, amount in known.items()]
    else:
        lines = [words("pipeline.shares", {"val": recipe.data.val, "test": recipe.data.test})]
    group = [words("pipeline.group", {"group": visible(recipe.data.group)})] if recipe.data.group else []
    return words("pipeline.splits"), [*lines, *group]


def _augment(recipe: Recipe, words: Words) -> tuple[str, list[str]]:
    lines = [_part(part) for part in recipe.augment.parts]
    lines += [f"{_part(part)} → {', '.join(map(visible, part.classes))}" for part in recipe.augment.aimed]
    lines += [f"{name} α {value:g}" for name in ("mixup", "cutmix") if (value := getattr(recipe.augment, name))]
    lines += [f"bicubic (scale {recipe.degrade.scale})"] if recipe.degrade.scale > 1 else []
    lines += [_part(part) for part in recipe.degrade.parts]
    return words("pipeline.augment"), lines or [words("pipeline.nothing")]


def _network(recipe: Recipe, words: Words) -> tuple[str, list[str]]:
    model, train, optim = recipe.model, recipe.train, recipe.optim
    first = f"{visible(model.name)} · {words('pipeline.weights', {'weights': visible(model.weights)})}"
    first = f"{visible(model.decoder.name)} · {first}" if model.decoder else first
    extras = [f"dropout {model.dropout:g}"] if model.dropout else []
    extras += [f"drop path {model.drop_path:g}"] if model.drop_path else []
    extras += [f"EMA {train.ema:g}"] if train.ema else []
    extras += [words("pipeline.still")] if train.freeze_norm else []
    batch = f"{train.batch} × {train.parts}" if train.parts > 1 else f"{train.batch}"
    second = f"{visible(optim.name)} · {words('pipeline.decay', {'decay': optim.weight_decay})} · batch {batch}"
    second += f" · {words('pipeline.clip', {'clip': optim.clip})}" if optim.clip else ""
    return words("pipeline.model"), [" · ".join([first, *extras]), second]


def _stage(recipe: Recipe, stage: Stage, words: Words) -> list[str]:
    first = words(
        "pipeline.epochs1" if stage.epochs == 1 else "pipeline.epochs",
        {"n": stage.epochs, "part": words.label("unfreeze", stage.unfreeze)},
    )
    rate = f"lr {recipe.optim.lr * stage.lr_scale:.2g} · {visible(stage.schedule.name).replace('_', ' ')}"
    return [
        first,
        rate,
        *(
            [words("pipeline.warmup1" if stage.warmup == 1 else "pipeline.warmup", {"n": stage.warmup})]
            if stage.warmup
            else []
        ),
    ]


def _loss(recipe: Recipe, words: Words) -> tuple[str, list[str]]:
    sampling = words.label("sampling", recipe.train.sampling)
    return words("pipeline.loss"), [f"1.0 × {_part(recipe.loss)}", sampling]


def _metric(recipe: Recipe, words: Words) -> tuple[str, list[str]]:
    return words("pipeline.metric"), [words.label("metrics", recipe.metric), words("pipeline.interval")]


def _gates(recipe: Recipe, words: Words) -> tuple[str, list[str]]:
    score = recipe.gates.score
    simple = words.texts.get(f"baselines.{TASKS.constant(recipe.task, 'SECTION')}", words("pipeline.baseline"))
    least = words("pipeline.score", {"score": score}) if score is not None else simple
    return words("pipeline.gates"), [least, words("pipeline.parity", {"parity": recipe.gates.parity})]


def _part(part: Part) -> str:
    settings = ", ".join(f"{key} {_plain(value)}" for key, value in part.settings.items() if value is not None)
    name = visible(part.name).replace("_", " ")
    return f"{name} ({settings})" if settings else name


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return visible("–".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value))


def _wrap(lines: Sequence[str], width: float) -> tuple[str, ...]:
    """Break lines at spaces so that each fits `width`; SVG text does not wrap by itself."""
    out: list[str] = []
    for line in lines:
        now = ""
        for piece in _pieces(line, width):
            if now and _measure(now + piece) > width:
                out.append(now.rstrip())
                now = piece.lstrip()
            else:
                now += piece
        out.append(now.rstrip())
    return tuple(out)


def _pieces(line: str, width: float) -> list[str]:
    """Words with the space before them; a word too long for a line, and Chinese text, in single letters."""
    found: list[str] = []
    for place, word in enumerate(line.split(" ")):
        lead = " " if place else ""
        if _measure(word) > width or any(unicodedata.east_asian_width(letter) in "WF" for letter in word):
            found += [lead + letter if i == 0 else letter for i, letter in enumerate(word)]
        else:
            found.append(lead + word)
    return found


def _measure(text: str) -> float:
    return sum(TEXT if unicodedata.east_asian_width(letter) in "WF" else TEXT * 0.56 for letter in text)
