"""The end of run, audit, train, heal and demo for a reader, in the language of the report."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from snellen.case import Case
from snellen.report.headline import gate_message
from snellen.report.proofs import because
from snellen.report.words import Words
from snellen.show import COLOURS, safe
from snellen.values import Finding

Row = Mapping[str, Any]


def summary(given: Row, *, lang: str, hint: str) -> None:
    """Print what was found, tried and measured, and where the report lies; `hint`: name of the text that says what comes next."""
    out, words = Console(), Words.load(lang)
    findings(out, given["findings"], words, told(given, words))
    if "planted" in given:
        _planted(out, given["planted"], words)
    if given["verdicts"]:
        _verdicts(out, given, words)
    if given["test"]:
        _scores(out, given["test"], words)
    for split, row in given.get("leak", {}).items():
        out.print(safe(_leak(split, row, words)), highlight=False)
    for gate in given["gates"]:
        mark, colour = ("passed", "green") if gate["passed"] else ("failed", "red")
        said = gate["message"] if words.lang == "en" else gate_message(gate, words)
        out.print(
            words("terminal.gate", {"mark": f"[{colour}]{words(f'terminal.{mark}')}[/]"}), safe(said), highlight=False
        )
    for item in given["artifacts"]:
        out.print(safe(words("terminal.artifact", item)), highlight=False, soft_wrap=True)
    spent = words("terminal.spent", {"seconds": given["seconds"], "memory": given["peak_bytes"] / 2**30})
    said = words("terminal.report", {"report": given["report"], "spent": spent})
    out.print(safe(said), style="bold", highlight=False, soft_wrap=True)
    if hint:
        folder = {"folder": shlex.quote(given["run"])}
        out.print(safe(words(f"terminal.{hint}", folder)), style="dim", highlight=False, soft_wrap=True)


def told(given: Row, words: Words) -> Mapping[tuple[str, str], str]:
    """Messages of findings in another language than English, by rule and English message: they need the evidence, which the
    answer of a verb does not carry."""
    if words.lang == "en":
        return {}
    case = Case(Path(given["run"]))
    return said_of([*case.audit, *(finding for run in case.runs for finding in run.findings)], words)


def said_of(found: Iterable[Finding], words: Words) -> Mapping[tuple[str, str], str]:
    """Their messages in this language, by rule and English message."""
    return {(finding.rule, finding.message): words.finding(finding) for finding in found}


def findings(out: Console, rows: Sequence[Row], words: Words, said: Mapping[tuple[str, str], str]) -> None:
    """A table of what calls for attention; rules are named as `snellen explain` takes them."""
    serious = [row for row in rows if row["severity"] != "info"]
    if not serious:
        out.print(words("terminal.nothing"))
        return
    table = _table(words, "findings", "rule", "severity", "seen")
    for row in serious:
        severity = _label(words, "severity", row["severity"])
        message = said.get((row["rule"], row["message"]), row["message"])
        table.add_row(
            _named(words, "rules", row["rule"], "\n"), f"[{COLOURS[row['severity']]}]{severity}[/]", safe(message)
        )
    out.print(table)


def _label(words: Words, kind: str, name: str) -> str:
    return name if words.lang == "en" else words.label(kind, name)


def _named(words: Words, kind: str, name: str, between: str = " ") -> str:
    # The English name is what the commands take, so it stays.
    return name if words.lang == "en" else f"{words.label(kind, name)}{between}{name}"


def _verdicts(out: Console, given: Row, words: Words) -> None:
    known = Case(Path(given["run"])).verdicts if words.lang != "en" else ()
    reasons = [because(verdict, words) for verdict in known] or [row["reason"] for row in given["verdicts"]]
    out.print(words("terminal.remedies"), style="bold")
    for row, reason in zip(given["verdicts"], reasons, strict=True):
        effect = (
            ""
            if row["effect"] is None
            else f"  {row['effect']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}] {row['metric']}"
        )
        decision = _label(words, "decisions", row["decision"])
        names = {"remedy": _named(words, "remedies", row["remedy"]), "finding": _named(words, "rules", row["finding"])}
        head = f" [{COLOURS[row['decision']]}]{decision}[/]{' ' * (10 - cell_len(decision))}" + words(
            "terminal.remedy", names
        )
        out.print(head + safe(effect), highlight=False, soft_wrap=True)
        out.print(safe(f"           {reason}"), style="dim", highlight=False, soft_wrap=True)


def _scores(out: Console, test: Mapping[str, Row], words: Words) -> None:
    table = _table(words, "test", "metric", "value", "interval", "n")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in test.items():
        if row["value"] is not None:
            table.add_row(
                safe(_label(words, "metrics", name)),
                f"{row['value']:.3f}",
                "–" if row["low"] is None else f"{row['low']:.3f} – {row['high']:.3f}",
                str(row["n"]),
            )
    out.print(table)


def _leak(split: str, row: Row, words: Words) -> str:
    names = {"split": _label(words, "splits", split), "metric": _label(words, "metrics", row["metric"])}
    return words("terminal.leak_all" if row["without"] is None else "terminal.leak", {**row, **names})


def _planted(out: Console, planted: Mapping[str, Row], words: Words) -> None:
    table = _table(words, "planted", "kind", "count", "found")
    for kind, row in planted.items():
        table.add_row(_label(words, "planted", kind), str(row["planted"]), str(row["found"]))
    out.print(table)


def _table(words: Words, title: str, *names: str) -> Table:
    table = Table(title=words(f"terminal.{title}"), title_justify="left", title_style="bold", box=None)
    for place, name in enumerate(names):
        # Folded, because wide characters make the default cut words off.
        table.add_column(words(f"terminal.{name}"), no_wrap=place < len(names) - 1, overflow="fold")
    return table
