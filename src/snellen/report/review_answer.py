"""From what the page sends to one answer in the journal; whatever does not fit the item is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from snellen.report.review_desk import ANSWERS, MOST_LETTERS, Desk
from snellen.report.review_items import Item
from snellen.report.review_view import acceptable, place_of, suggested
from snellen.report.words import visible


class Misfit(ValueError):
    """An answer that does not fit its item; the text says why."""


def take(desk: Desk, given: Any) -> int:
    """Store {"n": item, "answer", and where it applies "place": picked object, "classes": [numbers], "new": name}.

    Returns the item's number; raises Misfit.
    """
    n = _number(given, "n", len(desk.asked.items))
    item = desk.asked.items[n]
    answer = given.get("answer")
    if answer not in ANSWERS:
        raise Misfit(f"answer is {answer!r}, expected one of {', '.join(ANSWERS)}")
    row = desk.row(item.sample)
    objects = row.get("objects") or []
    focus = place_of(item, objects)
    place = focus if given.get("place") is None else _number(given, "place", len(objects))
    aside = place != focus
    labels, box = _changed(desk, item, row, given, place, aside)
    obj = None if place is None else {"key": objects[place]["key"] if place >= 0 else item.key, "place": place}
    desk.add(item, answer, obj=obj, labels=labels, box=box, aside=aside)
    return n


def _changed(
    desk: Desk, item: Item, row: Mapping[str, Any], given: Mapping[str, Any], place: int | None, aside: bool
) -> tuple[Sequence[str] | None, Sequence[float] | None]:
    missing = place is not None and place < 0
    if given["answer"] == "relabel":
        if place is None and desk.catalog.task not in ("classification", "multilabel"):
            raise Misfit(f"a whole image of a {desk.catalog.task} task has no label; pick one of its objects")
        if missing and item.box is None:
            raise Misfit("no box is suggested for the missing object")
        several = place is None and desk.catalog.task == "multilabel"
        return _labels(desk, given, several=several), item.box if missing else None
    if given["answer"] == "accept":
        if aside:
            raise Misfit("there is no suggestion to accept here")
        box, labels = suggested(desk, item, row, place)
        if not acceptable(place, box, labels):
            raise Misfit("there is no suggestion to accept here")
        return labels or None, box
    return None, None


def _labels(desk: Desk, given: Mapping[str, Any], *, several: bool) -> list[str]:
    chosen = given.get("classes") or []
    if not isinstance(chosen, list) or not all(type(c) is int and 0 <= c < len(desk.classes) for c in chosen):
        raise Misfit("classes must be numbers of classes")
    labels = [desk.classes[number] for number in dict.fromkeys(chosen)]
    new = given.get("new")
    if new is not None:
        if not isinstance(new, str) or not new.strip() or len(new) > MOST_LETTERS or visible(new) != new:
            raise Misfit(f"a new class needs a name of 1 to {MOST_LETTERS} visible letters")
        labels.append(new.strip())
    if not several and len(labels) != 1:
        raise Misfit("exactly one class must be chosen")
    return list(dict.fromkeys(labels))


def _number(given: Any, name: str, limit: int) -> int:
    value = given.get(name) if isinstance(given, dict) else None
    if type(value) is not int or not 0 <= value < limit:
        raise Misfit(f"{name} must be a number below {limit}")
    return value
