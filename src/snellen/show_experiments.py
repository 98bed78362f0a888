"""What an experiment answers, as a summary for a reader or as one JSON object for a program."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from snellen.report.progress_words import speaker
from snellen.show import COLOURS
from snellen.store import plain

# English sentence -> the same in the reader's language.
Say = Callable[[str], str]


def answer(given: Mapping[str, Any], *, json: bool, lang: str = "en") -> None:
    """The end of lr-range, compare-optimizers, compare-models, ablate and search; a reader is told in the language of the page."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    out = Console()
    tell = {"lr-range": _range, "search": _search, "search-recipe": _search, "ablate": _ablated}.get(
        given["experiment"], _compared
    )
    say = speaker(lang)
    tell(given, out, say)
    out.print(say(f"page: {given['report']}   ({given['seconds']:.0f} s)"), style="bold", markup=False, soft_wrap=True)


def models(given: Mapping[str, Any], *, json: bool) -> None:
    """What list models --for answers."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    table = _table("model", "params", "MACs", "forward", "step", "one", "weights", "px")
    for row in given["models"]:
        times = [f"{1000 * row[name]:.1f}" for name in ("forward", "step", "latency")]
        counts = [f"{row[name] / 1e6:.1f} M" for name in ("parameters", "macs")]
        table.add_row(row["name"], *counts, *times, row["weights"], str(row["size"]))
    out = Console()
    out.print(table)
    out.print(
        "multiply-adds: half of torch's FlopCounterMode; times: median of 3 batches of 8, fp32, on this machine. weights: package "
        "(installed), stored (fetched before), hub (needs a network), none.", style="dim", markup=False,
    )  # fmt: skip


def _range(given: Mapping[str, Any], out: Console, say: Say) -> None:
    for key, value in given["set"].items():
        out.print(f"--set {key}={value:g}", style="bold", markup=False)
    if not given["set"]:
        none = "the loss never fell by more than its noise: no rate is suggested; try more --steps or another --stage"
        out.print(say(none))
    where = f"stage {given['stage']}, {given['steps']} steps of {given['optimizer']}, ended: {given['stopped']}"
    out.print(say(f"{where}; the model was put back as it was"), markup=False, highlight=False)


def _compared(given: Mapping[str, Any], out: Console, say: Say) -> None:
    weighed = "parameters" in given["rows"][0]
    table = _table(
        "", given["metric"], say("difference"), "", say("epochs to level"), "s", *(["params", "MACs", "ms"] if weighed else []),
    )  # fmt: skip
    for row in given["rows"]:
        epochs = say("never") if row["epochs_to"] is None else f"{row['epochs_to']:.1f}"
        cells = [row["name"], f"{row['score']:.4f}", *_effect(row, say), epochs, f"{row['seconds']:.1f}"]
        if weighed:
            cells += [f"{row['parameters'] / 1e6:.1f} M", f"{row['macs'] / 1e6:.0f} M", f"{row['latency_ms']:.1f}"]
        table.add_row(*cells)
    out.print(table)
    out.print(
        say(f"{given['seeds']} seeds x {given['samples']} validation samples, paired"), markup=False, highlight=False
    )


def _ablated(given: Mapping[str, Any], out: Console, say: Say) -> None:
    table = _table("", given["metric"], say("with it"), "", say("s more"))
    for row in given["rows"]:
        cost = "" if row["cost"] is None else f"{row['cost']:+.1f}"
        name = row["name"] if row["kind"] == "ladder" else say(f"{row['name']} left out")
        table.add_row(name, f"{row['score']:.4f}", *_effect(row, say), cost)
    out.print(table)
    words = f"{say(given['how'])}; {given['seeds']} seeds x {given['samples']} validation samples, paired"
    out.print(say(words), markup=False, highlight=False)
    out.print(say("published, by others on other data:"), style="dim")
    for row in given["rows"]:
        if row["claim"] and row["kind"] == "ladder":
            line = f"  {row['name']}: {row['claim']}  [{row['source']}]"
            out.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    for name, reason in given["left"].items():
        out.print(say(f"not measured: {name}: {reason}"), style="yellow", markup=False, highlight=False)


def _effect(row: Mapping[str, Any], say: Say) -> tuple[str, str]:
    if row.get("effect") is None:
        return "", ""
    decision = row["decision"]
    return f"{row['effect']:+.4f} \\[{row['low']:+.4f}, {row['high']:+.4f}]", f"[{COLOURS[decision]}]{say(decision)}[/]"


def _search(given: Mapping[str, Any], out: Console, say: Say) -> None:
    effect = given["effect"]
    if effect is None:
        out.print(
            say(f"none of {len(given['candidates']) - 1} candidates is better than the recipe as it is"), markup=False
        )
    else:
        for key, value in given["patch"].items():
            out.print(f"--set {key}={value:.4g}", style="bold", markup=False)
        span = f"{effect['effect']:+.4f} [{effect['low']:+.4f}, {effect['high']:+.4f}] {effect['metric']}"
        out.print(say(f"{span}; chosen by the same samples, so it flatters"), markup=False, highlight=False)
    out.print(say(f"recipe: {given['recipe']}"), markup=False, highlight=False, soft_wrap=True)


def _table(*names: str) -> Table:
    table = Table(box=None)
    for place, name in enumerate(names):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=place == 0)
    return table
