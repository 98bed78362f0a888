"""Show: what a verb answers, as a summary for a reader or as one JSON object for a program."""

from __future__ import annotations

import json as jsonlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from snellen.described import described
from snellen.shelf import SHELVES, Shelf, hint
from snellen.store import plain
from snellen.values import Finding, SnellenError, to_json

COLOURS = {"block": "red", "warn": "yellow", "info": "blue", "adopt": "green", "reject": "red", "undecided": "yellow"}


def answer(given: Mapping[str, Any], *, json: bool, lang: str = "en", hint: str = "") -> None:
    """The end of run, audit, train, heal and demo; a reader is told in the language of the report."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    from snellen.show_answer import summary

    summary(given, lang=lang, hint=hint)


def findings(found: Sequence[Finding], *, json: bool, lang: str = "en") -> None:
    """What diagnose answers."""
    rows = [to_json(finding) for finding in found]
    if json:
        print(jsonlib.dumps(plain({"findings": rows}), ensure_ascii=False, allow_nan=False))
    else:
        _findings(Console(), rows, lang)


def opinion(given: Mapping[str, Any], *, json: bool, lang: str = "en") -> None:
    """What diagnose answers on another tool's log: findings, what was read, who did not look, advice."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    from snellen.report.progress_words import speaker

    out, log, words = Console(), given["log"], speaker(lang)

    def say(text: str, style: str = "") -> None:
        out.print(safe(text), style=style, highlight=False, soft_wrap=True)

    columns = ", ".join(f"{role.replace('_', ' ')} = {name}" for role, name in log["columns"].items())
    say(f"{log['format']}: {log['path']}", "bold")
    say(words(f"{log['epochs']} epochs from {log['rows']} rows; {columns}"))
    for note in log["notes"]:
        say(f"  {words(f'note: {note}')}", "dim")
    if log["unseen"]:
        unseen = ", ".join(log["unseen"])
        say(f"  {words(f'the log does not hold: {unseen}')}", "dim")
    _findings(out, given["findings"], lang)
    if given["advice"]:
        say(words("What may help (advice; nothing of it is proved for this training)"), "bold")
    for item in given["advice"]:
        say(f"  {item['finding']} → {item['remedy']}: {item['what']}" + (f" [{item['how']}]" if item["how"] else ""))
    blind = [row["rule"] + ": " + str(row["evidence"].get("needs")) for row in given["findings"] if not row["looked"]]
    if blind:
        say(words("Rules that did not look, and what they need"), "bold")
        for line in blind:
            say(f"  {line}", "dim")


def page(given: Mapping[str, Any], *, json: bool) -> None:
    """What explain answers: a rule's page."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    out = Console()
    out.print(safe(f"{given['title']} ({given['rule']})"), style="bold", highlight=False, soft_wrap=True)
    for section in given["sections"]:
        out.print(safe(section["title"]), style="bold", highlight=False, soft_wrap=True)
        for line in section["lines"]:
            out.print(safe(f"  {line}"), highlight=False, soft_wrap=True)


def written(given: Mapping[str, Any], *, json: bool, lang: str = "en") -> None:
    """What agree, export and predict answer: findings where there are some, counts, and the files."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    from snellen.report.progress_words import speaker

    out, words = Console(), speaker(lang)
    if given.get("findings"):
        _findings(out, given["findings"], lang)
    for key in ("samples", "objects", "disputes"):
        if key in given:
            out.print(safe(words(f"{key}: {given[key]}")), highlight=False)
    named = {"answers": "answered", "left_out": "left out", "changed": "changed"}
    for line in _counted({said: given.get(key, {}) for key, said in named.items()}):
        out.print(safe(words(line)), highlight=False)
    for file in given["files"]:
        out.print(safe(file), style="bold", highlight=False, soft_wrap=True)


def artifacts(found: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    """What ship answers."""
    if json:
        print(jsonlib.dumps(plain({"artifacts": list(found)}), ensure_ascii=False, allow_nan=False))
        return
    for item in found:
        if "parity" not in item:
            print(_eight(item))
            continue
        same = item["parity"]
        print(f"{item['format']}: {item['path']}, largest difference {same['max_abs']:.2g} over {same['n']} images")


def validated(given: Mapping[str, Any], *, json: bool, lang: str = "en") -> None:
    """What validate answers."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    from snellen.report.progress_words import speaker

    out, words = Console(), speaker(lang)
    for line in _validation(given):
        out.print(safe(words(line)), style="bold" if line == given["advice"] else "", highlight=False, soft_wrap=True)
    for file in given["files"]:
        out.print(safe(file), highlight=False, soft_wrap=True)


def _validation(given: Mapping[str, Any]) -> Iterable[str]:
    metric, own, shift = given["metric"], given["own"], given["shift"]
    yield from _counted({"left out": given["left_out"]})
    yield (
        f"{metric}: {own['value'] + given['change']['effect']:.4f} on {given['samples']} images, {own['value']:.4f} on "
        f"{own['n']} of the case's own: {_apart(given['change'])}"
    )
    for name in ("statistics", "features"):
        if one := shift.get(name):
            yield (
                f"proxy A-distance of {name}: {one['distance']:.2f} [{one['low']:.2f}, {one['high']:.2f}] "
                f"(0 alike, 2 always told apart; limit {shift['limit']:g})"
            )
    if better := given["adapted"]:
        yield f"statistics of these images: {metric} {_apart(better)} on {better['n']} images, each half by the other's"
    yield given["advice"]


def _apart(one: Mapping[str, float]) -> str:
    return f"{one['effect']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]"


def _counted(given: Mapping[str, Mapping[str, int]]) -> Iterable[str]:
    """A line for every reason."""
    return (f"{what}: {number} × {reason}" for what, counts in given.items() for reason, number in counts.items())


def _eight(item: Mapping[str, Any]) -> str:
    """What became of the file in eight bits."""
    times = f"{item['latency_ms']['median']:.2f} ms instead of {item['latency_ms_before']['median']:.2f}"
    room = f"{item['bytes'] / 1e6:.1f} MB instead of {item['bytes_before'] / 1e6:.1f}"
    change = f"{item['metric']} {item['before']:.4f} → {item['after']:.4f}, {item['effect']:+.4f} [{item['low']:+.4f}, {item['high']:+.4f}]"
    verdict = "" if item["ok"] else f"; a loss of more than {item['most_lost']:g} is not excluded: keep the whole file"
    return f"{item['format']}: {item['path']}, {room}, {times}, {change} on {item['n']} validation images{verdict}"


def changes(given: Mapping[str, Any], *, json: bool) -> None:
    """What apply answers."""
    if json:
        print(jsonlib.dumps(plain(given), ensure_ascii=False, allow_nan=False))
        return
    counts = [f"{len(told)} {kind.replace('_', ' ')}" for kind, told in given["changes"].items() if told]
    print(f"{given['catalog']}: {given['samples']} samples; {', '.join(counts) or 'nothing changed'}")
    print(f"train on it: snellen run {shlex.quote(given['catalog'])}")


def shelves(name: str | None, *, json: bool) -> None:
    """What list answers: one line for each part with its settings, what it is, and where it comes from."""
    chosen: Iterable[Shelf] = SHELVES
    if name is not None:
        chosen = [shelf for shelf in SHELVES if shelf.name == name]
        if not chosen:
            raise SnellenError(f"there is no shelf {name!r}{hint(name, tuple(shelf.name for shelf in SHELVES))}")
    if json:
        print(jsonlib.dumps({shelf.name: [_part(shelf, part) for part in shelf.names()] for shelf in chosen}))
        return
    out = Console()
    for shelf in chosen:
        out.print(shelf.name, style="bold", markup=False, highlight=False)
        for part in shelf.names():
            about = described(shelf, part)
            settings = ", ".join(_setting(key, value) for key, value in shelf.settings(part).items())
            line = f"  {part}  {settings}  " if settings else f"  {part}  "
            out.print(f"{line}{about.what}  [{about.source}]", markup=False, highlight=False, soft_wrap=True)


def _part(shelf: Shelf, name: str) -> dict[str, Any]:
    about, settings = described(shelf, name), shelf.settings(name).items()
    return {
        "name": name, "about": about.what, "source": about.source,
        "settings": {key: plain(value) for key, value in settings if value is not ...},
        "required": [key for key, value in settings if value is ...],
    }  # fmt: skip


def _setting(key: str, value: Any) -> str:
    return f"{key} (required)" if value is ... else f"{key}={value!r}"


def safe(text: str) -> str:
    """`text` as rich prints it: nothing in it is markup."""
    # Names of files and classes are data, not markup, and a newline in one must not break a table.
    return text.replace("[", "\\[").replace("\n", "\\n")


def _findings(out: Console, rows: Sequence[Mapping[str, Any]], lang: str = "en") -> None:
    from snellen.report.words import Words
    from snellen.show_answer import findings, said_of

    words = Words.load(lang)
    findings(out, rows, words, said_of((Finding(**row) for row in rows), words) if lang != "en" else {})
