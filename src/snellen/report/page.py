"""Page: the report of a case as one self-contained HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from snellen import store
from snellen.case import Case
from snellen.report import proofs, tables
from snellen.report.charts import Figure
from snellen.report.explain import pages
from snellen.report.figures import figures
from snellen.report.gallery import findings_view, samples_view
from snellen.report.headline import headline
from snellen.report.material import Material, gather
from snellen.report.pipeline import tall, wide
from snellen.report.section import section_of
from snellen.report.thumbnails import Thumbnails
from snellen.report.words import Words, visible

TEMPLATES = Path(__file__).parent / "templates"
# Between these come the two sections that the task's kind of rows has of its own: its scores and its pictures.
BEFORE = ("verdict", "pipeline", "data", "recipe", "training")
BETWEEN = ("findings", "remedies")
AFTER = ("export", "reproduce")
# Of a case in which the data was examined and nothing else was done: what could not be there is not told section by section.
LOOKED = ("verdict", "data", "rules", "reproduce")


def write(case: Case, *, lang: str = "en", out: Path | None = None) -> Path:
    """Write the report of a case as one HTML file and return its path (`out`, else `report.html` in the case).

    Every file of the case may be missing: the report then says what was not done. `lang` is "en" or "zh"; raises
    SnellenError for another one.
    """
    path = Path(out) if out is not None else case.folder / "report.html"
    store.write_text(path, render(case, lang=lang))
    return path


def render(case: Case, *, lang: str = "en") -> str:
    """The report's HTML."""
    words, material = Words.load(lang), gather(case)
    section = section_of(material)
    shown = section.show(material, words)
    drawn, notes = figures(material, words, shown)
    own = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("map.js", "page.js"))
    scripts = {"plotly": plotly_source(), "script": own}
    return str(
        templates()
        .get_template("report.html")
        .render(
            t=words,
            lang=words.lang,
            sections=LOOKED
            if _only_looked(material)
            else (*BEFORE, section.scores, *BETWEEN, section.pictures, *AFTER),
            kind=section.name,
            style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
            policy=policy_of(scripts.values()),
            figures=Markup(inert_json(drawn)),
            drawn=drawn,
            notes=notes,
            **{name: Markup(text) for name, text in scripts.items()},
            **_views(material, words),
            **shown.views,
        )
    )


def _only_looked(material: Material) -> bool:
    """Whether the catalog rules have looked and nothing was planned, trained or tried."""
    return material.audited and not (material.runs or material.plan or material.remedies or material.final)


def _views(material: Material, words: Words) -> dict[str, Any]:
    thumbs = Thumbnails(material.catalog) if material.catalog is not None else None
    counts = _counts(material)
    recipe = material.recipe
    seen = [finding.rule for finding in (*material.audit, *material.findings) if finding.looked]
    told = pages(seen, lang=words.lang.split("-")[0])
    paged = {page["rule"] for page in told}
    acts = [words.finding(finding) for finding in material.findings if finding.rule == "autopilot" and finding.looked]
    return {
        "head": headline(material, words),
        "drawings": [wide(recipe, counts, words), tall(recipe, counts, words)] if recipe else [],
        "audited": material.audited,
        "audit": findings_view(material.audit, thumbs, words, paged),
        "found": findings_view(material.findings, thumbs, words, paged),
        "pages": told,
        "examined": material.examined,
        "samples": samples_view(material, thumbs),
        "counts": counts,
        "sources": _sources(material),
        "choices": tables.choices(material, words),
        "costs": tables.costs(material, words),
        "speeds": tables.speeds(material, words),
        # Where the autopilot acted, it is told what it did; the others stopped the training.
        "nonfinite": () if acts else material.signals["nonfinite"],
        "acts": acts,
        "scores": tables.scores(material, words),
        "leaks": tables.leaks(material, words),
        "rows": material.rows,
        "verdicts": proofs.verdicts(material, words),
        "untried": proofs.untried(material, words),
        "ending": (proofs.soup(material, words), proofs.pick(material, words), proofs.temperature(material, words)),
        "artifacts": tables.artifacts(material, words),
        "eight": tables.eight_bits(material, words),
        "again": tables.reproduce(material, words),
    }


def _counts(material: Material) -> dict[str, Any]:
    if material.catalog is None:
        return {"name": material.name}
    usable = material.catalog.usable()
    order = {"train": 0, "val": 1, "test": 2}
    splits = dict(sorted(usable.counts("split").items(), key=lambda item: order.get(item[0], 3)))
    left = len(material.catalog) - len(usable)
    return {
        "name": material.name,
        "samples": len(usable),
        "classes": len(usable.classes) or len(material.rows[1].classes if material.rows else ()),
        "splits": splits,
        "left": left,
    }


def _sources(material: Material) -> list[dict[str, Any]]:
    if material.catalog is None or not len(material.catalog):
        return []
    counts = {name: amount for name, amount in material.catalog.usable().counts("source").items() if name}
    total = sum(counts.values())
    rows = [{"name": name, "n": amount, "share": amount / total * 100} for name, amount in counts.items()]
    return rows if len(rows) > 1 else []


def inert_json(value: Figure | dict[str, Figure]) -> str:
    """JSON that can stand inside a script element: no name in it can close the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(sign, code)
    return text.encode("utf-8", "replace").decode("utf-8")


def policy_of(scripts: Any) -> str:
    # The two scripts are named by their hashes, so that nothing else could run even if it got into the page.
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def plotly_source() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@cache
def templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: Any) -> Any:
    # Every name reaches the page through here: control characters become signs before autoescape does the rest.
    return visible(value) if type(value) is str else value
