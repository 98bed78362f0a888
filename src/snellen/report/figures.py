"""Figures: which charts the page draws of a case, by name, and what each leaves out."""

from __future__ import annotations

from snellen.report import charts, curves, proofs
from snellen.report.charts import Figure
from snellen.report.embedding_map import embedding_map
from snellen.report.material import Material
from snellen.report.section import Shown, note_left, section_of
from snellen.report.words import Words


def figures(material: Material, words: Words, own: Shown) -> tuple[dict[str, Figure], dict[str, str]]:
    """Charts by name, and by the same names a note: what a chart leaves out, or its unit. `own` are those of
    the task's section."""
    drawn: dict[str, Figure] = {}
    notes: dict[str, str] = {}
    _data(material, words, drawn, notes)
    _map(material, words, drawn, notes)
    _training(material, words, drawn)
    drawn.update(own.figures)
    notes.update(own.notes)
    for place, rows in enumerate(proofs.forest_rows(material, words)):
        drawn[f"forest{place}"] = charts.forest(rows, words)
        notes[f"forest{place}"] = words("remedies_table.forest", {"unit": rows[0]["unit"]})
    return drawn, notes


def _data(material: Material, words: Words, drawn: dict[str, Figure], notes: dict[str, str]) -> None:
    usable = material.catalog.usable() if material.catalog is not None else None
    if usable is None or not len(usable) or not usable.column("target").astype(str).any():
        return
    present = [split for split in ("train", "val", "test", "") if len(usable.of(split))]
    counts = {split: usable.of(split).counts("target") for split in present}
    drawn["counts"], left = charts.class_counts(counts, words)
    note_left(notes, "counts", left, words)


def _map(material: Material, words: Words, drawn: dict[str, Figure], notes: dict[str, str]) -> None:
    made = embedding_map(material.catalog, material.audit, words) if material.catalog is not None else None
    if made is not None:
        drawn["map"], left = made
        note_left(notes, "map", left, words)


def _training(material: Material, words: Words, drawn: dict[str, Figure]) -> None:
    loss, rate, gradient = (material.signals[meter] for meter in ("loss", "rate", "gradient"))
    if loss:
        kind = section_of(material).name
        drawn["loss"] = curves.losses(loss, words, axis=words.texts.get(f"losses.{kind}", words("axis.loss")))
        if any("val_accuracy" in record for record in loss):
            axis = words.texts.get(f"shares.{kind}", words("axis.accuracy"))
            drawn["accuracy"] = curves.accuracies(loss, words, axis=axis)
    if rate:
        drawn["rate"] = curves.rates(rate, words)
    if gradient:
        drawn["gradient"] = curves.gradients(gradient, words)
