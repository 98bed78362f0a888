"""Proofs: the remedies of a case with their patches and verdicts, as table rows and as rows of the forest plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snellen.report.material import Material
from snellen.report.tables import View, setting
from snellen.report.words import Words, number
from snellen.values import Verdict, unit


def verdicts(material: Material, words: Words) -> list[View]:
    """One row per verdict, oldest first, each with its patch as a diff against the recipe it was compared with."""
    proposed = {_asked(item): item for item in material.remedies}
    return [
        _verdict(verdict, proposed.get((verdict.remedy, verdict.finding), {}), material, words)
        for verdict in material.verdicts
    ]


def _asked(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item.get("name", item.get("remedy"))), str(item.get("finding"))


def _verdict(verdict: Verdict, remedy: Mapping[str, Any], material: Material, words: Words) -> View:
    return {
        "verdict": verdict,
        "remedy": words.label("remedies", verdict.remedy),
        "finding": words.label("rules", verdict.finding),
        "decision": words.label("decisions", verdict.decision),
        "because": because(verdict, words),
        "stage": words.label("proofs", verdict.stage),
        "safety": words.label("safety", remedy["safety"]) if remedy.get("safety") else "",
        "why": _why(remedy, words),
        "source": remedy.get("source", ""),
        "diff": diff(remedy, material.tree_of(verdict.baseline), words),
        "metric": words.label("metrics", verdict.metric),
        "effect": words.effect(verdict.metric, verdict.effect),
        "low": words.effect(verdict.metric, verdict.low),
        "high": words.effect(verdict.metric, verdict.high),
        "unit": words.unit(verdict.metric),
        "seconds": words.seconds(verdict.seconds),
    }


def _why(remedy: Mapping[str, Any], words: Words) -> str:
    return words.texts.get(f"remedy_reasons.{remedy.get('name', remedy.get('remedy'))}") or str(
        remedy.get("reason", "")
    )


def because(verdict: Verdict, words: Words) -> str:
    """The verdict's own reason, or the language's sentence for its kind."""
    return words.texts.get(f"reasons.{_kind(verdict)}", verdict.reason)


def _kind(verdict: Verdict) -> str:
    if verdict.decision != "reject":
        return "untested" if not verdict.seeds else verdict.decision
    if verdict.stage == "screen":
        return "screened"
    if verdict.effect == verdict.low == verdict.high == 0:
        return "same"
    if verdict.high is not None and verdict.high < 0:
        return "worse"
    known = {"a trade-off": "tradeoff", "no useful gain": "small", "cannot be trained": "impossible"}
    return next((kind for words, kind in known.items() if verdict.reason.startswith(words)), "taken_back")


def diff(remedy: Mapping[str, Any], before: Mapping[str, Any], words: Words) -> list[View]:
    """The patch's keys with old and new value; the old one is "" where the recipe before is not known."""
    known = remedy.get("diff") or {}
    rows = []
    for key, new in (remedy.get("patch") or {}).items():
        old = known[key][0] if key in known else _at(before, key)
        there = key in known or bool(before)
        rows.append({"key": key, "old": setting(key, old, words) if there else "", "new": setting(key, new, words)})
    return rows


def _at(tree: Mapping[str, Any], dotted: str) -> Any:
    """The value at a dotted key, list entries by position or name; None where there is none."""
    node: Any = tree
    for step in dotted.split("."):
        if isinstance(node, list):
            named = {str(item["name"]): item for item in node if isinstance(item, Mapping) and "name" in item}
            node = {str(place): item for place, item in enumerate(node)} | named
        node = node.get(step) if isinstance(node, Mapping) else None
    return node


def soup(material: Material, words: Words) -> str:
    """What the averaging of the runs brought, in a sentence; empty where none were averaged."""
    made = material.case.read("soup")
    if made is None:
        return ""
    parts = [
        words(
            "remedies_table.soup_effect",
            {"metric": words.label("metrics", metric), "unit": words.unit(metric), "n": found["samples"]}
            | {key: words.effect(metric, found[key]) for key in ("effect", "low", "high")},
        )
        for metric, found in made["effects"].items()
    ]
    which = "soup" if made["kept"] else "soup_left"
    return words(f"remedies_table.{which}", {"runs": len(made["runs"]), "effects": words("headline.comma").join(parts)})


def pick(material: Material, words: Words) -> str:
    """Which of several runs was handed over, in a sentence; empty where there was one, or they were averaged."""
    made = material.case.read("pick")
    if made is None:
        return ""
    scores, metric = made["scores"], made["metric"]
    told = {"runs": len(scores), "metric": words.label("metrics", metric)}
    told |= {key: f"{float(scores[made[key]]):.3f}" for key in ("taken", "first")}
    return words(f"remedies_table.{'pick_first' if made['taken'] == made['first'] else 'pick'}", told)


def temperature(material: Material, words: Words) -> str:
    """By what the classifier was divided, and what that brought; empty where nothing was tried."""
    made = material.case.read("temperature")
    if made is None:
        return ""
    numbers = {key: words.effect("log_loss", made[key]) for key in ("effect", "low", "high")}
    errors = {name: f"{made['ece'][name]:.3f}" for name in ("before", "after")}
    told = {"temperature": f"{made['temperature']:.2f}", "unit": words.unit("log_loss"), "n": made["samples"]}
    return words(
        f"remedies_table.{'temperature' if made['kept'] else 'temperature_left'}", {**told, **numbers, **errors}
    )


def untried(material: Material, words: Words) -> list[View]:
    """Remedies that were proposed but have no verdict."""
    judged = {(verdict.remedy, verdict.finding) for verdict in material.verdicts}
    rows = [item for item in material.remedies if _asked(item) not in judged]
    return [
        {
            "remedy": words.label("remedies", _asked(item)[0]),
            "finding": words.label("rules", _asked(item)[1]),
            "diff": diff(item, material.recipe.plain() if material.recipe else {}, words),
            "why": _why(item, words),
            "source": item.get("source", ""),
        }
        for item in rows
    ]


def forest_rows(material: Material, words: Words) -> list[list[View]]:
    """Rows for the forest plots: effects in points together, those of the log loss on their own."""
    groups: dict[str, list[View]] = {}
    for verdict in material.verdicts:
        if number(verdict.effect) is not None:
            groups.setdefault(words.unit(verdict.metric), []).append(_forest_row(verdict, words))
    return list(groups.values())


def _forest_row(verdict: Verdict, words: Words) -> View:
    metric, scale = verdict.metric, 100.0 if unit(verdict.metric) == "points" else 1.0
    name = words.label("remedies", verdict.remedy)
    said = {key: words.effect(metric, getattr(verdict, key)) for key in ("effect", "low", "high")}
    drawn = {key: number(getattr(verdict, key)) for key in said}
    measure = words.unit(metric)
    return {
        **{key: None if value is None else value * scale for key, value in drawn.items()},
        "label": name if verdict.stage == "confirm" else f"{name} · {words.label('proofs', verdict.stage)}",
        "unit": measure,
        "decision": verdict.decision,
        "text": f"{name}: {said['effect']} {measure} [{said['low']}, {said['high']}], "
        f"{words.label('metrics', metric)}, n = {verdict.samples}",
    }
