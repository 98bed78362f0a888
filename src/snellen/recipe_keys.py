"""Dotted keys of a recipe: stages.all.epochs; entries of lists are reached by position or by name."""

from __future__ import annotations

from typing import Any

from snellen.shelf import hint
from snellen.values import SnellenError


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dicts and lists as one dict of dotted keys."""
    if isinstance(tree, dict) and tree:
        return {k: v for key, item in tree.items() for k, v in flatten(item, f"{prefix}{key}.").items()}
    if isinstance(tree, list) and tree:
        return {k: v for key, item in enumerate(tree) for k, v in flatten(item, f"{prefix}{key}.").items()}
    return {prefix[:-1]: tree}


def put(tree: Any, dotted: str, value: Any) -> None:
    """Set what a dotted key of nested dicts and lists holds, in place; raises SnellenError naming the nearest known key."""
    *way, last = dotted.split(".")
    node = tree
    for depth, step in enumerate(way):
        node = _step(node, step, ".".join(way[: depth + 1]))
    if isinstance(node, list):
        node[_index(node, last, dotted)] = value
    elif isinstance(node, dict):
        # Settings of a part are open here: the part's own signature checks them.
        if last not in node and (not way or way[-1] not in ("settings", "rates")):
            raise SnellenError(f"recipe has no key {dotted!r}{hint(last, node)}")
        if last == "name" and "settings" in node and node["name"] != value:
            # Settings belong to the part that had them: another one begins with its own.
            node["settings"] = {}
        node[last] = value
    else:
        raise SnellenError(f"recipe key {dotted!r}: {'.'.join(way)} holds the value {node!r} and has no keys below it")


def _step(node: Any, step: str, dotted: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, step, dotted)]
    if not isinstance(node, dict) or step not in node:
        raise SnellenError(f"recipe has no key {dotted!r}{hint(step, node if isinstance(node, dict) else {})}")
    return node[step]


def _index(node: list[Any], step: str, dotted: str) -> int:
    # Stages and parts are reached by position or by name: stages.all.epochs.
    named = [i for i, item in enumerate(node) if isinstance(item, dict) and item.get("name") == step]
    if named:
        return named[0]
    if step.isdecimal() and int(step) < len(node):
        return int(step)
    names = [str(item.get("name")) for item in node if isinstance(item, dict)]
    raise SnellenError(f"recipe key {dotted!r}: no entry {step!r}, there are {len(node)}: {', '.join(names)}")


def names_first(keys: list[str]) -> list[str]:
    """Dotted keys in their order, but settings of a part behind its name."""
    places = {key: place for place, key in enumerate(keys)}

    def rank(key: str) -> tuple[int, bool]:
        part, settings, _ = key.partition(".settings")
        return max(places[key], places.get(f"{part}.name", -1) if settings else -1), bool(settings)

    return sorted(keys, key=rank)
