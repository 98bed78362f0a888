"""CLINIC.md: the clinic's records as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from _clinic_faults import FAULTS
from _clinic_score import ARMS, Interval, alarms, detection, gain, healed, healing, hurt, looks, overhead, totals
from snellen.recipe_sections import Improve

Record = Mapping[str, Any]
HEAD = """# The clinic

Written by `python bench/clinic.py`; the records are in `results/clinic.jsonl`, one line for each. Planted faults
(`_clinic_faults.py`) in trainings of tf_efficientnet_lite0 (pretrained; the head, then the last two of four stages) on 600 images of
ten classes, 64 px, judged on 250 test images that no fault touches. Every seed draws images of its own, those of all splits; a
faulty training and the healthy one that it is compared with have the same. The generator knows no rule; what should be said of a kind
stands in `_clinic_answers.py`. Of every kind some data was for tuning the rules and some for this report, dealt by a hash before
anything was trained. Small networks on few images: these figures are about this clinic, not about every training."""


def page(records: Sequence[Record], masks: Mapping[str, Any] | None = None) -> str:
    """The whole file. `masks`: what sabotage_dense.py keeps."""
    parts = [HEAD, *_found(records, "report"), *_found(records, "tuning"), *_alarms(records), *_healed(records)]
    parts += _dense(masks) if masks else []
    missing = [kind for kind in FAULTS if not any(r["kind"] == kind for r in records)]
    if missing:
        parts.append(f"Not measured: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def _found(records: Sequence[Record], half: str) -> list[str]:
    mine = looks(records, half)
    faulty = [r for r in mine if r["kind"] in FAULTS]
    if not faulty:
        return []
    told, all_ = detection(mine), totals(mine)
    lines = [
        f"| {kind} | {FAULTS[kind].what} | {d['named']} of {d['n']} | {', '.join(d['rules'])} | {_counts(d['wrong'])} | {', '.join(d['missed'])} |"
        for kind, d in told.items()
        if d["n"]
    ]
    kinds = [d for d in told.values() if d["n"]]
    whole = sum(d["named"] == d["n"] for d in kinds)
    said = (
        f"Recall {_share(all_['recall'])}; {whole} of {len(kinds)} kinds were found every time. Precision of all warnings "
        f"{_share(all_['precision_faulty'])} on faulty trainings, {_share(all_['precision'])} with those of healthy ones."
    )
    head = "| kind | what | named | by | wrong warnings | missed |\n|---|---|---|---|---|---|\n"
    return [
        f"## Detection, the half for {'the report' if half == 'report' else 'tuning'}",
        said,
        head + "\n".join(lines),
    ]


def _alarms(records: Sequence[Record]) -> list[str]:
    told = alarms([r for r in records if r["part"] == "look"])
    if not told["n"]:
        return []
    cost = overhead(records)
    said = (
        f"{told['n']} healthy trainings, each on images drawn for it (drawings of one dataset overlap, most where a class has few "
        f"images): {told['block']:.3f} findings of severity block and {told['warn']:.3f} of severity warn per "
        f"training ({_counts(told['by'])}). The rules cost {100 * cost.middle:.1f} % of the processor time of a training "
        f"({_bounds(cost, 100)} %; n = {cost.n}; these trainings take seconds, so that their share is large)."
    )
    return ["## False alarms", said]


def _healed(records: Sequence[Record]) -> list[str]:
    parts: list[str] = []
    for half in ("report", "tuning"):
        rows = [row for row in healing(records) if row["half"] == half]
        if rows:
            title = "## Healing" if half == "report" else "## Healing, the half for tuning"
            parts += [title, _limits(rows), _sums(rows), _cells(rows)]
    return parts


def _limits(rows: Sequence[Record]) -> str:
    """What each arm was allowed, and where it was not the seconds that ended it."""
    limits = rows[0]["limits"]
    ended = ", ".join(f"{arm} in {sum(row['capped'][arm] for row in rows)}" for arm in ARMS[1:])
    return (
        f"Of every cell alike healing may take the looks of {limits['remedies']} remedies with {limits['seeds']} seeds each (one that is "
        f"rejected early leaves its looks to the next) and hands over the run of the first seed; the program by itself plans "
        f"{Improve().remedies} remedies and averages runs at the end. That binds healing alone. The other arms may spend the processor "
        "seconds that it took, set-up, screening and rules among them, on trainings of which none counts less than "
        f"{limits['least']:.0%} of the first, and the best of them on validation is taken. They train {limits['most']} times at the most, "
        f"with seconds left over then: of {len(rows)} cells {ended}."
    )


def _sums(rows: Sequence[Record]) -> str:
    bad = hurt(rows)
    gains = [
        f"over {arm}: {100 * g.middle:+.1f} points [{_bounds(g, 100)}] over {g.n} cells"
        for arm in ("nothing", "random")
        for g in [gain(rows, arm)]
    ]
    within = [f"{arm} {_share(healed(rows, arm))}" for arm in ("heal", "random", "nothing")]
    return (
        f"{len(rows)} cells. Mean gain of healing in test accuracy at equal compute {'; '.join(gains)}.\n\nOf the cells that the fault "
        f"harmed on the test split, within the interval of the healthy training afterwards: {'; '.join(within)}.\n\nAdopted remedies: "
        f"{bad['n']} ({', '.join(bad['remedies']) or 'none'}). On the test split {bad['lower']} of them are lower in the metric they were "
        f"adopted for, {bad['surely']} with an interval below 0; in accuracy {bad['lower_accuracy']} and {bad['surely_accuracy']}. Adopted, "
        f"but taken back in the end, and not among them: {bad['withdrawn']}."
    )


def _cells(rows: Sequence[Record]) -> str:
    head = "| kind | data | seed | healthy | faulty | nothing | random | heal | adopted | runs |\n|---|---|---|---|---|---|---|---|---|---|\n"
    lines = []
    for row in sorted(rows, key=lambda row: (row["kind"], row["data"], row["seed"])):
        marks = {name: f"{row[name]:.3f}{'' if row['within'][name] else ' ↓'}" for name in row["within"]}
        adopted = ", ".join(v["remedy"] for v in row["verdicts"] if v["decision"] == "adopt")
        lines.append(
            f"| {row['kind']} | {row['data']} | {row['seed']} | {row['healthy']:.3f} | {marks['faulty']} | {marks['nothing']} | "
            f"{marks['random']} | {marks['heal']} | {adopted} | {_runs(row)} |"
        )
    said = (
        "Test accuracy; ↓: below the interval of the healthy training of the same seed. *runs*: trainings of healing, nothing and random; "
        "+: it was the most."
    )
    return f"{said}\n\n{head}" + "\n".join(lines)


def _runs(row: Record) -> str:
    return ", ".join(f"{row['runs'][arm]}{'+' if row['capped'].get(arm) else ''}" for arm in ARMS)


def _dense(masks: Mapping[str, Any]) -> list[str]:
    head = (
        "| spoiled | named by | tried | nothing | healed | effect | not spoiled | first, healed against it | log |\n"
        f"{'|---' * 9}|\n"
    )
    lines = []
    for row in masks["rows"]:
        # A remedy that there was no time for has a verdict without an effect.
        had = [one for one in row["verdicts"] if one["effect"] is not None]
        left = len(row["verdicts"]) - len(had)
        tried = (", ".join(f"{one['remedy']} ({one['decision']})" for one in had) or "none") + (
            f"; {left} not, for want of time" if left else ""
        )
        effect = f"{100 * row['effect']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
        log = f"{row['seconds']:.0f} s of {row['budget']}, {row['control_runs']} runs"
        lines.append(
            f"| {row['scenario']} | {', '.join(row['right']) or 'not'} | {tried or 'none'} | {row['nothing']:.3f} | "
            f"{row['healed']:.3f} | {effect} | {_well(row)} | {log} |"
        )
    said = (
        f"Written by `python bench/sabotage_dense.py`: whole runs at {masks['size']} px, against further seeds of the "
        "spoiled recipe for as long, of which the best on validation is taken. Mean IoU on validation and test images; the effect in "
        "points, paired by image. *log*: what healing took of its budget, and how many runs doing nothing had. *not spoiled*: trainings of "
        "as many epochs of the clean data as advice has them; *first, healed against it*: how far spoiled trainings of the same seeds, "
        "and what was handed over of one or more of them, lie from it, paired by seed and by the images that have the same mask in both."
    )
    return ["## Masks", said, head + "\n".join(lines)]


def _well(row: Record) -> str:
    if "healthy" not in row:
        return "- | -"
    first, healed = (
        f"{100 * middle:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        for middle, low, high in (row["first_behind"], row["healed_behind"])
    )
    n = f"{row['healthy_seeds']} seeds × {row['healthy_n']} images; {row['healed_seeds']}"
    return f"{row['healthy']:.3f} | {first}; {healed} ({n})"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _share(found: Interval) -> str:
    return f"{found.middle:.3f} [{_bounds(found, 1)}] (n = {found.n})"


def _bounds(found: Interval, scale: float) -> str:
    return f"{scale * found.low:.3g}, {scale * found.high:.3g}"
