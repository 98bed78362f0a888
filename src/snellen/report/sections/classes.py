"""Class predictions: recall per class, confusion, calibration; and where the model looked."""

from __future__ import annotations

from snellen.report import charts, measures
from snellen.report.charts import Figure
from snellen.report.gallery import gradcam_view
from snellen.report.material import Material
from snellen.report.section import Shown, note_left
from snellen.report.words import Words

SCORES = "scores"
DRAWN = "gradcam"


def classes(material: Material, words: Words) -> Shown:
    """Charts of the stored rows, and the overlays."""
    drawn: dict[str, Figure] = {}
    notes: dict[str, str] = {}
    if material.rows is not None:
        _, rows = material.rows
        drawn["recall"], left = charts.recalls(measures.recalls(rows), words)
        note_left(notes, "recall", left, words)
        drawn["confusion"], left = charts.confusion(measures.confusion(rows), rows.classes, words)
        note_left(notes, "confusion", left, words)
        bins, error = measures.calibration(rows)
        drawn["reliability"] = charts.reliability(bins, words)
        notes["reliability"] = words("scores.ece", {"ece": error, "n": len(rows.ids)})
    return Shown(drawn, notes, {"gradcam": gradcam_view(material, words)})
