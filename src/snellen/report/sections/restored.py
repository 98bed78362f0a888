"""Restored images: scores beside those of the simple method, where scores disagree, and a slider between two views."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from snellen.report.charts import Figure, colour, figure
from snellen.report.material import Material
from snellen.report.section import Shown
from snellen.report.words import Words, number

SCORES = "gains"
DRAWN = "restored"

VIEWS = ("given", "plain", "restored", "wanted", "difference")
METRICS = ("psnr", "psnr_y", "ssim", "feature_distance", "lpips")
SPLITS = ("test", "val")


def restored(material: Material, words: Words) -> Shown:
    """Charts of the stored rows, tables of the scores, and the pictures."""
    stored = material.case.read("before_after") or {}
    drawn: dict[str, Figure] = {}
    if material.rows is not None:
        drawn["gain"] = _gain(material, words)
    views = {
        "compared": _compared(material, words),
        "correlations": [{"pair": _pair(key, words), "value": _number(value)} for key, value in (stored.get("correlations") or {}).items()],
        "disputed": [_ranked(item, material, words) for item in stored.get("ranks") or ()][:5],
        "restorations": [_picture(item, material, words) for item in stored.get("images") or ()],
        "baseline": _baseline(material),
    }  # fmt: skip
    return Shown(drawn, {}, views)


def _compared(material: Material, words: Words) -> list[dict[str, Any]]:
    """A row for each score and split: the model, the simple method, and the gain with its interval."""
    found = []
    for split in SPLITS:
        measured = material.final.get(split) or {}
        for name in METRICS:
            if name in measured and f"{name}_gain" in measured:
                own, plain, gain = (measured[key] for key in (name, f"baseline_{name}", f"{name}_gain"))
                low = number(gain.get("low"))
                found.append(
                    {
                        "split": words.label("splits", split), "metric": words.label("metrics", name), "own": _digits(name, own.get("value")),
                        "plain": _digits(name, plain.get("value")), "gain": _digits(name, gain.get("value"), sign=True),
                        "low": _digits(name, low, sign=True), "high": _digits(name, gain.get("high"), sign=True), "n": gain.get("n"),
                        "better": low is not None and low > 0,
                    }
                )  # fmt: skip
    return found


def _digits(name: str, value: Any, *, sign: bool = False) -> str:
    """A score: decibels with two decimals, the others with four."""
    given = number(value)
    if given is None:
        return "–"
    text = (
        f"{given:+.{2 if name.startswith('psnr') else 4}f}"
        if sign
        else f"{given:.{2 if name.startswith('psnr') else 4}f}"
    )
    return text.replace("-", "−")


def _number(value: Any) -> str:
    given = number(value)
    return "–" if given is None else f"{given:.2f}".replace("-", "−")


def _pair(key: str, words: Words) -> str:
    return " – ".join(words.label("metrics", name) for name in key.split(" ~ "))


def _ranked(item: dict[str, Any], material: Material, words: Words) -> dict[str, Any]:
    scores = [
        {"metric": words.label("metrics", name), "value": _digits(name, item[name])} for name in METRICS if name in item
    ]
    gap = number(item.get("gap"))
    return {"name": _path(item["id"], material), "gap": "–" if gap is None else f"{gap:.0%}", "scores": scores}


def _path(sample: str, material: Material) -> str:
    if material.catalog is None or sample not in material.catalog.ids:
        return sample
    return str(material.catalog.column("path")[material.catalog.ids.index(sample)])


def _picture(item: dict[str, Any], material: Material, words: Words) -> dict[str, Any]:
    scores = item["scores"]
    told = [
        {"metric": words.label("metrics", name), "own": _digits(name, scores[name]), "plain": _digits(name, scores.get(f"baseline_{name}"))}
        for name in METRICS if name in scores
    ]  # fmt: skip
    return {
        "name": _path(item["id"], material), "why": words(f"restored.{item['why']}"), "scores": told,
        "views": [{"kind": kind, "label": words(f"restored.{kind}"), "src": _embedded(material.case.folder, item["paths"][kind])} for kind in VIEWS],
    }  # fmt: skip


def _embedded(folder: Path, name: str) -> str | None:
    """The file as a data: URI, pixel for pixel; a file outside the case folder is not read."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _baseline(material: Material) -> str:
    degrade = material.recipe.degrade if material.recipe is not None else None
    if degrade is None:
        return ""
    if degrade.scale > 1:
        return "bicubic"
    return degrade.baseline.name if degrade.baseline is not None else "–"


def _gain(material: Material, words: Words) -> Figure:
    """Gain in PSNR of every image, the smallest first."""
    _, rows = material.rows if material.rows is not None else ("", None)
    gains = sorted((rows["psnr"] - rows["baseline_psnr"]).tolist()) if rows is not None else []
    data = [
        {
            "type": "bar", "x": list(range(1, len(gains) + 1)), "y": gains, "hovertemplate": "%{y:+.2f} dB<extra></extra>",
            "marker": {"color": [colour("accent") if gain > 0 else colour("block") for gain in gains]},
        }
    ]  # fmt: skip
    extra = {"showlegend": False}
    return figure(data, height=260, x={"title": words("gains.images"), "showticklabels": False}, y={"title": words("gains.gain_axis"), "zeroline": True, "zerolinecolor": colour("soft")}, extra=extra)  # fmt: skip
