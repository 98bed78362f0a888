"""What every command does with its words: values for the verbs, a bar to watch and Ctrl-C, errors as exit codes. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import typer

# After Ctrl-C: what has no --resume.
AFRESH = "Begin it again, with another --out where one was given."


def ready(
    parts: Path | None, recipe: Path | None, *, light: bool = False, again: str = AFRESH, lang: str = "en"
) -> AbstractContextManager[tuple[Any, Any]]:
    """The verbs (None where `light`) and a console on standard error; errors of ours end with exit code 2."""
    from snellen import entry

    return entry.ready(parts, recipe, light=light, again=again, lang=lang)


@contextlib.contextmanager
def watched(
    parts: Path | None, recipe: Path | None, *, saves: bool = True, lang: str = "en", again: str = ""
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The verbs, and what they are watched and stopped by. Without `saves` there is nothing to keep: Ctrl-C simply ends it.
    `again`: what to do then (empty: the same with --resume, or anew where nothing was kept)."""
    from snellen.entry import AGAIN
    from snellen.progress import Stopper, Watcher

    with ready(parts, recipe, again=again or (AGAIN if saves else AFRESH), lang=lang) as (verbs, console):
        watcher, stopper = Watcher(console, lang), Stopper(console, lang)
        with watcher.live(), stopper.listening() if saves else contextlib.nullcontext():
            yield verbs, {"watch": watcher, **({"stop": stopper} if saves else {})}


def seconds(text: str | None) -> float | None:
    """What --budget says, in seconds."""
    from snellen import entry

    return None if text is None else usage(entry.seconds, text)


def changes(
    items: list[str] | None, *, model: str | None = None, seed: int | None = None, task: str | None = None,
    split: str | None = None, stages: str | None = None, autopilot: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Recipe keys and values that the options stand for; an option of its own name wins over --set."""
    from snellen import entry

    named: dict[str, Any] = {"model.name": model} if model else {}
    named |= {"train.autopilot": True} if autopilot else {}
    # As in names of files, so on the command line: super-resolution is super_resolution.
    named |= {"task": task.replace("-", "_")} if task else {}
    named |= {} if seed is None else {"seed": seed}
    named |= usage(entry.split, split) if split else {}
    named |= {"stages": usage(entry.stages, stages)} if stages else {}
    return {**usage(entry.changes, items or []), **named}


def lang(text: str) -> str:
    """A language that reports are written in."""
    if text not in ("en", "zh"):
        raise typer.BadParameter(f"{text!r} is not a language of the report; expected en or zh", param_hint="--lang")
    return text


def usage(read: Callable[[Any], Any], given: Any) -> Any:
    """What `read` makes of a word; where it cannot, the reason and exit code 2."""
    try:
        return read(given)
    except ValueError as error:
        print(f"snellen: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
