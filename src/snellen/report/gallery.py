"""Galleries: samples per class, findings with the samples they name, and Grad-CAM overlays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from snellen.report.drawn import drawings
from snellen.report.material import Material
from snellen.report.thumbnails import Thumbnails, embed
from snellen.report.words import Words
from snellen.values import SEVERITIES, Finding, thaw

View = dict[str, Any]

PER_FINDING, PER_CLASS, MOST_SAMPLES, OVERLAYS, OVERLAY_SIDE = 8, 4, 96, 24, 400


def findings_view(
    findings: Sequence[Finding], thumbs: Thumbnails | None, words: Words, paged: Collection[str] = ()
) -> View:
    """Findings, most severe first, with thumbnails; and apart from them the rules that could not look. `paged`: rules whose
    page the report holds."""
    order = sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))
    seen = [{**_card(finding, thumbs, words), "page": finding.rule in paged} for finding in order if finding.looked]
    return {"cards": seen, "missing": [_card(finding, None, words) for finding in order if not finding.looked]}


def _card(finding: Finding, thumbs: Thumbnails | None, words: Words) -> View:
    drawn = drawings(thumbs.catalog, thumbs.rows, finding, most=PER_FINDING) if thumbs is not None else []
    pictures = thumbs.of(finding.samples[:PER_FINDING]) if thumbs is not None and not drawn else []
    shown = {item["path"] for item in drawn} or pictures
    return {
        "rule": finding.rule,
        "title": words.label("rules", finding.rule),
        "severity": finding.severity,
        "label": words.label("severity", finding.severity),
        "message": words.finding(finding),
        "count": len(finding.samples),
        "more": len(finding.samples) - len(shown),
        "pictures": pictures,
        "drawn": drawn,
        "evidence": [(key, _short(value)) for key, value in thaw(finding.evidence).items() if not _records(value)],
    }


def _records(value: Any) -> bool:
    # What is told object by object or sample by sample is drawn or listed above; as text it is a wall of numbers.
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(_short, value[:12])) + (" …" if len(value) > 12 else "")
    if isinstance(value, dict):
        pairs = [f"{key}: {_short(item)}" for key, item in list(value.items())[:12]]
        return ", ".join(pairs) + (" …" if len(value) > 12 else "")
    return str(value)


def samples_view(material: Material, thumbs: Thumbnails | None) -> list[View]:
    """The first usable training samples of each class, as many classes as the page has room for."""
    if thumbs is None or material.catalog is None or not len(material.catalog):
        return []
    usable = material.catalog.usable()
    pool = usable.of("train") if len(usable.of("train")) else usable
    by_class: dict[str, list[str]] = {}
    for sample, target in zip(pool.ids, pool.column("target").astype(str).tolist(), strict=True):
        by_class.setdefault(target, []).append(sample)
    groups = sorted(by_class.items())[: MOST_SAMPLES // PER_CLASS]
    return [
        {"name": name, "n": len(ids), "pictures": thumbs.of(_spread(ids, PER_CLASS))} for name, ids in groups if name
    ]


def _spread(ids: Sequence[str], count: int) -> list[str]:
    # Neighbours in a folder are often frames of one scene: take samples that lie apart.
    step = max(len(ids) // count, 1)
    return list(ids[::step][:count])


def gradcam_view(material: Material, words: Words) -> list[View]:
    """Overlays, wrong predictions first within the cap; a file outside the case folder is not read."""
    folder = material.case.folder.resolve()
    wrong = [item for item in material.gradcam if not item.get("right")]
    right = [item for item in material.gradcam if item.get("right")]
    half = OVERLAYS // 2
    chosen = [*wrong[: max(half, OVERLAYS - len(right))], *right[: max(half, OVERLAYS - len(wrong))]]
    return [_overlay(item, folder, words) for item in chosen]


def _overlay(item: Any, folder: Any, words: Words) -> View:
    path = (folder / str(item["path"])).resolve()
    src = embed(path, side=OVERLAY_SIDE)[0] if path.is_relative_to(folder) else None
    return {
        "src": src,
        "target": item.get("target"),
        "predicted": item.get("predicted"),
        "probability": f"{item['probability']:.0%}" if item.get("probability") is not None else "–",
        "right": bool(item.get("right")),
        "label": words("gradcam.right" if item.get("right") else "gradcam.wrong"),
    }
