"""What the clinic's records add up to: detection, false alarms, healing. Pure; every figure with its number of cases."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta
from scipy.stats import t as student

from _clinic_answers import ANSWERS
from _clinic_faults import FAULTS

Record = Mapping[str, Any]
HEALTHY = "healthy"
# Rules that count: a finding of class "info" is only told.
WARNED = ("warn", "block")
# Healing, and what may spend as much as it did.
ARMS = ("heal", "nothing", "random")


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval over `n` cases."""

    middle: float
    low: float
    high: float
    n: int


def share(hits: int, n: int) -> Interval:
    """A share with its Clopper-Pearson interval."""
    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return Interval(hits / n if n else math.nan, low, high, n)


def mean(values: Sequence[float]) -> Interval:
    """A mean with Student's interval; without bounds where there are fewer than two values."""
    n = len(values)
    middle = float(np.mean(values)) if n else math.nan
    reach = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.inf
    return Interval(middle, middle - reach, middle + reach, n)


def warned(record: Record) -> set[str]:
    """Rules that warned of a training or of its data. Of a healthy training the data's are left out: real images
    have copies and oddities of their own, so that what is said of them need not be wrong."""
    said = dict(record["found"])
    if record["kind"] != HEALTHY:
        said |= {rule: grade for rule, grade in record["audit"].items() if said.get(rule) != "block"}
    return {rule for rule, grade in said.items() if grade in WARNED}


def looks(records: Iterable[Record], half: str) -> list[Record]:
    """Looks of one half; healthy ones are of both."""
    return [r for r in records if r["part"] == "look" and r["half"] in (half, "both")]


def detection(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """By kind: how many trainings, how many were named by a right rule, which wrong rules spoke and how often, and in how many
    trainings of other kinds (and healthy ones) its rules spoke though they are not true there."""
    found: dict[str, dict[str, Any]] = {}
    for kind in FAULTS:
        mine = [r for r in records if r["kind"] == kind]
        answer = ANSWERS[kind]
        named = [r for r in mine if warned(r) & set(answer.rules)]
        strange = [rule for r in mine for rule in sorted(warned(r) - set(answer.rules) - set(answer.beside))]
        others = [r for r in records if r["kind"] != kind and wrongly(r) & set(answer.rules)]
        found[kind] = {
            "n": len(mine), "named": len(named), "wrong": {rule: strange.count(rule) for rule in sorted(set(strange))},
            "elsewhere": len(others), "rules": sorted({rule for r in named for rule in warned(r) & set(answer.rules)}),
            "missed": [f"{r['data']} {r['seed']}" for r in mine if r not in named],
        }  # fmt: skip
    return found


def wrongly(record: Record) -> set[str]:
    """Rules that warned of a training of which they are not true."""
    if record["kind"] == HEALTHY:
        return warned(record)
    answer = ANSWERS[record["kind"]]
    return warned(record) - set(answer.rules) - set(answer.beside)


def totals(records: Sequence[Record]) -> dict[str, Interval]:
    """Recall over faulty trainings, and precision over all warnings (a rule counts once a training; what is also true of a
    training is left out)."""
    faulty = [r for r in records if r["kind"] != HEALTHY]
    right = [rule for r in faulty for rule in warned(r) & set(ANSWERS[r["kind"]].rules)]
    wrong = [rule for r in records for rule in wrongly(r)]
    on_faulty = [rule for r in faulty for rule in wrongly(r)]
    named = sum(bool(warned(r) & set(ANSWERS[r["kind"]].rules)) for r in faulty)
    return {
        "recall": share(named, len(faulty)),
        "precision": share(len(right), len(right) + len(wrong)),
        "precision_faulty": share(len(right), len(right) + len(on_faulty)),
    }


def alarms(records: Sequence[Record]) -> dict[str, Any]:
    """Findings of the run rules on healthy trainings: of each grade the number per training, and by rule and data."""
    healthy = [r for r in records if r["kind"] == HEALTHY]
    counts: dict[str, int] = {}
    for r in healthy:
        for rule, grade in r["found"].items():
            if grade in WARNED:
                key = f"{rule} on {r['data']}"
                counts[key] = counts.get(key, 0) + 1
    grades = {g: sum(grade == g for r in healthy for grade in r["found"].values()) for g in WARNED}
    return {"n": len(healthy), **{g: count / max(1, len(healthy)) for g, count in grades.items()}, "by": counts}


def unpacked(arm: Record) -> np.ndarray:
    """Which test images were right, [n] of 0 and 1."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(arm["right"]), dtype=np.uint8))[: arm["n"]].astype(float)


def behind(arm: Record, healthy: Record) -> Interval:
    """Test accuracy of an arm less that of the healthy training, paired by image."""
    return mean(list(unpacked(arm) - unpacked(healthy)))


def healing(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One row for every cell whose arms ran: test accuracies, and whether each arm is within its interval of the healthy one."""
    healthy = {(r["data"], r["seed"]): r for r in records if r["part"] == "look" and r["kind"] == HEALTHY}
    first = {(r["kind"], r["data"], r["seed"]): r for r in records if r["part"] == "look"}
    rows = []
    for r in records:
        key = (r["kind"], r["data"], r["seed"])
        reference = healthy.get((r["data"], r["seed"]))
        if r["part"] != "arms" or reference is None or key not in first:
            continue
        arms = {"faulty": first[key], **{name: r[name] for name in ARMS}}
        apart = {name: behind(arm, reference) for name, arm in arms.items()}
        rows.append(
            {
                "kind": r["kind"], "data": r["data"], "seed": r["seed"], "half": r["half"], "healthy": reference["test"],
                **{name: arm["test"] for name, arm in arms.items()},
                "within": {name: one.high >= 0 for name, one in apart.items()},
                "runs": {name: r[name]["runs"] for name in ARMS}, "seconds": {name: r[name]["seconds"] for name in ARMS},
                "capped": {name: r[name]["capped"] for name in ARMS[1:]}, "verdicts": r["heal"]["verdicts"],
                "limits": {**r["improve"], "least": r["least"], "most": r["nothing"]["most"]},
            }
        )  # fmt: skip
    return rows


def gain(rows: Sequence[Record], over: str) -> Interval:
    """Mean of healing's test accuracy less another arm's: over (kind, data) cells, whose seeds are averaged first, because they
    are no independent cases."""
    cells: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        cells.setdefault((row["kind"], row["data"]), []).append(row["heal"] - row[over])
    return mean([float(np.mean(values)) for values in cells.values()])


def healed(rows: Sequence[Record], arm: str) -> Interval:
    """Of the cells that the fault harmed (the faulty training lies below its interval of the healthy one): those that are
    within it after the arm."""
    harmed = [row for row in rows if not row["within"]["faulty"]]
    return share(sum(row["within"][arm] for row in harmed), len(harmed))


def hurt(rows: Sequence[Record]) -> dict[str, Any]:
    """Adopted remedies by what they did on the test split, in the metric that they were adopted for and in accuracy. What was
    taken back in the end is counted apart: it is not in what healing hands over."""
    adopted = [v for row in rows for v in row["verdicts"] if v["decision"] == "adopt"]
    back = [v for row in rows for v in row["verdicts"] if v["decision"] == "withdrawn"]
    claimed = [v["test"][v["metric"]] for v in adopted]
    plain = [v["test"]["accuracy"] for v in adopted]
    return {
        "n": len(adopted), "lower": sum(e[0] < 0 for e in claimed), "surely": sum(e[2] < 0 for e in claimed),
        "lower_accuracy": sum(e[0] < 0 for e in plain), "surely_accuracy": sum(e[2] < 0 for e in plain),
        "remedies": sorted({v["remedy"] for v in adopted}), "withdrawn": len(back),
    }  # fmt: skip


def overhead(records: Sequence[Record]) -> Interval:
    """Processor seconds of the rules as a share of the training's, by training."""
    return mean([r["cpu"]["rules"] / r["cpu"]["train"] for r in records if r["part"] == "look" and r["cpu"]["train"]])
