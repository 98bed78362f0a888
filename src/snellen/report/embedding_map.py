"""Embedding map: every image a point, coloured by class, split, source or finding, with a small picture where it is pointed at."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from snellen.catalog import Catalog
from snellen.report.charts import Figure, colour, figure, hover, label
from snellen.report.words import Words
from snellen.values import SEVERITIES, Finding

MOST = 2_000
# A picture's side in pixels, as it is stored; the page draws it larger.
SIDE = 40
# So many groups have a colour of their own; the others share one grey.
SHADES = (
    "#2f7ed8", "#e0762f", "#2f9e63", "#c8455b", "#8a63d2", "#a8772f", "#d461a8", "#5f8f9f", "#9aa32b", "#3fb3b8", "#7a5c4a", "#5560c8",
)  # fmt: skip
PLACES = ("tsne", "pca", "umap")


def embedding_map(catalog: Catalog, findings: Sequence[Finding], words: Words) -> tuple[Figure, int] | None:
    """The map of at most 2,000 usable samples, those that findings name first, and how many are left out.

    None where nothing was laid out. The figure's "map" holds what the page's buttons choose from: `places` (x and y of every
    point), `colours` (a group of every point), `text`, and `sheet`, one JPEG with all small pictures.
    """
    usable = catalog.usable()
    places = [name for name in PLACES if usable.has(f"map_{name}")]
    if not places or len(usable) < 3:
        return None
    rows = _chosen(usable, findings)
    shown = usable.take(rows)
    colours = [made for make in (_classes, _splits, _sources, _findings) if (made := make(shown, findings, words))]
    sheet, tiles = _sheet(shown)
    data = {
        "places": [_place(shown, name, words) for name in places],
        "colours": colours,
        "text": _texts(shown, words),
        "sheet": sheet,
        "tiles": tiles,
        "side": SIDE,
        "across": _across(len(shown)),
    }
    blank = {"showgrid": False, "showticklabels": False, "ticks": "", "showline": False}
    legend = {
        "orientation": "h",
        "x": 0,
        "y": -0.02,
        "yanchor": "top",
        "font": {"color": colour("ink")},
        "itemsizing": "constant",
    }
    made = figure(
        [], height=600, x={**blank}, y={**blank}, extra={"legend": legend, "showlegend": True, "hovermode": "closest"}
    )
    return {**made, "map": data}, len(usable) - len(rows)


def _chosen(usable: Catalog, findings: Sequence[Finding]) -> np.ndarray:
    """Rows on the map, sorted: named ones, then ones that have a picture, then any."""
    if len(usable) <= MOST:
        return np.arange(len(usable))
    named = {sample for finding in findings for sample in finding.samples}
    pictured = np.ones(len(usable), dtype=bool)
    if usable.has("map_picture"):
        pictured = ~np.asarray(usable.table.column("map_picture").is_null())
    order = np.random.default_rng(0).permutation(len(usable))
    first = np.asarray([sample in named for sample in usable.ids])
    return np.sort(order[np.lexsort((~pictured[order], ~first[order]))][:MOST])


def _place(shown: Catalog, name: str, words: Words) -> dict[str, Any]:
    points = shown.column(f"map_{name}").astype(float)
    points = np.nan_to_num(points - np.nanmedian(points, axis=0))
    # Thousandths of the spread are more than a screen can show.
    points = np.round(points / max(float(np.abs(points).max()), 1e-9) * 1000).astype(int)
    return {"name": words(f"map.{name}"), "x": points[:, 0].tolist(), "y": points[:, 1].tolist()}


def _classes(shown: Catalog, findings: Sequence[Finding], words: Words) -> dict[str, Any] | None:
    targets = shown.column("target").astype(str).tolist()
    return _groups(words("map.class"), targets, words, label) if any(targets) else None


def _splits(shown: Catalog, findings: Sequence[Finding], words: Words) -> dict[str, Any] | None:
    return _groups(
        words("map.split"), shown.column("split").astype(str).tolist(), words, lambda name: words.label("splits", name)
    )


def _sources(shown: Catalog, findings: Sequence[Finding], words: Words) -> dict[str, Any] | None:
    sources = shown.column("source").astype(str).tolist()
    return _groups(words("map.source"), sources, words, label) if len({*sources} - {""}) > 1 else None


def _findings(shown: Catalog, findings: Sequence[Finding], words: Words) -> dict[str, Any] | None:
    """A sample that several findings name has the colour of the most severe one, of several that of the one with the fewest."""
    order = sorted(findings, key=lambda item: (-SEVERITIES.index(item.severity), len(item.samples)))
    rule: dict[str, str] = {}
    for finding in order:
        for sample in finding.samples:
            rule.setdefault(sample, finding.rule)
    names = [rule.get(sample, "") for sample in shown.ids]
    return _groups(words("map.finding"), names, words, lambda name: words.label("rules", name)) if any(names) else None


def _groups(title: str, values: list[str], words: Words, say: Callable[[str], str]) -> dict[str, Any]:
    """Groups by size; those past the colours are one, and the points of none are drawn first, beneath all others."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    large = sorted((name for name in counts if name), key=lambda name: (-counts[name], name))
    kept = large if len(large) <= len(SHADES) else large[: len(SHADES) - 1]
    rest = [name for name in large if name not in kept]
    names: list[Any] = []
    places: dict[Any, Any] = {}
    shades: list[Any] = []
    for group, said, shade in (
        ([""], words("map.none"), colour("soft", 0.3)),
        (rest, words("map.rest", {"n": len(rest)}), colour("soft", 0.65)),
        *(([name], say(name), SHADES[i]) for i, name in enumerate(kept)),
    ):
        if any(name in counts for name in group):
            places |= {name: len(names) for name in group}
            names.append(f"{said} ({sum(counts.get(name, 0) for name in group)})")
            shades.append(shade)
    return {"name": title, "labels": names, "shades": shades, "of": [places[value] for value in values]}


def _texts(shown: Catalog, words: Words) -> list[str]:
    names = shown.table.column("path").to_pylist()
    targets = shown.column("target").astype(str).tolist()
    other = shown.column("suggested").astype(str).tolist() if shown.has("suggested") else [""] * len(names)
    doubted = shown.column("label_quality").astype(float) < 0.05 if shown.has("label_quality") else np.zeros(len(names))
    return [
        "<br>".join(part for part in (hover(target), _looks(name, words) if name and bad else "", hover(path)) if part)
        for path, target, name, bad in zip(names, targets, other, doubted, strict=True)
    ]


def _looks(name: str, words: Words) -> str:
    return words("map.looks", {"name": hover(name)})


def _sheet(shown: Catalog) -> tuple[str | None, list[int]]:
    """All small pictures side by side as one JPEG, and of every point its place on it (-1: none)."""
    stored = shown.table.column("map_picture").to_pylist() if shown.has("map_picture") else []
    if not any(stored):
        return None, []
    across = _across(len(shown))
    places = [row if picture else -1 for row, picture in enumerate(stored)]
    sheet = Image.new("RGB", (across * SIDE, -(-len(stored) // across) * SIDE))
    for row, picture in enumerate(stored):
        if picture:
            with Image.open(io.BytesIO(picture)) as tile:
                sheet.paste(tile.convert("RGB").resize((SIDE, SIDE)), (row % across * SIDE, row // across * SIDE))
    sink = io.BytesIO()
    sheet.save(sink, "JPEG", quality=70, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(sink.getvalue()).decode("ascii"), places


def _across(count: int) -> int:
    return max(1, int(np.ceil(np.sqrt(count))))
