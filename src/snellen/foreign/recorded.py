"""What Snellen's own callbacks recorded in another tool's training (`snellen.record`): recording.json and signals.jsonl."""

from __future__ import annotations

from typing import Any

from snellen import store
from snellen.foreign.head import Head
from snellen.foreign.reading import Reading, shown
from snellen.values import SnellenError

ABOUT, SIGNALS = "recording.json", "signals.jsonl"
ROLES = ("train", "val", "train_accuracy", "val_accuracy")


def detect(head: Head) -> bool:
    """By its name: the format is ours."""
    return head.path.name == ABOUT


def read(head: Head) -> Reading:
    """The records as they are. Raises SnellenError where none was made, or one before the last is damaged."""
    about: dict[str, Any] = store.read_json(head.path)
    records = store.Journal(head.path.parent / SIGNALS).read() if isinstance(about, dict) else []
    records = [item for item in records if isinstance(item.get("epoch"), int) and isinstance(item["meter"], str)]
    if not records:
        raise SnellenError(f"{head.path.parent} is a recording without any epoch: the training ended before its first")
    last = max(item["epoch"] for item in records)
    # When the number was met, nobody knew how long training would go on.
    records = [{**item, "of": last} if item["meter"] == "nonfinite" else item for item in records]
    losses = [item for item in records if item["meter"] == "loss"]
    columns = {role: role for role in ROLES if any(item.get(role) is not None for item in losses)}
    meters = {item["meter"] for item in records}
    columns |= {role: meter for role, meter in (("lr", "rate"), ("norm", "gradient")) if meter in meters}
    known = {key: about[key] for key in ("optim.lr", "train.batch") if isinstance(about.get(key), int | float)}
    notes = ("the training loss is that of training mode, averaged over an epoch",)
    return Reading(
        path=head.path.parent, format="Snellen recording", framework=shown(str(about.get("framework", ""))),
        signals=tuple(records), columns=columns, rows=len(records), nats=about.get("loss") == "cross_entropy",
        known=known, classes=_count(about.get("classes")), notes=notes,
    )  # fmt: skip


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 2 else None
