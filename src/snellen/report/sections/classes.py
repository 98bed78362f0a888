"""Class predictions: recall per class, confusion, calibration; and where the model looked."""

from __future__ import annotations

from snellen.report import charts, measures
from snellen.report.charts import Figure
from snellen.report.gallery import gradcam_view
from snellen.report.material import Material
from snellen.report.measures import ClassScores
from snellen.report.section import Shown, note_left
from snellen.report.words import Words

SCORES = "scores"
DRAWN = "gradcam"


def classes(material: Material, words: Words) -> Shown:
    """Charts of the stored rows, and the overlays."""
    drawn: dict[str, Figure] = {}
    notes: dict[str, str] = {}
    each: list[dict[str, str]] = []
    if material.rows is not None:
        _, rows = material.rows
        drawn["recall"], left = charts.recalls(measures.recalls(rows), words)
        note_left(notes, "recall", left, words)
        drawn["confusion"], left = charts.confusion(measures.confusion(rows), rows.classes, words)
        note_left(notes, "confusion", left, words)
        each = [_line(one, words) for one in measures.by_class(rows)]
        bins, error = measures.calibration(rows)
        drawn["reliability"] = charts.reliability(bins, words)
        notes["reliability"] = words("scores.ece", {"ece": error, "n": len(rows.ids)})
    return Shown(drawn, notes, {"gradcam": gradcam_view(material, words), "by_class": each})


def _line(scores: ClassScores, words: Words) -> dict[str, str]:
    """One class of the table; a dash where there is no row to count."""

    def told(share: tuple[float, float, float] | None) -> str:
        return "–" if share is None else f"{share[0]:.1%} [{share[1]:.1%}, {share[2]:.1%}]"

    return {
        "name": scores.name, "count": f"{scores.count:,}", "said": f"{scores.said:,}", "precision": told(scores.precision),
        "recall": told(scores.recall), "f1": "–" if scores.f1 is None else f"{scores.f1:.3f}",
    }  # fmt: skip
