"""Entry: from words on the command line to values, and from errors to exit codes."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from snellen.shelf import using
from snellen.values import SnellenError

# Exit code where standard output took not everything.
UNWRITTEN = 120
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
# Percent of all cores in others' hands from which the machine counts as shared, and seconds over which that is looked at.
SHARED, LOOK = 25.0, 0.1
# Turns that a thread of GNU's OpenMP waits in before it sleeps. By default it waits for milliseconds, and where two trainings share the
# cores, each keeps the other's threads from the work that it waits for (bench/busy.py). Alone the default is the faster one.
SPINS = {"GOMP_SPINCOUNT": "3000"}
# What to do after Ctrl-C: what keeps a case goes on, what keeps nothing begins again.
AGAIN = "Go on with the same command and --resume."


@contextlib.contextmanager
def ready(
    parts: Path | None, recipe: Path | None, *, light: bool = False, again: str = AGAIN, lang: str = "en"
) -> Iterator[tuple[Any, Console]]:
    """The verbs (None where `light`) and a console on standard error; errors of ours, and of the disk, end with exit code 2.
    `again`: what to do after Ctrl-C.

    The user's parts are those of `parts` and of a folder `parts` beside the recipe.
    """
    import typer

    console = Console(stderr=True)
    beside = recipe.parent / "parts" if recipe else None
    folders = [folder for folder in (parts, beside) if folder and folder.is_dir()]
    try:
        if parts and not parts.is_dir():
            raise SnellenError(f"--parts {parts} is not a folder")
        with using(*folders), _quiet():
            yield (None if light else _verbs()), console
    except SnellenError as error:
        console.print(f"snellen: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        _stopped(console, "ended at once", again, lang)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.strerror is None:
            raise
        where = error.filename or "a file that was to be written"
        console.print(
            f"snellen: {where}: {error.strerror}; look at the path, its permissions and the space left on the disk",
            style="red", markup=False, highlight=False,
        )  # fmt: skip
        raise typer.Exit(2) from None
    except Exception as error:
        if type(error).__name__ != "Interrupted":
            raise
        _stopped(console, "stopped; everything is saved", again, lang)
        raise typer.Exit(130) from None


def _stopped(console: Console, how: str, again: str, lang: str) -> None:
    from snellen.report.progress_words import speaker

    say = speaker(lang)
    console.print(f"snellen: {say(how)}. {say(again)}", markup=False, highlight=False)


def _verbs() -> Any:
    """The verbs, imported without looking for garbage meanwhile: eight hundred thousand objects are made that all stay, and looking through
    them again and again took a quarter of the time (7.4 and 5.9 seconds with it, 5.1 and 4.8 without)."""
    _make_room()
    gc.disable()
    try:
        return importlib.import_module("snellen.verbs")
    finally:
        gc.freeze()
        gc.enable()


def _make_room() -> None:
    """On a machine that others use as well, let waiting threads sleep; what the user has set stays. Only before torch is loaded."""
    import psutil

    if psutil.cpu_percent(interval=LOOK) >= SHARED:
        for name, value in SPINS.items():
            os.environ.setdefault(name, value)


def leave(code: str | int | None) -> None:
    """End the process at once, when everything is written: taking libraries apart object by object took another 1.3 seconds."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    number = code if isinstance(code, int) else int(code is not None)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        # As Python itself ends where what was printed could not be written: a full disk, a reader that has gone.
        number = UNWRITTEN
        if not isinstance(error, BrokenPipeError):
            os.write(2, f"snellen: the output could not be written: {error.strerror}\n".encode())
    os._exit(number)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Libraries' chatter is not the user's business; warnings of theirs are shown where -W or PYTHONWARNINGS asks."""
    for name in ("torch.onnx", "onnxscript", "onnx_ir", "timm", "PIL"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield


def seconds(text: str) -> float:
    """'90s', '10m', '1h30m' or a number of seconds; raises ValueError."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        found = float(text)
    elif re.fullmatch(r"(\d+(\.\d+)?[hms])+", text):
        found = sum(float(number) * UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([hms])", text))
    else:
        raise ValueError(f"--budget {text!r} is not a time; expected for example 90s, 10m or 1h30m")
    if found <= 0:
        raise ValueError(f"--budget {text!r} leaves no time; expected for example 90s, 10m or 1h30m")
    return found


def severe(text: str | None) -> frozenset[str]:
    """'warn' → warn and block; None → nothing. Raises ValueError."""
    if text is not None and text not in ("warn", "block"):
        raise ValueError(f"--fail-on {text!r} is not a severity that can fail; expected warn or block")
    return {None: frozenset[str](), "warn": frozenset(("warn", "block")), "block": frozenset(("block",))}[text]


def changes(items: list[str]) -> dict[str, Any]:
    """'optim.lr=3e-4' → {"optim.lr": 0.0003}; values are read as YAML. Raises ValueError."""
    found = {}
    for item in items:
        key, sign, text = item.partition("=")
        if not sign or not key:
            raise ValueError(f"--set {item!r} has no KEY=VALUE form; expected for example --set optim.lr=3e-4")
        found[key.strip()] = _value(text, item)
    return found


def _value(text: str, item: str) -> Any:
    # YAML 1.1 reads 3e-4 as text: a number is tried first.
    try:
        return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else float(text)
    except ValueError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {item!r}: the value is not YAML ({error})") from None


def split(text: str) -> dict[str, Any]:
    """'random', 'time' or 'time=COLUMN' → recipe keys; raises ValueError."""
    how, sign, column = text.partition("=")
    if how == "time" and bool(sign) == bool(column):
        return {"data.time": column or "auto"}
    if text == "random":
        return {"data.time": None}
    raise ValueError(f"--split {text!r} is not known; expected random (the default), time, or time=COLUMN")


def stages(text: str) -> list[dict[str, Any]]:
    """'head=10,all=20' → the recipe's stages, with the rates that the staged recipe has; raises ValueError."""
    scales = {"head": 5.0, "last": 0.5, "all": 0.25}
    found = []
    for item in text.split(","):
        name, sign, number = item.strip().partition("=")
        if name not in scales or not sign or not number.isdecimal() or int(number) < 1:
            raise ValueError(f"--stages {text!r}: {item!r} is not of the form head=10; stages are head, last, all")
        warmup = {"warmup": min(5.0, int(number) / 5)} if name == "all" else {}
        found.append({"name": name, "unfreeze": name, "epochs": int(number), "lr_scale": scales[name], **warmup})
    return found
