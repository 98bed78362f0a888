"""The verdict, said first: the score with its interval, the gates, what was found and what was adopted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snellen.report.material import Material
from snellen.report.words import Words, is_share, number
from snellen.values import Verdict

View = dict[str, Any]


def headline(material: Material, words: Words) -> View:
    """What the card at the top shows."""
    gates = list(material.final.get("gates") or ())
    return {
        "name": material.name,
        "task": _task(material, words),
        "status": _status(material, gates),
        "score": _score(material, words),
        "gates": [_gate(gate, words) for gate in gates],
        "sentence": _sentence(material, words),
        "tiles": _tiles(material, words),
    }


def _task(material: Material, words: Words) -> str | None:
    """What the recipe is for, else what the annotations are for."""
    if material.recipe is not None:
        return words.label("tasks", material.recipe.task)
    return words.label("tasks", material.catalog.task) if material.catalog is not None else None


def _status(material: Material, gates: list[Mapping[str, Any]]) -> str:
    if gates:
        return "passed" if all(gate["passed"] for gate in gates) else "failed"
    if material.final.get("test") or material.final.get("val"):
        return "measured"
    if material.run is None:
        return "audited" if material.audited else "empty"
    return "trained" if material.run.done else "begun"


def _score(material: Material, words: Words) -> View | None:
    metric = material.recipe.metric if material.recipe else "accuracy"
    for split in ("test", "val"):
        value = (material.final.get(split) or {}).get(metric)
        if value:
            return {"metric": words.label("metrics", metric), **interval(metric, split, value, words)}
    return None


def interval(metric: str, split: str, value: Mapping[str, Any], words: Words) -> View:
    """One measured value with its interval, in words and, for a share, as places on a line from 0 to 100."""
    middle, low, high = (number(value.get(key)) for key in ("value", "low", "high"))
    places = None
    if (is_share(metric) or metric == "auc") and middle is not None and low is not None and high is not None:
        width = max((high - low) * 100, 0.6)
        places = {"low": low * 100, "high": high * 100, "value": middle * 100, "width": width}
    return {
        "split": words.label("splits", split),
        "value": words.score(metric, middle),
        "low": words.score(metric, low),
        "high": words.score(metric, high),
        "n": value.get("n"),
        "places": places,
    }


def _gate(gate: Mapping[str, Any], words: Words) -> View:
    """Gates are named by kind and subject (score_accuracy, parity_onnx); the kind is translated."""
    kind, _, subject = str(gate["name"]).partition("_")
    if f"gates.{gate['name']}" in words.texts:
        kind, subject = gate["name"], ""
    name = words.label("gates", kind)
    if subject:
        of = words.label("metrics", subject) if kind == "score" else subject
        name = words("headline.gate", {"gate": name, "of": of})
    return {"name": name, "passed": bool(gate["passed"]), "message": gate_message(gate, words)}


def gate_message(gate: Mapping[str, Any], words: Words) -> str:
    """What a gate says in this language; its own English message where the language has no sentence for its kind."""
    known = (f"gate_messages.{gate['name']}", f"gate_messages.{str(gate['name']).partition('_')[0]}")
    key = next((key for key in known if key in words.texts), None)
    values = {key: gate.get(key) for key in ("value", "limit")}
    return str(gate.get("message", "")) if key is None or None in values.values() else words(key, values)


def _sentence(material: Material, words: Words) -> str:
    """What was found and what was adopted; empty where no rule has looked."""
    if not material.audited and not material.examined:
        return ""
    rules, comma = _found(material, words), words("headline.comma")
    said = [words("headline.found", {"rules": comma.join(rules)}) if rules else words("headline.found_none")]
    counts = _counts(material)
    adopted = [_effect(verdict, words) for verdict in counts["adopted"]]
    if adopted:
        said.append(words("headline.adopted", {"remedies": comma.join(adopted)}))
    if adopted and (counts["dropped"] or counts["undecided"]):
        said.append(words("headline.also", counts))
    if counts["tried"] and not adopted:
        said.append(words("headline.tried", counts))
    if counts["waiting"]:
        said.append(words("headline.waiting", counts))
    elif material.run is not None and not counts["tried"]:
        said.append(words("headline.none_tried"))
    return words("headline.space").join(said)


def _found(material: Material, words: Words) -> list[str]:
    looked = [finding for finding in (*material.audit, *material.findings) if finding.looked]
    serious = sorted((finding for finding in looked if finding.severity != "info"), key=lambda f: f.severity != "block")
    return [words.label("rules", rule) for rule in dict.fromkeys(finding.rule for finding in serious)]


def _counts(material: Material) -> View:
    """The last verdict of every remedy counts; one that never trained (no seeds) was not tried."""
    last = {(verdict.remedy, verdict.finding): verdict for verdict in material.verdicts}
    tried = [verdict for verdict in last.values() if verdict.seeds]
    adopted = [verdict for verdict in tried if verdict.decision == "adopt"]
    return {
        "tried": len(tried),
        "adopted": adopted,
        "dropped": sum(verdict.decision == "reject" for verdict in tried),
        "undecided": sum(verdict.decision == "undecided" for verdict in tried),
        "waiting": len(last) - len(tried),
    }


def _effect(verdict: Verdict, words: Words) -> str:
    metric = verdict.metric
    values = {key: words.effect(metric, getattr(verdict, key)) for key in ("effect", "low", "high")}
    return words(
        "headline.effect", {"remedy": words.label("remedies", verdict.remedy), "unit": words.unit(metric), **values}
    )


def _tiles(material: Material, words: Words) -> list[View]:
    tiles = []
    if material.catalog is not None:
        usable = material.catalog.usable()
        tiles.append({"name": words("tile.images"), "value": f"{len(material.catalog):,}"})
        classes = len(usable.classes) or len(material.rows[1].classes if material.rows else ())
        tiles += [{"name": words("tile.classes"), "value": f"{classes:,}"}] if classes else []
    if material.audited or material.findings:
        found = [finding for finding in (*material.audit, *material.findings) if finding.looked]
        tiles.append({"name": words("tile.findings"), "value": f"{len(found):,}"})
    if material.runs:
        tiles.append({"name": words("tile.runs"), "value": f"{len(material.runs):,}"})
    total, training = number((material.final.get("seconds") or {}).get("total")), number(material.cost.get("seconds"))
    if total is not None:
        tiles.append({"name": words("tile.time"), "value": words.seconds(total)})
    elif training is not None:
        tiles.append({"name": words("tile.training"), "value": words.seconds(training)})
    return tiles
