"""Tables: the recipe with its reasons, remedies with their verdicts, artifacts, and what is needed to do it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from markupsafe import Markup, escape

from snellen.recipe import flatten
from snellen.report.headline import interval
from snellen.report.material import Material
from snellen.report.words import Words, number
from snellen.values import thaw

View = dict[str, Any]

MOST_ITEMS = 8
METRICS = (
    "miou", "dice", "boundary_f", "image_iou", "pixel_accuracy", "accuracy", "top5", "precision_macro", "recall_macro", "f1_macro",
    "auc", "ece", "log_loss",
)  # fmt: skip


def choices(material: Material, words: Words) -> list[View]:
    """The plan's choices: key, value, reason, source, and whether the user set it."""
    given = material.plan.get("given") or {}
    rows = [
        {
            "key": choice["key"],
            "value": setting(choice["key"], choice.get("value"), words),
            "reason": (choice.get("reason_zh") if words.lang.startswith("zh") else None) or choice.get("reason", ""),
            "source": choice.get("source", ""),
            "given": choice["key"] in given,
        }
        for choice in material.plan.get("choices") or ()
    ]
    named = {row["key"] for row in rows}
    extra = [
        {"key": key, "value": shown(value), "reason": words("recipe.yours"), "source": ""}
        for key, value in given.items()
        if key not in named
    ]
    return [*rows, *({**row, "given": True} for row in extra)]


def costs(material: Material, words: Words) -> list[View]:
    """The budget, the expected time of one training, and what the probe measured on this machine."""
    plan = material.plan
    known = {"budget": plan.get("budget"), "estimate": plan.get("estimate")}
    rows = [{"name": words(f"costs.{key}"), "value": words.seconds(value)} for key, value in known.items() if value]
    probed = plan.get("costs") or {}
    each, side = number(probed.get("seconds_per_image")), probed.get("size")
    if each is not None:
        rows.append({"name": words("costs.image", {"size": side}), "value": _milliseconds(each * 1000)})
    return rows


def setting(key: str, value: Any, words: Words) -> str:
    """The value of one recipe key as short text: left-out samples by their number."""
    if key == "data.drop" and isinstance(value, list | tuple):
        return words("recipe.samples", {"n": len(value)})
    return shown(value)


def shown(value: Any) -> str:
    """A value of a recipe as short text: a part by its name with its settings, a long list by its first items."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _part(value)
    if isinstance(value, list | tuple):
        some = ", ".join(map(shown, value[:MOST_ITEMS])) or "–"
        return some if len(value) <= MOST_ITEMS else f"{some}, … ({len(value)})"
    return str(value)


def _part(value: Mapping[str, Any]) -> str:
    inner = {key: item for key, item in value.items() if key not in ("name", "settings")} | dict(
        value.get("settings") or {}
    )
    rest = ", ".join(f"{key} {shown(item)}" for key, item in inner.items() if item is not None)
    if "name" not in value:
        return rest or "–"
    return f"{value['name']} ({rest})" if rest else str(value["name"])


def scores(material: Material, words: Words) -> tuple[list[str], list[View]]:
    """Names of the splits that were measured, and one row per metric with a value for each of them."""
    splits = [split for split in ("val", "test", "val_test") if material.final.get(split)]
    there = dict.fromkeys(metric for split in splits for metric in material.final[split])
    metrics = sorted(there, key=lambda metric: METRICS.index(metric) if metric in METRICS else len(METRICS))
    rows, heads, sizes = [], [], []
    for split in splits:
        found = {cell["n"] for cell in material.final[split].values() if cell and cell.get("n")}
        sizes.append(found.pop() if len(found) == 1 else None)
        name = words.label("splits", split)
        heads.append(words("scores.n", {"split": name, "n": f"{sizes[-1]:,}"}) if sizes[-1] else name)
    for metric in metrics:
        cells = [material.final[split].get(metric) for split in splits]
        values = [
            interval(metric, split, cell, words) if cell else None for split, cell in zip(splits, cells, strict=True)
        ]
        # n stands once at the head of the column where all metrics share it.
        alike = [
            {**value, "n": None} if value and value["n"] == n else value for value, n in zip(values, sizes, strict=True)
        ]
        rows.append({"metric": words.label("metrics", metric), "cells": alike})
    return heads, rows


def leaks(material: Material, words: Words) -> list[str]:
    """A sentence for every split with leaked samples: the score with and without them."""
    return [
        words(
            "scores.leak" if row.get("without") is not None else "scores.leak_all",
            {
                **row,
                "split": words.label("splits", split),
                "metric": words.label("metrics", row["metric"]),
                **{key: words.score(row["metric"], row.get(key)) for key in ("value", "without")},
            },
        )
        for split, row in (material.final.get("leak") or {}).items()
    ]


def artifacts(material: Material, words: Words) -> list[View]:
    """Exported files, and below them the trained model they are compared with: size, latency, parity."""
    files = [_artifact(item, words) for item in material.final.get("artifacts") or ()]
    return files + [_engine(item, words) for item in material.final.get("latency") or ()]


def eight_bits(material: Material, words: Words) -> str:
    """A sentence about the file of eight bits; nothing where none was made."""
    made = material.final.get("int8")
    if not made:
        return ""
    metric = made["metric"]
    low, middle, high = (words.effect(metric, made[key]) for key in ("low", "effect", "high"))
    told = {
        "path": made["path"], "size": size(number(made["bytes"])), "size_before": size(number(made["bytes_before"])),
        "time": _milliseconds(made["latency_ms"]["median"]), "time_before": _milliseconds(made["latency_ms_before"]["median"]),
        "metric": words.label("metrics", metric), "change": f"{middle} [{low}, {high}] {words.unit(metric)}", "n": made["n"],
        "agreement": f"{made['agreement']:.1%}",
    }  # fmt: skip
    return words("export.int8", told) + ("" if made["ok"] else f" {words('export.int8_loses')}")


def _artifact(item: Mapping[str, Any], words: Words) -> View:
    latency, parity = item.get("latency_ms") or {}, item.get("parity") or {}
    timed = {"batch": latency.get("batch", 1), "n": latency.get("n")}
    agreement = number(parity.get("agreement"))
    return {
        "name": str(item.get("format", "")),
        "about": str(item.get("path", "")),
        "size": size(number(item.get("bytes"))),
        "median": _milliseconds(latency.get("median")),
        "timed": words("export.batch", timed) if latency else "",
        "p95": _milliseconds(latency.get("p95")),
        # An infinite difference is stored as the word inf, and said so.
        "parity": f"{float(parity['max_abs']):.2g}" if "max_abs" in parity else "–",
        "agreement": "–" if agreement is None else f"{agreement:.1%}",
        "compared": words("export.n", {"n": parity.get("n")}) if parity else "",
        "ok": bool(item.get("ok")),
    }


def _engine(item: Mapping[str, Any], words: Words) -> View:
    blank = {"size": "–", "parity": "–", "agreement": "–", "compared": "", "ok": None}
    times = {"median": _milliseconds(item.get("median_ms")), "p95": _milliseconds(item.get("p95_ms"))}
    timed = words("export.n", {"n": item.get("n")})
    return {"name": str(item.get("engine", "")), "about": words("export.engine"), "timed": timed, **blank, **times}


def _milliseconds(value: Any) -> str:
    known = number(value)
    return "–" if known is None else f"{known:.2f} ms"


def size(amount: float | None) -> str:
    """A file size in decimal units."""
    if amount is None:
        return "–"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= scale:
            return f"{amount / scale:.1f} {unit}"
    return f"{amount:.0f} B"


def speeds(material: Material, words: Words) -> list[View]:
    """Numbers of the training's cost: throughput, memory, time."""
    speed, memory, cost = (material.signals["speed"], material.signals["memory"], material.cost)
    rows = []
    if speed:
        rates = sorted(float(item["images_per_second"]) for item in speed if item.get("images_per_second") is not None)
        if rates:
            rows.append(
                {
                    "name": words("tile.throughput"),
                    "value": f"{rates[len(rates) // 2]:,.0f}",
                    "unit": words("unit.images"),
                }
            )
        total = sum(float(item.get("evaluation_seconds") or 0) for item in speed)
        rows.append({"name": words("tile.evaluation"), "value": words.seconds(total), "unit": ""})
    if cost.get("seconds") is not None:
        rows.insert(0, {"name": words("tile.training"), "value": words.seconds(float(cost["seconds"])), "unit": ""})
    if memory:
        peak = max(float(item.get("peak_bytes") or 0) for item in memory)
        rows.append({"name": words("tile.memory"), "value": size(peak), "unit": ""})
    names = (("epochs", "tile.epochs"), ("steps", "tile.steps"))
    return rows + [
        {"name": words(key), "value": f"{cost[name]:,}", "unit": ""}
        for name, key in names
        if isinstance(cost.get(name), int)
    ]


def reproduce(material: Material, words: Words) -> View:
    """Commands, seed, environment and the resolved recipe."""
    recipe = material.recipe
    return {
        "commands": _commands(material),
        "seed": recipe.seed if recipe else None,
        "run": material.run.folder.name if material.run else None,
        "runs": [run.folder.name for run in material.runs],
        "recipe": literal(yaml.safe_dump(recipe.plain(), sort_keys=False, allow_unicode=True)) if recipe else None,
        "environment": [(key, shown(value)) for key, value in flatten(thaw(material.environment)).items() if key],
        "seconds": _stage_seconds(material, words),
    }


def literal(text: str) -> Markup:
    """Text whose line breaks are meant, escaped."""
    return Markup(escape(text))


def _commands(material: Material) -> list[str]:
    """What was asked for, the same with the resolved recipe in a file, and this page."""
    asked = material.settings
    given = asked.get("changes") or {}
    folders = [shlex.quote(source) for source in asked.get("sources") or material.roots] or ["FOLDER"]
    options = [
        *([f"--recipe {shlex.quote(asked['recipe'])}"] if asked.get("recipe") else []),
        *([f"--budget {asked['budget']:g}s"] if asked.get("budget") else []),
        *([f"--epochs {asked['epochs']}"] if asked.get("epochs") else []),
        *(f"--set {shlex.quote(f'{key}={json.dumps(thaw(value))}')}" for key, value in given.items()),
    ]
    again = f"snellen report {shlex.quote(str(material.case.folder))}"
    if material.run is None:
        return [" ".join(["snellen audit", *folders]), again]
    recipe = shlex.quote(str(material.run.folder / "recipe.yaml"))
    return [
        " ".join(["snellen run", *folders, *options]),
        " ".join(["snellen run", *folders, "--recipe", recipe]),
        again,
    ]


def _stage_seconds(material: Material, words: Words) -> Sequence[View]:
    parts = material.final.get("seconds")
    if not isinstance(parts, Mapping):
        return ()
    rows = sorted(((name, number(v) or 0.0) for name, v in parts.items() if name != "total"), key=lambda row: -row[1])
    if len(rows) < 2:
        return ()
    most = max((value for _, value in rows), default=0.0) or 1.0
    return [
        {"name": words.label("steps", name), "value": words.seconds(v), "share": v / most * 100} for name, v in rows
    ]
