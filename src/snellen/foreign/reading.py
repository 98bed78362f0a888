"""Reading: what the log of another tool told, in the words in which the run rules ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snellen.values import freeze

# What a column can mean. Losses in the unit of the log, accuracies 0..1 or per cent, rates as they are.
ROLES = ("epoch", "step", "train", "val", "train_accuracy", "val_accuracy", "lr", "norm")
NAMED = {
    "train": "training loss",
    "val": "validation loss",
    "train_accuracy": "training accuracy",
    "val_accuracy": "validation accuracy",
    "lr": "learning rate",
    "norm": "gradient norm",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One log. `signals` are records as a run stores them, one per meter and epoch; `columns` maps a role to the name it had in
    the log; `known` maps recipe keys to what the log says of them; `nats` tells whether the loss is a cross-entropy in nats;
    `rows` counts what was read; `notes` say what was assumed, left out or could not be read."""

    path: Path
    format: str
    framework: str
    signals: tuple[Mapping[str, Any], ...]
    columns: Mapping[str, str]
    rows: int
    nats: bool
    known: Mapping[str, Any] = field(default_factory=dict)
    classes: int | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("signals", "columns", "known"):
            object.__setattr__(self, name, freeze(getattr(self, name)))

    @property
    def epochs(self) -> int:
        """Epochs (or what stands for them) that have a record."""
        return len({item["epoch"] for item in self.signals})

    @property
    def unseen(self) -> tuple[str, ...]:
        """What run rules read and this log does not hold, in words."""
        return tuple(words for role, words in NAMED.items() if role not in self.columns)


def shown(name: str, most: int = 60) -> str:
    """A name out of a file, fit for a terminal: one line, no control characters, at most `most` letters."""
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name.strip())
    return text if len(text) <= most else text[: most - 1] + "…"
