"""Curves of a run by epoch: loss with its gap, accuracy, learning rate, gradient norm; stage boundaries marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from snellen.report.charts import Figure, colour, figure, hover, label
from snellen.report.words import Words, number

Records = Sequence[Mapping[str, Any]]

# A gap above this is likely over-fitting (SPEC S1): it is drawn in the colour of a warning.
GAP = 0.3
# Learning rates below this share of the highest lie below the axis; decades of the axis beyond the lowest and highest shown.
SHOWN_RATES, EDGE = 1e-3, 0.1


def losses(records: Records, words: Words, *, axis: str) -> Figure:
    """Training and validation loss with the gap between them filled, and stage boundaries; `axis` names the loss."""
    data = [
        _line(records, "train", words("curve.train"), colour("soft"), words),
        {**_line(records, "val", words("curve.val"), colour("accent"), words, width=2.5), "fill": "tonexty"},
        {
            **_line(records, "running", words("curve.running"), colour("soft", 0.55), words, dash="dot"),
            "visible": "legendonly",
        },
    ]
    data[1]["fillcolor"] = colour("warn", 0.14)
    extra = _stages(records)
    shape, note = _gap(records, words)
    extra["shapes"] += shape
    extra["annotations"] += note
    y = {"rangemode": "tozero", "title": axis}
    return figure(data, height=360, x=_epochs(records, words), y=y, extra=extra)


def _gap(records: Records, words: Words) -> tuple[list[Figure], list[Figure]]:
    last = records[-1]
    low, high = number(last.get("train")), number(last.get("val"))
    if low is None or high is None:
        return [], []
    shade = colour("block" if high - low > GAP else "soft")
    line = {
        "type": "line",
        "x0": last["epoch"],
        "x1": last["epoch"],
        "y0": low,
        "y1": high,
        "line": {"color": shade, "width": 3},
    }
    top = max(value for value in (number(r.get(key)) for r in records for key in ("train", "val")) if value is not None)
    text: Figure = {"x": last["epoch"], "xanchor": "right", "showarrow": False}
    if abs(high - low) > 0.15 * top:
        text |= {"y": (low + high) / 2, "xshift": -8, "bgcolor": colour("paper", 0.85)}
    else:
        # No room between the lines: above them.
        text |= {"y": max(low, high), "yanchor": "bottom", "yshift": 6}
    return [line], [{**text, "text": words("curve.gap", {"gap": high - low}), "font": {"color": shade, "size": 13}}]


def accuracies(records: Records, words: Words, *, axis: str) -> Figure:
    """Share that is right, in training and validation, by epoch; `axis` names it."""
    data = [
        _line(records, "train_accuracy", words("curve.train"), colour("soft"), words),
        _line(records, "val_accuracy", words("curve.val"), colour("accent"), words, width=2.5),
    ]
    y = {"tickformat": ".0%", "title": axis}
    return figure(data, height=300, x=_epochs(records, words), y=y, extra=_stages(records))


def rates(records: Records, words: Words) -> Figure:
    """Learning rate by epoch, on a logarithmic axis."""
    data = [{**_line(records, "lr", words("curve.lr"), colour("accent"), words), "showlegend": False}]
    data[0]["hovertemplate"] = "%{y:.2e}<extra>%{text}</extra>"
    known = [value for value in (number(record.get("lr")) for record in records) if value and value > 0]
    # A cosine ends at almost nothing: that one point would press all others into a line.
    shown = [value for value in known if value >= SHOWN_RATES * max(known)]
    y = _log(words("axis.lr"), shown)
    if shown:
        y["range"] = [math.log10(min(shown)) - EDGE, math.log10(max(shown)) + EDGE]
    return figure(data, height=260, x=_epochs(records, words), y=y, extra=_stages(records))


def gradients(records: Records, words: Words) -> Figure:
    """Mean gradient norm per group with a band of one standard deviation, on a logarithmic axis."""
    groups = sorted({name for record in records for name in record.get("groups") or {}}, key=_depth)
    data = []
    for place, name in enumerate(groups):
        shade = 1 - 0.6 * place / max(len(groups) - 1, 1)
        data += _band(records, name, lambda r, name=name: (r.get("groups") or {}).get(name), colour("accent", shade))
    total = _band(records, words("curve.total"), lambda r: r.get("total"), colour("ink"))
    y = _log(words("axis.gradient"), [value for line in (*data, *total)[1::2] for value in line["y"]])
    return figure([*data, *total], height=360, x=_epochs(records, words), y=y, extra=_stages(records))


def _depth(group: str) -> tuple[int, int, str]:
    """From the head down: head, the stages from the last to the first, what has another name, stem."""
    kind, digits = group.rstrip("0123456789"), group[len(group.rstrip("0123456789")) :]
    rank = {"head": 0, "stage": 1, "stem": 3}.get(kind, 2)
    return rank, -int(digits or 0), group


def _band(records: Records, name: str, pick: Any, shade: Figure) -> list[Figure]:
    found = [(record["epoch"], pick(record)) for record in records]
    known = [(epoch, number(v["mean"]), number(v.get("variance")) or 0.0) for epoch, v in found if v]
    rows = [(epoch, mean, math.sqrt(max(variance, 0.0))) for epoch, mean, variance in known if mean is not None]
    epochs = [epoch for epoch, _, _ in rows]
    edges = [m + s for _, m, s in rows] + [max(m - s, m * 0.05) for _, m, s in reversed(rows)]
    mark: Figure = {"legendgroup": name, "type": "scatter"}
    band: Figure = {
        **mark,
        "x": epochs + epochs[::-1],
        "y": edges,
        "fill": "toself",
        "mode": "none",
        "hoverinfo": "skip",
    }
    band |= {"fillcolor": {**shade, "a": 0.1}, "line": {"width": 0}, "showlegend": False}
    said = [f"{mean:.3g} ± {spread:.2g}" for _, mean, spread in rows]
    line: Figure = {
        **mark,
        "x": epochs,
        "y": [mean for _, mean, _ in rows],
        "mode": "lines+markers",
        "name": label(name),
    }
    line |= {"line": {"color": shade, "width": 2}, "marker": {"size": 4}, "text": said}
    return [band, {**line, "hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}]


def _line(
    records: Records, key: str, name: str, shade: Figure, words: Words, *, width: float = 2, dash: str = "solid"
) -> Figure:
    stages = [words("curve.stage", {"stage": hover(str(record.get("stage", "")))}) for record in records]
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(records) < 40 else "lines",
        "name": name,
        "x": [record["epoch"] for record in records],
        "y": [number(record.get(key)) for record in records],
        "text": stages,
        "hovertemplate": "%{y:.3f}<extra>" + name + " · %{text}</extra>",
        "line": {"color": shade, "width": width, "dash": dash},
        "marker": {"size": 4, "color": shade},
    }


def _log(title: str, values: Sequence[float | None]) -> Figure:
    """A logarithmic axis: ticks at powers of ten, and at 2 and 5 between them where the values span little."""
    known = [value for value in values if value and value > 0]
    spread = math.log10(max(known) / min(known)) if known else 0.0
    return {"type": "log", "title": title, "exponentformat": "power", "dtick": 1 if spread > 2 else "D2"}


def _epochs(records: Records, words: Words) -> Figure:
    first, last = records[0]["epoch"], records[-1]["epoch"]
    return {
        "title": words("axis.epoch"),
        "showgrid": False,
        "range": [first - 0.5, last + 0.5],
        "tickformat": "d",
        "nticks": 12,
    }


def _stages(records: Records) -> Figure:
    spans: list[list[Any]] = []
    for record in records:
        if not spans or spans[-1][0] != record.get("stage"):
            spans.append([record.get("stage"), record["epoch"] - 0.5, record["epoch"]])
        spans[-1][2] = record["epoch"] + 0.5
    width = spans[-1][2] - spans[0][1]
    edge = {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1.02,
        "line": {"color": colour("soft", 0.6), "width": 1, "dash": "dash"},
    }
    lines = [{**edge, "x0": start, "x1": start} for _, start, _ in spans[1:]]
    note = {"yref": "paper", "y": 1.02, "yanchor": "bottom", "xanchor": "left", "xshift": 2, "showarrow": False}
    # A name on a narrow stage would run into the next one; hovering still tells the stage.
    wide = [(name, start) for name, start, end in spans if name and (end - start) / width > 0.09]
    notes = [{**note, "x": start, "text": label(str(name), 14), "font": {"size": 11}} for name, start in wide]
    return {"shapes": lines, "annotations": notes}
