"""AUDIT.md: the audit's scores as a page, and one folder of them as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _planted import GOALS, Tally
from _results import LIBRARIES, number

PAGE = Path(__file__).parent / "AUDIT.md"
WHICH = {
    "odd": "the instances at odd positions of their kind's list, on which no threshold was chosen",
    "even": "the instances at even positions of their kind's list: the half that thresholds are tuned on",
    "all": "all instances, the half that thresholds are tuned on included",
}
# Tools in this order; a variant of one stands beside it.
TOOLS = ("snellen", "cleanvision", "imagededup", "cleanlab")
HEAD = """Written by `bench/audit.py`; the same figures are in `results/audit.json`. Scored: {which}. A cell is *recall / precision
(right of flagged samples)*; a tool that cannot try a kind has `-`. A copy counts as found where it or its source is flagged.
Samples that nobody planted are dealt to the two halves by turns, so a false flag counts in one half only; *n of them in the
original* are false flags that the tool raises in the dataset before anything was planted, where a natural copy or a poor
photograph may well be one. A flag of a blank image as dark, bright or blurred, of a copy as another sort of copy and of
a copy under a wrong label as wrongly labelled counts neither way. A kind with one instance stands in both halves.

The peers run with their own default settings on the same files. Which of their copies lie across splits or under two labels is
worked out by this script, since they know neither. cleanvision stops at a file that cannot be opened and is handed those that
Pillow opens, so the kinds of broken file are not tried. cleanlab judges labels from the same embeddings as our audit, by 5-fold
cross-validated logistic regression as its guide has it, and once more with a calmer head (128 principal directions, C = 0.02).
The order of labels is over the samples of the splits whose labels our audit judges; planted flips in other splits are missing
there, and count as not found above. Boxes and keypoints are scored object by object, masks image by image.
Near copies were planted across splits only; those within a split that are flagged stand
with the false alarms, where some are natural copies. The list of near copies goes round re-encoded, cropped, brightened,
mirrored: the even half has the first and the third sort, the odd half the other two."""


def render(result: Mapping[str, Any]) -> str:
    """The page: scores by folder, rankings, false alarms, times, peers, machine."""
    folders = dict(sorted(result["folders"].items()))
    scored = {name: told for name, told in folders.items() if "kinds" in told}
    clean = {name: told for name, told in folders.items() if "alarms" in told}
    parts = ["# What the audit finds", HEAD.format(which=WHICH[result["half"]])]
    if scored:
        parts += ["## Against the goals", _goals([{"name": name, **told} for name, told in scored.items()])]
    for name, told in scored.items():
        parts += [f"## {name}", f"{told['images']} images, {told['task']}.", *_scores(told)]
    if clean:
        parts += ["## Nothing planted: samples flagged per 100 images", _alarms(clean)]
    parts += ["## Time", _times(folders), "## Peers and machine", _versions(folders), _machine(result)]
    return "\n\n".join(parts) + "\n"


def printed(name: str, told: Mapping[str, Any]) -> str:
    """One folder for the terminal."""
    parts = _scores(told) if "kinds" in told else [_alarms({name: told})]
    same = "byte-identical afterwards" if told["intact"] else "CHANGED by the audit"
    return "\n".join([*parts, f"{name}: {same}; {_per_thousand(told):.1f} s per 1000 images", ""])


def _scores(told: Mapping[str, Any]) -> list[str]:
    parts = []
    if told["kinds"]:
        tools = in_order({tool for row in told["kinds"] for tool in row["tools"]})
        rows = [
            [row["kind"], str(row["tools"]["snellen"]["planted"]), *(_cell(row["tools"].get(tool)) for tool in tools)]
            for row in told["kinds"]
        ]
        parts.append(table(["kind", "planted", *tools], rows))
    if told["rankings"]:
        rows = [
            [tool, str(r["planted"]), str(r["of"]), _share(r["average_precision"]), _share(r["recall_at_0.6"])]
            for tool, r in ((tool, told["rankings"][tool]) for tool in in_order(told["rankings"]))
        ]
        parts.append(table(["order of labels", "flipped", "of", "average precision", "recall at precision 0.6"], rows))
    return parts


def _goals(folders: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for kind, (recall, precision) in GOALS.items():
        every = [row["tools"]["snellen"] for told in folders for row in told["kinds"] if row["kind"] == kind]
        if not every:
            continue
        names = ("planted", "found", "right", "flagged")
        planted, found, right, flagged = (sum(item[name] for item in every) for name in names)
        pooled = Tally(planted, found, right, flagged - right)
        met = (pooled.recall or 0) >= recall and (pooled.precision or 0) >= precision
        wanted = f"≥ {recall:.2f} / ≥ {precision:.2f}"
        rows.append([kind, str(planted), _cell(pooled.plain()), wanted, "met" if met else "not met"])
    rows += [row for told in folders if (row := _order_goal(told))]
    words = (
        "Ours over all folders below; the goals are those that this project set itself before the audit was written."
    )
    return f"{words}\n\n{table(['kind', 'planted', 'recall / precision', 'goal', 'result'], rows)}"


def _order_goal(told: Mapping[str, Any]) -> list[str]:
    """Ours against the better of cleanlab's orders; empty where there are none of both."""
    found = {tool: r["average_precision"] for tool, r in told["rankings"].items() if r["planted"]}
    peers = [value for tool, value in found.items() if tool.startswith("cleanlab")]
    if not peers:
        return []
    ours = next(value for tool, value in found.items() if tool.startswith("snellen"))
    planted = next(r["planted"] for r in told["rankings"].values())
    result = "met" if ours > max(peers) else "not met"
    return [
        f"label_flip, average precision in {told['name']}",
        str(planted),
        _share(ours),
        f"> {max(peers):.2f} (cleanlab)",
        result,
    ]


def _cell(tally: Mapping[str, Any] | None) -> str:
    if tally is None:
        return "-"
    known = f", {tally['also_in_original']} in the original" if tally["also_in_original"] else ""
    return f"{_share(tally['recall'])} / {_share(tally['precision'])} ({tally['right']} of {tally['flagged']}{known})"


def _alarms(clean: Mapping[str, Any]) -> str:
    names = list(
        dict.fromkeys((tool, rule) for told in clean.values() for tool, by in told["alarms"].items() for rule in by)
    )
    order = in_order({tool for tool, _ in names})
    rows = [
        [tool, rule, *(_plain(told["alarms"].get(tool, {}).get(rule)) for told in clean.values())]
        for tool, rule in sorted(names, key=lambda name: (order.index(name[0]), name[1] != "any", name[1]))
    ]
    return table(["tool", "rule", *clean], rows)


def _times(folders: Mapping[str, Any]) -> str:
    tools = in_order({tool for told in folders.values() for tool in told["seconds"]} - {"snellen"})
    rows = [
        [name, str(told["images"]), number(_per_thousand(told)),
         *(number(1000 * told["seconds"][tool] / told["images"]) if tool in told["seconds"] else "-" for tool in tools),
         told.get("clock", "wall"), "yes" if told["intact"] else "NO"]
        for name, told in folders.items()
    ]  # fmt: skip
    words = (
        "Seconds per 1000 images, from a cold cache, with reading, decoding, embedding, judging and the report. *processors*: of all "
        "processors together; *wall*: by the clock, in a row of an earlier run. Reported, not asserted: the machine was not kept free of other work."
    )
    return f"{words}\n\n{table(['folder', 'images', 'snellen', *tools, 'clock', 'byte-identical afterwards'], rows)}"


def _per_thousand(told: Mapping[str, Any]) -> float:
    spent = sum(value for title, value in told["seconds"]["snellen"].items() if not title.startswith("probe"))
    return 1000 * spent / max(1, int(told["images"]))


def _versions(folders: Mapping[str, Any]) -> str:
    known: dict[str, str] = {}
    for told in folders.values():
        peers = told.get("peers", {"versions": {}, "licences": {}})
        known |= {name: f"{name} {release} ({peers['licences'][name]})" for name, release in peers["versions"].items()}
    return f"Peers: {', '.join(known.values()) or 'none'}."


def _machine(result: Mapping[str, Any]) -> str:
    about = result["environment"]
    libraries = ", ".join(f"{name} {about[name]}" for name in ("python", *LIBRARIES))
    return (
        f"`{result['command']}`: {about['processor']} ({about['machine']}, {about['system']}), {about['cores']} cores, "
        f"{about['memory_gb']} GB; {libraries}."
    )


def in_order(tools: Iterable[str]) -> list[str]:
    """Ours first, then the peers."""
    return sorted(tools, key=lambda tool: (next(i for i, name in enumerate(TOOLS) if tool.startswith(name)), tool))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
