"""Experiment: the page of one range test, comparison or search, made of the JSON file that it left in its case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from snellen import store
from snellen.case import Case
from snellen.report import charts
from snellen.report.charts import Figure, colour, hover, label
from snellen.report.page import TEMPLATES, inert_json, plotly_source, policy_of, templates
from snellen.report.tables import View
from snellen.report.words import Words
from snellen.values import SnellenError, unit

KINDS = ("lr-range", "compare-optimizers", "compare-models", "ablate", "search", "search-recipe")


def write_experiment(case: Case, kind: str, *, lang: str = "en") -> Path:
    """Write `<kind>.html` beside `<kind>.json` of the case and return its path; raises SnellenError where that is missing."""
    told = case.read(kind)
    if told is None or kind not in KINDS:
        raise SnellenError(f"{case.folder} holds no {kind}.json; run snellen {kind} first")
    path = case.folder / f"{kind}.html"
    store.write_text(path, render(told, kind, Words.load(lang)))
    return path


def render(told: Mapping[str, Any], kind: str, words: Words) -> str:
    """The page's HTML."""
    own = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("map.js", "page.js"))
    scripts = {"plotly": plotly_source(), "script": own}
    drawn, notes = _figures(told, kind, words)
    return str(
        templates()
        .get_template("experiment.html")
        .render(
            t=words,
            lang=words.lang,
            kind=kind,
            told=told,
            tiles=_tiles(told, kind, words),
            rows=[_row(row, told, words) for row in told.get("rows", ())],
            points=_points(told, words) if kind.startswith("search") else [],
            drawn=drawn,
            notes=notes,
            style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
            policy=policy_of(scripts.values()),
            figures=Markup(inert_json(drawn)),
            **{name: Markup(text) for name, text in scripts.items()},
        )
    )


def _tiles(told: Mapping[str, Any], kind: str, words: Words) -> list[View]:
    """What is said in large figures."""
    pairs: list[tuple[str, str]] = []
    if kind == "lr-range":
        value = told["set"].get("optim.lr")
        pairs = [
            ("suggested", f"{value:.2g}" if value else "–"),
            ("stage", str(told["stage"])),
            ("steps", str(told["steps"])),
        ]
        pairs.append(("ended_by", words.label("experiments.stopped", told["stopped"])))
    elif kind == "ablate":
        pairs = [
            ("how", words.label("experiments.measured_how", told["how"])),
            ("seeds", str(told["seeds"])),
            ("samples", str(told["samples"])),
        ]
    elif kind.startswith("search"):
        pairs = [("candidates", str(len(told["candidates"]))), ("seeds", str(told["seeds"]))]
    else:
        pairs = [("best", str(told["best"])), ("seeds", str(told["seeds"])), ("samples", str(told["samples"]))]
    pairs.append(("seconds", words.seconds(told["seconds"])))
    return [{"name": words(f"experiments.{name}"), "value": value} for name, value in pairs]


def _row(row: Mapping[str, Any], told: Mapping[str, Any], words: Words) -> View:
    metric = told["metric"]
    return {
        "name": row["name"],
        "score": words.score(metric, row["score"]),
        "seconds": "–" if row["seconds"] is None else words.seconds(row["seconds"]),
        "epochs": "–" if row.get("epochs_to") is None else f"{row['epochs_to']:.1f}",
        "effect": words.effect(metric, row.get("effect")),
        "low": words.effect(metric, row.get("low")),
        "high": words.effect(metric, row.get("high")),
        "unit": words.unit(metric),
        "decision": row.get("decision"),
        "decided": words.label("decisions", row["decision"]) if row.get("decision") else "",
        "parameters": _millions(row.get("parameters")),
        "macs": _millions(row.get("macs")),
        "latency": f"{row['latency_ms']:.1f} ms" if row.get("latency_ms") else "",
        "reason": row.get("reason", ""),
        "kind": words.label("experiments.kinds", row["kind"]) if row.get("claim") else "",
        "cost": "–" if row.get("cost") is None else f"{row['cost']:+.1f} s",
        "claim": row.get("claim", ""),
        "source": row.get("source", ""),
    }


def _millions(value: int | None) -> str:
    return "" if value is None else f"{value / 1e6:.1f} M"


def _points(told: Mapping[str, Any], words: Words) -> list[View]:
    """Candidates of a search, best first, as far as they were trained."""
    order = sorted(told["candidates"], key=lambda c: (c["epochs"], c["mean"] or c["score"]), reverse=True)
    return [
        {
            "name": ", ".join(f"{key} {value:.3g}" for key, value in item["patch"].items()) or words("experiments.own"),
            "epochs": item["epochs"],
            "score": words.score(told["metric"], item["score"]),
            "mean": words.score(told["metric"], item["mean"]),
        }
        for item in order[:30]
    ]


def _figures(told: Mapping[str, Any], kind: str, words: Words) -> tuple[dict[str, Figure], dict[str, str]]:
    if kind == "lr-range":
        return {"range": _range(told, words)}, {"range": words("experiments.range_note")}
    if kind.startswith("search"):
        return {"search": _search(told, words)}, {"search": words("experiments.search_note")}
    rows = [row for row in told["rows"] if row.get("effect") is not None]
    if kind == "ablate":
        forest = charts.forest([_drawn(row, told["metric"], words) for row in rows], words)
        return {"forest": forest}, {"forest": words("experiments.ablate_note")}
    drawn, notes = {"curves": _curves(told, words)}, {"curves": words("experiments.curves_note")}
    if rows:
        drawn["forest"] = charts.forest([_drawn(row, told["metric"], words) for row in rows], words)
        notes["forest"] = words("experiments.forest_note", {"first": told["rows"][0]["name"]})
    return drawn, notes


def _drawn(row: Mapping[str, Any], metric: str, words: Words) -> View:
    scale = 100.0 if unit(metric) == "points" else 1.0
    values = {key: row[key] * scale for key in ("effect", "low", "high")}
    said = [words.effect(metric, row[key]) for key in values]
    text = f"{row['name']}: {said[0]} [{said[1]}, {said[2]}]"
    kind = f" ({words.label('experiments.kinds', row['kind'])})" if row.get("kind") == "left out" else ""
    return {
        "label": row["name"] + kind,
        "decision": row["decision"],
        "unit": words.unit(metric),
        "text": text,
        **values,
    }


def _range(told: Mapping[str, Any], words: Words) -> Figure:
    raw = _trace(words("experiments.loss"), told["rates"], told["losses"], colour("soft", 0.5), width=1.0)
    line = _trace(words("experiments.smoothed"), told["rates"], told["smoothed"], colour("accent"))
    known = [value for value in told["losses"] if math.isfinite(value)]
    extra: Figure = {}
    if told["suggested"]:
        edge = {
            "type": "line",
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": colour("warn"), "width": 1.5, "dash": "dot"},
        }
        extra = {"shapes": [{**edge, "x0": told["suggested"], "x1": told["suggested"]}]}
    y: Figure = {"title": words("axis.loss")}
    if known:  # What comes after the break would flatten all before it.
        y["range"] = [0, 1.6 * max(known[: max(len(known) // 2, 1)])]
    x = {"type": "log", "title": words("axis.lr"), "exponentformat": "power", "dtick": 1}
    return charts.figure([raw, line], height=360, x=x, y=y, extra=extra)


def _curves(told: Mapping[str, Any], words: Words) -> Figure:
    data = []
    for place, row in enumerate(told["rows"]):
        shade = colour(("accent", "warn", "ink", "block")[place % 4], 1.0 - 0.3 * (place // 4 % 3))
        for number, curve in enumerate(row["curves"]):
            line = _trace(label(row["name"]), list(range(1, len(curve) + 1)), curve, shade, width=1.5)
            data.append({**line, "legendgroup": row["name"], "showlegend": number == 0})
    x = {"title": words("axis.epoch"), "tickformat": "d", "showgrid": False}
    axis = words.texts.get(f"shares.{told.get('section')}", words("axis.accuracy"))
    return charts.figure(data, height=360, x=x, y={"title": axis, "tickformat": ".0%"})


def _search(told: Mapping[str, Any], words: Words) -> Figure:
    key = next((key for key in told["candidates"][-1]["patch"] if key.endswith(("lr_scale", "optim.lr"))), None)
    whole = max(item["epochs"] for item in told["candidates"])
    data = []
    for ended, shade in ((False, colour("soft", 0.6)), (True, colour("accent"))):
        some = [c for c in told["candidates"] if (c["epochs"] == whole) is ended and (c["patch"] or not key)]
        texts = [hover(", ".join(f"{k} {v:.3g}" for k, v in c["patch"].items())) for c in some]
        data.append({
            "type": "scatter", "mode": "markers", "name": words("experiments.ended" if ended else "experiments.culled"),
            "x": [c["patch"].get(key, c["number"]) for c in some], "y": [c["score"] for c in some], "text": texts,
            "hovertemplate": "%{y:.3f} %{text}<extra></extra>", "marker": {"color": shade, "size": 9},
        })  # fmt: skip
    x = {"type": "log", "title": label(key, 40), "exponentformat": "power"} if key else {"title": "", "tickformat": "d"}
    return charts.figure(data, height=340, x=x, y={"title": words.label("metrics", told["metric"])})


def _trace(name: str, x: Sequence[float], y: Sequence[float], shade: Figure, *, width: float = 2.0) -> Figure:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": [v if math.isfinite(v) else None for v in y],
        "line": {"color": shade, "width": width}, "hovertemplate": "%{x:.3g}: %{y:.3f}<extra>" + name + "</extra>",
    }  # fmt: skip
