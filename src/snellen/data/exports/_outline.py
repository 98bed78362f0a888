"""One closed line for an object of several parts, holes or run lengths: for formats that hold a single polygon."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snellen.data.exports._select import Drawn
from snellen.data.silhouette import Silhouette, of_run_lengths


def outline(item: Drawn) -> np.ndarray:
    """[p, 2] x, y; parts are joined by bridges that are walked both ways and so enclose nothing. Empty: [0, 2]."""
    lines = list(item.outlines) or borders(of_run_lengths(item.rle))
    return joined([line for line in lines if len(line) >= 3])


def joined(lines: Sequence[np.ndarray]) -> np.ndarray:
    """The lines as one: each is walked whole, then back to where the first began."""
    if not lines:
        return np.zeros((0, 2))
    if len(lines) == 1:
        return lines[0]
    start = lines[0][:1]
    walked = [part for line in lines for part in (line, line[:1], start)]
    return np.concatenate([lines[0], *walked[1:]])


def borders(shape: Silhouette) -> list[np.ndarray]:
    """Lines [p, 2] along the pixels' sides that enclose exactly these pixels; holes run the other way round."""
    after = _sides(np.pad(shape.pixels, 1))
    lines = []
    while after:
        corner = start = min(after)
        line: list[tuple[int, int]] = []
        before = (0, 0)
        while not line or corner != start:
            line.append(corner)
            ways = after[corner]
            # Where two corners touch, turn to the right: pixels that touch by a corner only are separate parts.
            way = ways[0] if len(ways) == 1 else max(ways, key=lambda step: before[0] * step[1] - before[1] * step[0])
            ways.remove(way)
            if not ways:
                del after[corner]
            corner, before = (corner[0] + way[0], corner[1] + way[1]), way
        lines.append(_corners(np.asarray(line, dtype=float)) - 1 + (shape.left, shape.top))
    return lines


def _sides(pixels: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Steps (dx, dy) that leave every corner (x, y), with the inside on their right."""
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    down = pixels[1:].astype(int) - pixels[:-1]
    across = pixels[:, 1:].astype(int) - pixels[:, :-1]
    for y, x in np.argwhere(down).tolist():
        begin, step = ((x, y + 1), (1, 0)) if down[y, x] > 0 else ((x + 1, y + 1), (-1, 0))
        after.setdefault(begin, []).append(step)
    for y, x in np.argwhere(across).tolist():
        begin, step = ((x + 1, y + 1), (0, -1)) if across[y, x] > 0 else ((x + 1, y), (0, 1))
        after.setdefault(begin, []).append(step)
    return after


def _corners(line: np.ndarray) -> np.ndarray:
    """The line without the points on its straight parts."""
    turns = (np.diff(line, axis=0, prepend=line[-1:]) != np.diff(line, axis=0, append=line[:1])).any(axis=1)
    return np.asarray(line[turns])
