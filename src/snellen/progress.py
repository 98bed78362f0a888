"""Progress: what the verbs are doing, on standard error, with the time left; and Ctrl-C that saves."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from snellen.report.progress_words import speaker


class Watcher:
    """Called with events: {"title"}, {"done", "total", …}, {"notice"}, {"advice", "estimate"}; tells them in a language."""

    def __init__(self, console: Console, lang: str = "en") -> None:
        self.console, self._lang, self._say = console, lang, speaker(lang)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn(self._say("left")),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._began = time.monotonic()

    def __call__(self, event: Mapping[str, Any]) -> None:
        if "title" in event:
            self._begin(self._say(str(event["title"])))
        if "done" in event and self._task is not None:
            self._bar.update(self._task, completed=event["done"], total=event["total"], note=self._note(event))
        if "notice" in event:
            self.console.print(self._say(f"note: {self._say(str(event['notice']))}"), markup=False, highlight=False)
        if "advice" in event:
            self.console.print(self._advice(event["advice"], event["estimate"]))

    def _begin(self, title: str) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        # Where nobody watches a bar move, a line a phase is what a log wants.
        if not self.console.is_terminal:
            self.console.print(f"{time.monotonic() - self._began:6.1f} s  {title}", markup=False, highlight=False)
        self._task = self._bar.add_task(title, total=None, note="")

    @contextmanager
    def live(self) -> Iterator[Watcher]:
        """Show the bar within the block."""
        if not self.console.is_terminal:
            yield self
            return
        with self._bar:
            yield self

    def _note(self, event: Mapping[str, Any]) -> str:
        if "stage" not in event:
            return ""
        score = "" if event["score"] is None else f"  {event['metric']} {event['score']:.3f}"
        return f"{event['stage']} {event['epoch']}/{event['epochs']}  {self._say('loss')} {event['loss']:.3f}{score}"

    def _advice(self, choices: list[Mapping[str, Any]], estimate: float) -> Table:
        title = self._say(f"Recommended recipe (one training takes about {estimate:.0f} s)")
        table = Table(title=title, title_justify="left", box=None, show_header=False)
        table.add_column(overflow="fold")
        for choice in choices:
            reason = (self._lang != "en" and choice.get("reason_zh")) or choice["reason"]
            text = Text.assemble((str(choice["key"]), "bold"), f" = {_brief(choice['value'])}  ")
            text.append(f"{reason} ({choice['source']})", style="dim")
            table.add_row(text)
        return table


def _brief(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(
            f"{item['name']} {item['epochs']}" if "epochs" in item else str(item["name"]) for item in value
        )
    return str(value)


# Seconds after which a loop that did not ask is taken not to be running.
PATIENCE = 10.0


class Stopper:
    """Asked by the loop whether to stop: true after the first Ctrl-C. The second one ends the program at once."""

    def __init__(self, console: Console, lang: str = "en") -> None:
        self._asked = threading.Event()
        self._console, self._say = console, speaker(lang)
        self._polled = 0.0

    def __call__(self) -> bool:
        self._polled = time.monotonic()
        return self._asked.is_set()

    @contextmanager
    def listening(self) -> Iterator[Stopper]:
        """Catch SIGINT and SIGTERM within the block."""
        old = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, action in old.items():
                signal.signal(number, action)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        # Outside training nobody asks: there is nothing to save that is not saved, so the program ends at once.
        if self._asked.is_set() or time.monotonic() - self._polled > PATIENCE:
            raise KeyboardInterrupt
        self._asked.set()
        told = "Stopping after this step; what was trained is saved. Press Ctrl-C again to end at once."
        self._console.print(f"\n{self._say(told)}")
