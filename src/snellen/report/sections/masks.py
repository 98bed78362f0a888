"""Masks: IoU and boundary F of every class, how images spread, and the worst and best of them in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snellen.report import charts
from snellen.report.charts import Figure, colour, figure
from snellen.report.material import Material
from snellen.report.measures import ClassRecall
from snellen.report.section import Shown
from snellen.report.thumbnails import embed
from snellen.report.words import Words, number
from snellen.rows import Statistics

SCORES = "overlap"
DRAWN = "overlays"
# Four pictures side by side.
SIDE = 1100


def masks(material: Material, words: Words) -> Shown:
    """Charts of the stored counts, a table of classes, and the pictures that the ending made."""
    drawn: dict[str, Figure] = {}
    notes: dict[str, str] = {}
    table: list[dict[str, Any]] = []
    if material.rows is not None:
        split, rows = material.rows
        measured = material.final.get(split) or {}
        drawn["overlap"], left = charts.recalls(_classes(rows, measured), words)
        if left:
            notes["overlap"] = words("left.recall", {"n": left})
        drawn["spread"] = spread(rows, words)
        table = _table(rows, measured, words)
    return Shown(drawn, notes, {"classes_table": table, "overlays": overlays_view(material, words)})


def _classes(rows: Statistics, measured: Mapping[str, Any]) -> list[ClassRecall]:
    """IoU of every class with the interval that was measured at the end; n is the number of images that hold it."""
    found = []
    for place, name in enumerate(rows.classes):
        both, said, wanted = (float(rows[key][:, place].sum()) for key in ("both", "predicted", "wanted"))
        value = both / (said + wanted - both) if wanted else None
        told = measured.get(f"iou_{name}") or {}
        low, high = number(told.get("low")), number(told.get("high"))
        reach = (value or 0.0) if low is None else low, (value or 0.0) if high is None else high
        found.append(ClassRecall(name, value, *reach, int((rows["wanted"][:, place] > 0).sum())))
    return found


def _table(rows: Statistics, measured: Mapping[str, Any], words: Words) -> list[dict[str, Any]]:
    """IoU, Dice, boundary F, share of pixels and found objects of every class."""
    made = []
    pixels, ground = rows["wanted"].sum(), int(rows["wanted"].sum(axis=0).argmax())
    for place, name in enumerate(rows.classes):
        sums = {
            key: float(values[:, place].sum())
            for key, values in rows.columns.items()
            if values.shape[1:] == (len(rows.classes),)
        }
        precision = sums["edge_predicted_hit"] / max(sums["edge_predicted"], 1)
        recall = sums["edge_wanted_hit"] / max(sums["edge_wanted"], 1)
        shares = {
            "iou": sums["both"] / max(sums["predicted"] + sums["wanted"] - sums["both"], 1),
            "dice": 2 * sums["both"] / max(sums["predicted"] + sums["wanted"], 1),
            "boundary": 2 * precision * recall / max(precision + recall, 1e-12),
            "pixels": sums["wanted"] / max(pixels, 1),
        }
        objects = {size: (int(sums[f"{size}_found"]), int(sums[size])) for size in ("small", "large")}
        made.append(
            {"name": name, **{key: f"{value:.1%}" for key, value in shares.items()}}
            | {
                size: f"{found:,} / {total:,}" if total and place != ground else "–"
                for size, (found, total) in objects.items()
            }
        )
    return made


def spread(rows: Statistics, words: Words) -> Figure:
    """How many images have which mean IoU: a few hopeless ones are another thing than many that are so-so."""
    counts, edges = np.histogram(rows["share"], bins=20, range=(0.0, 1.0))
    bar = {
        "type": "bar",
        "x": ((edges[1:] + edges[:-1]) / 2).round(4).tolist(),
        "y": counts.tolist(),
        "marker": {"color": colour("accent", 0.85)},
        "hovertemplate": "%{y}<extra>%{x:.0%}</extra>",
    }
    x = {"tickformat": ".0%", "range": [0, 1], "title": words("overlap.iou_axis")}
    return figure(
        [bar], height=260, x=x, y={"title": words("overlap.images_axis")}, extra={"showlegend": False, "bargap": 0.08}
    )


def overlays_view(material: Material, words: Words) -> dict[str, Any] | None:
    """The pictures of overlays.json with the legend of colours; a file outside the case folder is not read."""
    made = material.case.read("overlays")
    if not made:
        return None
    folder = material.case.folder.resolve()
    legend = [(name, "rgb({}, {}, {})".format(*shade)) for name, shade in made["colours"].items() if shade]
    items = []
    for item in made["items"]:
        path = (folder / str(item["path"])).resolve()
        src = embed(path, side=SIDE, quality=84)[0] if path.is_relative_to(folder) else None
        by_class = words("headline.comma").join(f"{name} {value:.0%}" for name, value in item["classes"].items())
        items.append({**item, "src": src, "said": words("overlays.said", {"iou": item["iou"], "classes": by_class})})
    return {"legend": legend, "worst": [i for i in items if i["worst"]], "best": [i for i in items if not i["worst"]]}
