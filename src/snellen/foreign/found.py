"""Which log a file or folder holds: the formats in the order in which they are asked, and one log of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from snellen.foreign import (
    fastai,
    keras,
    lightning,
    mmengine,
    paddle,
    plain_table,
    recorded,
    tensorboard,
    timm,
    transformers,
    ultralytics,
)
from snellen.foreign.head import Head
from snellen.foreign.reading import Reading, shown
from snellen.values import SnellenError

# The narrowest first: a plain table is whatever is left.
FORMATS: tuple[ModuleType, ...] = (
    recorded, tensorboard, transformers, ultralytics, timm, fastai, lightning, keras, mmengine, paddle, plain_table
)  # fmt: skip
# What a log is called where tools write it into a folder, the richest first.
NAMES = (
    "recording.json", "trainer_state.json", "results.csv", "summary.csv", "metrics.csv", "history.csv", "scalars.json",
    "*.log.json", "vdlrecords.*", "*.tfevents.*", "history.json", "*.csv", "*.tsv", "train.log", "workerlog.0", "*.log",
)  # fmt: skip
DEEPEST, MOST_FILES, TOLD = 6, 50_000, 8
VALIDATION = ("validation", "valid", "val", "eval", "test")
EXPECTED = (
    "expected results.csv (Ultralytics), metrics.csv (Lightning), trainer_state.json (Hugging Face), a CSVLogger table or "
    "history JSON (Keras), history.csv (fastai), summary.csv (timm), scalars.json (MMEngine), a Paddle text log, TensorBoard "
    "event files, or any table with a loss"
)


def read_log(path: Path) -> Reading:
    """Read the log that a file is or a folder holds. Raises SnellenError where there is none, several, or none that can be read."""
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise SnellenError(f"{path} does not exist; {EXPECTED}")
    return _file(path)


def _file(path: Path) -> Reading:
    head = Head.of(path)
    if path.name.startswith("vdlrecords."):
        raise SnellenError(
            f"{path} is VisualDL's binary record, which is not read; give the text log of the same training"
        )
    for format_ in FORMATS:
        if format_.detect(head):
            reading: Reading = format_.read(head)
            return reading
    kind = "binary" if not head.text else "text"
    raise SnellenError(f"{path} is {kind} in which no log of a training is recognised; {EXPECTED}")


def _folder(root: Path) -> Reading:
    found = list(_logs(root))
    if not found:
        raise SnellenError(f"{root} holds no log of a training; {EXPECTED}")
    places = {path.parent for path in found}
    if len(places) == 1 or places == {root}:
        return _of_place(found)
    # What lies in the folder itself is meant before what lies below it.
    own = [path for path in found if path.parent == root and _rank(path.name) < NAMES.index("history.json")]
    if own:
        return _of_place(own)
    return _checkpoints(found) or _two_sides(found) or _several(root, sorted(places))


def _of_place(found: Sequence[Path]) -> Reading:
    best = min(_rank(path.name) for path in found)
    chosen = sorted(path for path in found if _rank(path.name) == best)
    if ".tfevents." in chosen[0].name:
        # Names hold the time at which a file was begun: a training that was resumed goes on in the next.
        return tensorboard.read_files(chosen)
    if len(chosen) > 1:
        _several(chosen[0].parent, chosen)
    reading = _file(chosen[0])
    others = len(found) - 1
    note = (f"{others} other log{'s' * (others > 1)} of the folder were not read",) if others else ()
    return replace(reading, notes=(*reading.notes, *note))


def _checkpoints(found: Sequence[Path]) -> Reading | None:
    """The newest of the checkpoints of one training: each trainer_state.json repeats what the earlier told."""
    numbered = {path: re.fullmatch(r"checkpoint-(\d{1,12})", path.parent.name) for path in found}
    if any(not match or path.name != "trainer_state.json" for path, match in numbered.items()):
        return None
    if len({path.parent.parent for path in found}) > 1:
        return None
    return _file(max(found, key=lambda path: int(path.parent.name.removeprefix("checkpoint-"))))


def _two_sides(found: Sequence[Path]) -> Reading | None:
    """Keras writes training and validation into two folders of event files."""
    events = sorted(path for path in found if ".tfevents." in path.name)
    if len(events) < len(found) or len({path.parent.parent for path in events}) > 1:
        return None
    names = {path.parent.name for path in events}
    if len(names) != 2 or "train" not in names or not names & set(VALIDATION):
        return None
    sides = ["train/" if path.parent.name == "train" else "val/" for path in events]
    return tensorboard.read_files(events, sides)


def _several(root: Path, places: Sequence[Path]) -> Reading:
    told = ", ".join(shown(str(place.relative_to(root)), 120) for place in places[:TOLD])
    more = f" and {len(places) - TOLD} more" if len(places) > TOLD else ""
    raise SnellenError(f"{root} holds the logs of {len(places)} trainings: {told}{more}; give one of them")


def _rank(name: str) -> int:
    return next((rank for rank, pattern in enumerate(NAMES) if Path(name).match(pattern)), len(NAMES))


def _logs(root: Path) -> Iterator[Path]:
    """Files below `root` that are called as logs are; at most six folders deep and among 50,000 files, following no link."""
    waiting, seen = [(root, 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                seen += 1
                if seen > MOST_FILES:
                    raise SnellenError(
                        f"{root} holds more than {MOST_FILES:,} files; give the log itself or its own folder"
                    )
                if entry.is_dir(follow_symlinks=False) and depth < DEEPEST and not entry.name.startswith("."):
                    waiting.append((Path(entry.path), depth + 1))
                elif entry.is_file(follow_symlinks=False) and _rank(entry.name) < len(NAMES):
                    yield Path(entry.path)
