"""Gather: numbers of a log as they come, in; a Reading, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from snellen.foreign.epochs import Group, Grouped, by_validation, signals, whole
from snellen.foreign.lines import Trouble, number, table
from snellen.foreign.reading import Reading, shown
from snellen.values import SnellenError

By = Literal["epoch", "step", "row"]
# How tools write that there is no value.
EMPTY = ("", "NA", "N/A", "None", "null", "-")
VALIDATION = ("val", "val_accuracy")
CURVES = ("train", "val", "train_accuracy", "val_accuracy")


@dataclass(slots=True)
class Gather:
    """Takes rows in, at most 2,048 groups of them. `by`: what a row is counted by; rows that lack it are left out.

    `replace`: see `Grouped`; `one`: the log numbers its epochs or steps from 1.
    """

    by: By
    trouble: Trouble
    replace: bool = False
    rows: int = 0
    training: Grouped = field(default_factory=Grouped)
    validation: Grouped = field(default_factory=Grouped)

    def __post_init__(self) -> None:
        self.training.replace = self.replace

    def add(self, values: Mapping[str, float | None], at: float | None) -> None:
        """One row: numbers by role, and the epoch or step it belongs to."""
        self.rows += 1
        given = {role: value for role, value in values.items() if value is not None}
        key = self.rows - 1 if self.by == "row" else whole(at)
        if key is None:
            if given:
                self.trouble(f"rows without a whole {self.by} were left out")
            return
        if self.by == "epoch":
            self.training.add(key, given)
            return
        side = {role: value for role, value in given.items() if role in VALIDATION}
        if side:
            self.validation.add(key, side)
        if len(given) > len(side):
            self.training.add(key, {role: value for role, value in given.items() if role not in VALIDATION})

    def groups(self) -> list[tuple[int, Group]]:
        """One group for each epoch, or for what stands for one."""
        if self.by == "epoch":
            return self.training.sorted()
        return list(by_validation(self.training, self.validation))

    def notes(self) -> list[str]:
        """What was done to the rows to make epochs of them."""
        found, width = [], max(self.training.width, self.validation.width)
        if self.training.backward or self.validation.backward:
            found.append(f"rows were not in the order of {self.by}s and were put in order")
        if self.training.again:
            found.append(
                f"{self.training.again} epochs stand there more than once (a training that was begun again?): the last counts"
            )
        if width > 1:
            found.append(f"there are so many {self.by}s that {width} of them in a row were averaged into one")
        if self.by != "epoch" and not self.validation.groups:
            found.append(
                f"the log names no epochs and has no validation: equal parts of its {self.by}s stand for epochs"
            )
        elif self.by == "step":
            found.append("what lies between two validations is taken as one epoch")
        elif self.by == "row":
            found.append("the log names neither epoch nor step: each row is taken as one, in the order of the file")
        return found


def finish(
    gather: Gather, *, path: Path, format: str, framework: str, columns: Mapping[str, str], nats: bool | None = None,
    known: Mapping[str, Any] | None = None, notes: Sequence[str] = (),
) -> Reading:  # fmt: skip
    """The reading of what was gathered; `nats` None: a cross-entropy where there is an accuracy beside it.

    Raises SnellenError where there is no loss and no accuracy.
    """
    groups = gather.groups()
    seen = {role for _, group in groups for role, spread in group.items() if spread.n or spread.broken}
    if not seen & set(CURVES):
        raise SnellenError(_nothing(path, gather, columns))
    accuracies = seen & {"train_accuracy", "val_accuracy"}
    # Both are told alike: one that stays at chance would look like a share by itself.
    percent = frozenset(accuracies) if any(_most(groups, role) > 1.5 for role in accuracies) else frozenset[str]()
    assumed = [f"{role.replace('_', ' ')} is read as per cent" for role in sorted(percent)]
    classified = any(role.endswith("accuracy") for role in seen)
    if nats is None:
        nats = classified
        assumed.append(
            "the loss is taken for a cross-entropy in nats, because an accuracy stands beside it"
            if nats
            else "whether the loss is a cross-entropy is not known: rules whose limits are in nats do not look (--classes N tells them)"
        )
    if "train" in seen:
        assumed.append(
            "the training loss is that of training mode, averaged over an epoch (augmentation and dropout raise it): "
            "the gap to validation is, as a rule, larger than it looks here"
        )
    peak = _most(groups, "lr") if "lr" in seen else 0.0
    rate = {"optim.lr": peak} if peak > 0 else {}
    return Reading(
        path=path, format=format, framework=framework, signals=tuple(signals(groups, percent=percent)),
        columns={role: shown(columns.get(role, role)) for role in (*CURVES, "lr", "norm") if role in seen},
        rows=gather.rows, nats=nats, known={**rate, **(known or {})},
        notes=(*notes, *assumed, *gather.notes(), *gather.trouble.notes),
    )  # fmt: skip


def _most(groups: Sequence[tuple[int, Group]], role: str) -> float:
    return max((group[role].most for _, group in groups if role in group and group[role].n), default=0.0)


def _nothing(path: Path, gather: Gather, columns: Mapping[str, str]) -> str:
    where = f" (columns that were read: {', '.join(map(shown, columns.values()))})" if columns else ""
    met = f" ({'; '.join(gather.trouble.notes)})" if gather.trouble.notes else ""
    return (
        f"{path} holds no loss and no accuracy in {gather.rows} rows{where}{met}; expected columns such as epoch, train_loss, "
        "val_loss, val_accuracy"
    )


def from_table(
    path: Path, *, format: str, framework: str, columns: Mapping[str, Sequence[str]], replace: bool = False,
    carry: bool = False, nats: bool | None = None, notes: Sequence[str] = (),
) -> Reading:  # fmt: skip
    """Read a table in one pass. `columns` maps a role to the columns whose sum it is; `carry`: a row that names no epoch
    belongs to the one named last."""
    trouble = Trouble()
    by: By = "epoch" if "epoch" in columns else "step" if "step" in columns else "row"
    gather, last = Gather(by, trouble, replace), 0.0
    for row in table(path, trouble):
        values = {role: _sum(row, names, trouble) for role, names in columns.items()}
        at = values.pop(by, None)
        if carry:
            at = last = last if at is None else at
        gather.add({role: value for role, value in values.items() if role not in ("epoch", "step")}, at)
    named = {role: " + ".join(names) for role, names in columns.items()}
    return finish(gather, path=path, format=format, framework=framework, columns=named, nats=nats, notes=notes)


def _sum(row: Mapping[str, str], names: Sequence[str], trouble: Trouble) -> float | None:
    total = 0.0
    for name in names:
        cell = row[name].strip()
        value = number(cell)
        if value is None:
            if cell not in EMPTY:
                trouble(f"cells of {shown(name)!r} that are no numbers were left out")
            return None
        total += value
    return total
