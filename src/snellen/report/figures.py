"""Figures: which charts the page draws of a case, by name, and what each leaves out."""

from __future__ import annotations

from snellen.report import charts, curves, measures, proofs
from snellen.report.charts import Figure
from snellen.report.embedding_map import embedding_map
from snellen.report.material import Material
from snellen.report.words import Words


def figures(material: Material, words: Words) -> tuple[dict[str, Figure], dict[str, str]]:
    """Charts by name, and by the same names a note: what a chart leaves out, or its unit."""
    drawn: dict[str, Figure] = {}
    notes: dict[str, str] = {}
    _data(material, words, drawn, notes)
    _map(material, words, drawn, notes)
    _training(material, words, drawn)
    _scores(material, words, drawn, notes)
    for place, rows in enumerate(proofs.forest_rows(material, words)):
        drawn[f"forest{place}"] = charts.forest(rows, words)
        notes[f"forest{place}"] = words("remedies_table.forest", {"unit": rows[0]["unit"]})
    return drawn, notes


def _data(material: Material, words: Words, drawn: dict[str, Figure], notes: dict[str, str]) -> None:
    usable = material.catalog.usable() if material.catalog is not None else None
    if usable is None or not len(usable):
        return
    present = [split for split in ("train", "val", "test", "") if len(usable.of(split))]
    counts = {split: usable.of(split).counts("target") for split in present}
    drawn["counts"], left = charts.class_counts(counts, words)
    _note(notes, "counts", left, words)


def _map(material: Material, words: Words, drawn: dict[str, Figure], notes: dict[str, str]) -> None:
    made = embedding_map(material.catalog, material.audit, words) if material.catalog is not None else None
    if made is not None:
        drawn["map"], left = made
        _note(notes, "map", left, words)


def _training(material: Material, words: Words, drawn: dict[str, Figure]) -> None:
    loss, rate, gradient = (material.signals[meter] for meter in ("loss", "rate", "gradient"))
    if loss:
        drawn["loss"] = curves.losses(loss, words)
        drawn["accuracy"] = curves.accuracies(loss, words)
    if rate:
        drawn["rate"] = curves.rates(rate, words)
    if gradient:
        drawn["gradient"] = curves.gradients(gradient, words)


def _scores(material: Material, words: Words, drawn: dict[str, Figure], notes: dict[str, str]) -> None:
    if material.rows is None:
        return
    _, rows = material.rows
    drawn["recall"], left = charts.recalls(measures.recalls(rows), words)
    _note(notes, "recall", left, words)
    drawn["confusion"], left = charts.confusion(measures.confusion(rows), rows.classes, words)
    _note(notes, "confusion", left, words)
    bins, error = measures.calibration(rows)
    drawn["reliability"] = charts.reliability(bins, words)
    notes["reliability"] = words("scores.ece", {"ece": error, "n": len(rows.ids)})


def _note(notes: dict[str, str], name: str, left: int, words: Words) -> None:
    if left:
        notes[name] = words(f"left.{name}", {"n": left})
