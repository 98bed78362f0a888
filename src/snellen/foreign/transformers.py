"""Hugging Face's trainer_state.json: `log_history` holds a small object for each time that something was logged.

Source: transformers/trainer_callback.py, `TrainerState`; transformers/trainer.py, `Trainer.log`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from snellen.foreign.gather import Gather, finish
from snellen.foreign.head import Head
from snellen.foreign.lines import Trouble, number
from snellen.foreign.reading import Reading
from snellen.values import SnellenError

ROLES = {
    "train": "loss",
    "val": "eval_loss",
    "val_accuracy": "eval_accuracy",
    "lr": "learning_rate",
    "norm": "grad_norm",
}
PIECE, LARGEST = 1 << 16, 1 << 20
ENTRIES = re.compile(r'"log_history"\s*:\s*\[')


def detect(head: Head) -> bool:
    """By its name, or by its entries."""
    return head.path.name == "trainer_state.json" or bool(ENTRIES.search(head.text))


def read(head: Head) -> Reading:
    """The entries one by one, so that a torn or very long file is read as far as it goes."""
    trouble = Trouble()
    gather = Gather("step", trouble)
    for entry in entries(head.path, trouble):
        if "step" in entry:
            values = {role: number(entry[name]) for role, name in ROLES.items() if name in entry}
            gather.add(values, number(entry["step"]))
    # The batch and the planned steps stand before or after the entries: they are read where the head holds them.
    batch = re.search(r'"train_batch_size"\s*:\s*(\d{1,9})\b', head.text)
    known = {"train.batch": int(batch[1])} if batch and int(batch[1]) else {}
    return finish(
        gather,
        path=head.path,
        format="Hugging Face trainer_state.json",
        framework="transformers",
        columns=ROLES,
        known=known,
    )


def entries(path: Path, trouble: Trouble) -> Iterator[Mapping[str, Any]]:
    """The objects of the list `log_history`, with at most 1 MB of text in memory."""
    decoder, texts = json.JSONDecoder(), pieces(path)
    waiting = _begin(path, texts)
    while True:
        waiting = waiting.lstrip().removeprefix(",").lstrip()
        if waiting.startswith("]"):
            return
        try:
            entry, end = decoder.raw_decode(waiting)
        except (ValueError, RecursionError):
            more = next(texts, "")
            if not more or len(waiting) > LARGEST:
                trouble(
                    "the list of entries ends in the middle or holds what is not JSON: what stands before it was read"
                )
                return
            waiting += more
            continue
        # A number at the end of a piece may go on in the next.
        waiting = waiting[end:]
        if isinstance(entry, dict):
            yield entry
        else:
            trouble("entries that are no objects were left out")


def _begin(path: Path, texts: Iterator[str]) -> str:
    waiting = ""
    for text in texts:
        waiting = waiting[-64:] + text
        if found := ENTRIES.search(waiting):
            return waiting[found.end() :]
    raise SnellenError(
        f"{path} has no list log_history; give the trainer_state.json that the Hugging Face Trainer saved"
    )


def pieces(path: Path) -> Iterator[str]:
    """A file's text, 64 kB at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with path.open("rb") as file:
        while data := file.read(PIECE):
            yield decoder.decode(data)
        yield decoder.decode(b"", final=True)
