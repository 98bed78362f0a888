"""Charts: plotly figures as plain dicts. Colours are named ({"$": "accent"}); the page fills them in, light or dark.

Plotly reads a little HTML in labels, so every name goes through `label` or `hover`; classes are placed by number,
because two names may look alike once they are shortened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from snellen.report.measures import Bin, ClassRecall
from snellen.report.words import Words, shorten, visible

Figure = dict[str, Any]
MOST_CLASSES = 60
MOST_CELLS = 40
ROW = 24
# A class this far below the mean recall is weak (the rule weak_class).
WEAK = 0.2


def colour(name: str, alpha: float = 1.0, on: str | None = None) -> dict[str, Any]:
    """A colour of the palette (accent, ink, soft, line, card, paper, warn, block), clear or mixed with `on`."""
    return {"$": name, "a": alpha} | ({"on": on} if on else {})


def label(name: str, limit: int = 22) -> str:
    """A name for an axis: made visible, shortened, inert."""
    return _inert(shorten(name, limit))


def hover(name: str) -> str:
    """A name for a hover text: whole, but at most 200 characters, inert."""
    return _inert(shorten(name, 200))


def _inert(text: str) -> str:
    # A pair of dollars is a formula to plotly.
    return escape(text, quote=False).replace("$", "&#36;")


def figure(data: list[dict[str, Any]], *, height: int, x: Figure, y: Figure, extra: Figure | None = None) -> Figure:
    """A figure in the house's style."""
    layout = {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 30, "b": 8},
        "xaxis": _axis(x),
        "yaxis": _axis(y),
        "paper_bgcolor": colour("card", 0),
        "plot_bgcolor": colour("card", 0),
        "font": {"color": colour("soft"), "size": 12},
        "hoverlabel": {"bgcolor": colour("card"), "bordercolor": colour("line"), "font": {"color": colour("ink")}},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": -0.16,
            "yanchor": "top",
            "traceorder": "normal",
            "font": {"color": colour("ink")},
        },
        "dragmode": False,
        "bargap": 0.35,
        **(extra or {}),
    }
    return {"data": data, "layout": layout}


def _axis(given: Figure) -> Figure:
    title = given.get("title")
    return {
        "automargin": True,
        "fixedrange": True,
        "zeroline": False,
        "gridcolor": colour("line"),
        "linecolor": colour("line"),
        **given,
        **({"title": {"text": title, "standoff": 8}} if isinstance(title, str) else {}),
    }


def class_counts(counts: Mapping[str, Mapping[str, int]], words: Words) -> tuple[Figure, int]:
    """Stacked bars: split → class → number of samples, largest class first; also how many classes are left out."""
    totals: dict[str, int] = {}
    for by_class in counts.values():
        for name, amount in by_class.items():
            totals[name] = totals.get(name, 0) + amount
    names = sorted(totals, key=lambda name: (-totals[name], name))[:MOST_CLASSES]
    shades = {"train": colour("accent"), "val": colour("accent", 0.55), "test": colour("accent", 0.25)}
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": words.label("splits", split or "none"),
            "y": list(range(len(names))),
            "x": [by_class.get(name, 0) for name in names],
            "text": [hover(name) for name in names],
            "textposition": "none",
            "hovertemplate": "%{text}: %{x}<extra>%{fullData.name}</extra>",
            "marker": {"color": shades.get(split, colour("soft", 0.5))},
        }
        for split, by_class in counts.items()
    ]
    extra = {"barmode": "stack", "showlegend": len(data) > 1, "legend": _above()}
    made = figure(data, height=_rows_height(len(names)), x={}, y=_class_axis(names), extra=extra)
    return made, len(totals) - len(names)


def _above() -> Figure:
    return {
        "orientation": "h",
        "x": 0,
        "y": 1,
        "yanchor": "bottom",
        "font": {"color": colour("ink")},
        "traceorder": "normal",
    }


def _rows_height(rows: int) -> int:
    return 86 + ROW * max(rows, 2)


def _class_axis(names: Sequence[str], limit: int = 22) -> Figure:
    shown = [label(name, limit) for name in names]
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": shown}
    return {**ticks, "range": [len(names) - 0.4, -0.6], "showgrid": False, "tickfont": {"color": colour("ink")}}


def recalls(rows: Sequence[ClassRecall], words: Words) -> tuple[Figure, int]:
    """Recall per class, lowest first, with intervals, n, mean and weak line; also how many classes are left out."""
    known = sorted((row for row in rows if row.value is not None), key=lambda row: (row.value or 0.0, row.name))
    shown, mean = known[:MOST_CLASSES], float(np.mean([row.value for row in known]))
    weak = [(row.value or 0.0) < mean - WEAK for row in shown]
    bar = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(shown))),
        "x": [row.value for row in shown],
        "marker": {"color": [colour("warn" if bad else "accent", 0.85) for bad in weak]},
        "error_x": {
            "array": [row.high - (row.value or 0.0) for row in shown],
            "arrayminus": [(row.value or 0.0) - row.low for row in shown],
            "color": colour("ink", 0.55),
            "thickness": 1.2,
            "width": 3,
        },
        "text": [
            f"{hover(row.name)}: {row.value:.1%} [{row.low:.1%}, {row.high:.1%}], n = {row.count}" for row in shown
        ],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }
    edge = {"type": "line", "yref": "paper", "y0": 0, "y1": 1}
    lines = [
        {**edge, "x0": mean, "x1": mean, "line": {"color": colour("ink"), "width": 1.5}},
        {
            **edge,
            "x0": max(mean - WEAK, 0.0),
            "x1": max(mean - WEAK, 0.0),
            "line": {"color": colour("warn"), "width": 1.5, "dash": "dot"},
        },
    ]
    note = {"yref": "paper", "y": 1, "yanchor": "bottom", "xanchor": "right", "showarrow": False, "font": {"size": 11}}
    notes = [
        {**note, "x": mean, "yshift": 14, "text": words("curve.mean", {"mean": mean})},
        {**note, "x": max(mean - WEAK, 0.0), "text": words("curve.weak", {"weak": max(mean - WEAK, 0.0)})},
    ]
    axis = _class_axis([row.name for row in shown])
    axis["ticktext"] = [f"{label(row.name, 18)}  n={row.count}" for row in shown]
    x = {"tickformat": ".0%", "range": [0, 1.02]}
    height = _rows_height(len(shown))
    made = figure([bar], height=height, x=x, y=axis, extra={"shapes": lines, "annotations": notes, "showlegend": False})
    made["layout"]["margin"]["t"] = 44
    return made, len(known) - len(shown)


def confusion(matrix: np.ndarray, names: Sequence[str], words: Words) -> tuple[Figure, int]:
    """Heat map of targets against predictions, shares of each row; the most confused classes where there are many."""
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    keep = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CELLS])
    cut, shown = matrix[np.ix_(keep, keep)], [names[index] for index in keep]
    shares = cut / np.maximum(matrix[keep].sum(axis=1, keepdims=True), 1)
    ticks = {"tickmode": "array", "tickvals": list(range(len(shown))), "ticktext": [label(name, 16) for name in shown]}
    heat = {
        "type": "heatmap",
        "z": np.round(shares, 4).tolist(),
        "text": [[str(count) if count else "" for count in row] for row in cut.tolist()],
        "customdata": [[f"{hover(a)} → {hover(b)}" for b in shown] for a in shown],
        "hovertemplate": "%{customdata}<br>n = %{text} · %{z:.1%}<extra></extra>",
        "colorscale": [[share, colour("accent", 0.05 + 0.95 * share, on="paper")] for share in (0, 0.5, 1)],
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    if len(shown) <= 15:
        heat["texttemplate"] = "%{text}"
    side = {"showgrid": False, "tickfont": {"color": colour("ink"), "size": 11}, "ticks": "", **ticks}
    x = {**side, "tickangle": -45, "side": "bottom", "title": words("axis.predicted")}
    y = {**side, "range": [len(shown) - 0.5, -0.5], "title": words("axis.target")}
    return figure([heat], height=170 + max(28 * len(shown), 140), x=x, y=y), len(names) - len(shown)


def reliability(bins: Sequence[Bin], words: Words) -> Figure:
    """Accuracy against confidence; the dashed diagonal is a model whose confidence can be believed."""
    bars = {
        "type": "bar",
        "x": [item.middle for item in bins],
        "y": [item.accuracy for item in bins],
        "width": [1 / 15 - 0.008] * len(bins),
        "marker": {"color": [colour("accent", 0.25 + 0.65 * min(1.0, item.count / 30)) for item in bins]},
        "text": [words("curve.bin", {"c": item.confidence, "a": item.accuracy, "n": item.count}) for item in bins],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }
    line: Figure = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip"}
    line["line"] = {"color": colour("soft"), "width": 1.5, "dash": "dash"}
    x = {"range": [0, 1.02], "tickformat": ".0%", "dtick": 0.2, "title": words("axis.confidence"), "showgrid": False}
    y = {"range": [0, 1.02], "tickformat": ".0%", "title": words("axis.accuracy")}
    return figure([bars, line], height=340, x=x, y=y, extra={"showlegend": False})


SYMBOLS = {"adopt": ("circle", "accent"), "reject": ("x", "block"), "undecided": ("diamond-open", "soft")}


def forest(rows: Sequence[Mapping[str, Any]], words: Words) -> Figure:
    """Effects with intervals, one line per verdict in order, coloured by decision; all rows share one unit.

    A row has "label", "effect", "low", "high" (in drawn units), "decision" and "text" (its hover text).
    """
    places = {id(row): place for place, row in enumerate(rows)}
    data = []
    for decision, (symbol, shade) in SYMBOLS.items():
        some = [row for row in rows if row["decision"] == decision and row["effect"] is not None]
        if some:
            error = {
                "array": [(row["high"] if row["high"] is not None else row["effect"]) - row["effect"] for row in some],
                "arrayminus": [
                    row["effect"] - (row["low"] if row["low"] is not None else row["effect"]) for row in some
                ],
                "color": colour(shade),
                "thickness": 2,
                "width": 5,
            }
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": words.label("decisions", decision),
                    "x": [row["effect"] for row in some],
                    "y": [places[id(row)] for row in some],
                    "error_x": error,
                    "marker": {
                        "symbol": symbol,
                        "size": 11,
                        "color": colour(shade),
                        "line": {"width": 2, "color": colour(shade)},
                    },
                    "text": [_inert(visible(row["text"])) for row in some],
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )
    axis = _class_axis([row["label"] for row in rows], 30)
    zero = {"zeroline": True, "zerolinecolor": colour("ink", 0.6), "zerolinewidth": 1.5}
    x = {**zero, "title": words("axis.effect", {"unit": rows[0]["unit"]}), "tickformat": "+"}
    extra = {"legend": _above(), "showlegend": True}
    return figure(data, height=110 + 34 * max(len(rows), 2), x=x, y=axis, extra=extra)
