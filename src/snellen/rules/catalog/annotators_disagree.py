"""What it does
Reads the comparison of two or more annotators of the same images: the share of objects (or labels) that they dispute,
with its interval, against the `limit` that the comparison was made with (5 % by default). Above it, it warns.

Why it matters
What annotators cannot agree on, no model can learn, and no score can be better than the labels that it is measured by. Above
the limit a third person should decide before anything is trained.

Known problems
The rate says that labels are uncertain, not who is right. Boxes of small objects overlap less at the same care, so that a
set of small objects has more loose boxes. Annotators who copied from each other agree, and are wrong together.

Source
SPEC D2; Wilson, Probable inference (1927) for the interval; Cohen (1960) and Fleiss (1971) for kappa.
"""

from __future__ import annotations

import math

import numpy as np

from snellen.catalog import Catalog, MissingSignal
from snellen.values import Finding

_HIGH = {"count": 3, "of": 10, "value": 0.3, "low": 0.11, "high": 0.6}
_SUMMARY = {
    "annotators": ["A", "B"],
    "task": "detection",
    "samples": 2,
    "rate": _HIGH,
    "images": {"count": 1, "of": 2, "value": 0.5, "low": 0.09, "high": 0.91},
    "kinds": {"missed": _HIGH, "class": {**_HIGH, "count": 0}, "loose": {**_HIGH, "count": 0}},
    "kappa": {"A, B": {"value": 0.6, "low": 0.4, "high": 0.8, "of": 7}},
    "limit": 0.05,
    "disputes": [{"sample": "s0", "key": "1", "what": "missed", "box": [0, 0, 9, 9]}],
}

FIRES = (
    {"catalog": {"disputed": [3, 0]}, "about": {"agreement": _SUMMARY}},
    {"catalog": {"disputed": [3, 0]}, "about": {"agreement": {**_SUMMARY, "limit": 0.5}}},
)
SILENT = (
    {"catalog": {"target": ["a", "b"]}},
    {"catalog": {"annotator": ["A", "A"]}},
    {
        "catalog": {"disputed": [0, 0]},
        "about": {"agreement": {**_SUMMARY, "rate": {"count": 0, "of": 10, "value": 0.0, "low": 0.0, "high": 0.28}}},
    },
)
UNITS = {"classification": "labels", "multilabel": "labels", "segmentation": "regions"}


def annotators_disagree(catalog: Catalog) -> list[Finding]:
    """One finding: warn above the limit, info below it; disputed samples worst first. Where the column `annotator` names
    several people and nothing was compared, it says so (MissingSignal); of one annotator there is nothing to say."""
    told = catalog.about("agreement")
    if told is None or not catalog.has("disputed"):
        people = set(catalog.column("annotator").astype(str).tolist()) - {""}
        if len(people) > 1 or told is not None:
            raise MissingSignal("disputed")
        return []
    rate, images, limit = told["rate"], told["images"], told["limit"]
    if not rate["count"]:
        return []
    kinds = {kind: share["count"] for kind, share in told["kinds"].items()}
    above = rate["value"] > limit
    message = (
        f"{len(told['annotators'])} annotators disagree on {rate['count']} of {rate['of']} "
        f"{UNITS.get(told['task'], 'objects')} ({rate['value']:.1%}, 95 % interval {rate['low']:.1%} to {rate['high']:.1%}; "
        f"limit {limit:.0%}), in {images['count']} of {images['of']} images: {kinds['missed']} missed by one, "
        f"{kinds['class']} of different classes, {kinds['loose']} drawn differently."
    )
    message += " A third person should decide on them before training." if above else ""
    evidence = {
        **{key: rate[key] for key in ("count", "of", "low", "high")},
        "rate": rate["value"],
        "limit": limit,
        "excess": rate["value"] / limit if limit else math.inf,
        "grade": "above" if above else "below",
        "images": images["count"],
        "compared": images["of"],
        "annotators": told["annotators"],
        "people": len(told["annotators"]),
        **kinds,
        "kappa": {pair: value["value"] for pair, value in told.get("kappa", {}).items()},
        "objects": told["disputes"][:200],
    }
    return [
        Finding(
            rule="annotators_disagree",
            severity="warn" if above else "info",
            message=message,
            evidence=evidence,
            samples=_worst(catalog, told),
        )
    ]


def _worst(catalog: Catalog, told: dict) -> tuple[str, ...]:  # type: ignore[type-arg]
    """Disputed samples, as the comparison ranked them, then those beyond its list by number of disputes."""
    disputed = np.nan_to_num(catalog.column("disputed").astype(float))
    order = np.argsort(-disputed, kind="stable")
    ids = catalog.ids
    there = [ids[row] for row in order.tolist() if disputed[row] > 0]
    ranked = [item["sample"] for item in told["disputes"] if item["sample"] in set(there)]
    return tuple(dict.fromkeys([*ranked, *there]))
