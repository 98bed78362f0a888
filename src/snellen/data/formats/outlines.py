"""Outlines: what one annotation gives becomes an object, with the reason why it cannot be used, if there is one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from snellen.data import run_lengths
from snellen.data.formats.sizes import Size

NAN = float("nan")
NO_BOX = (NAN, NAN, NAN, NAN)
# Words for a polygon of too few points.
_FEW = {0: "polygon without points", 1: "polygon with one point", 2: "polygon with two points"}


def drawn(
    key: str,
    label: str,
    *,
    box: Sequence[Any] | None = None,
    polygons: Sequence[Any] = (),
    rle: str = "",
    keypoints: Sequence[Any] = (),
    names: int = 0,
    crowd: bool = False,
    size: Size | None = None,
    problem: str = "",
) -> dict[str, Any]:
    """An object as a dict with the fields of `annotations.OBJECT`.

    `box` is x0, y0, x1, y1 (None: taken from the outline, else from the visible keypoints); `names` the number of
    keypoints expected; `size` the image's, where known. Coordinates stay as given. `problem` goes before what is
    found here: not a number, a polygon of too few points, run lengths that do not fit, zero area and so on.
    """
    lines, bad_line = _lines(polygons)
    dots, bad_dots = _dots(keypoints, names)
    rle, bad_rle = _runs(rle, size)
    corners, bad_box = _corners(box, lines, "" if bad_rle else rle, dots)
    return {
        "key": key,
        "label": label,
        "box": corners,
        "polygons": lines,
        "rle": rle,
        "keypoints": dots,
        "crowd": crowd,
        "problem": problem or bad_line or bad_rle or bad_dots or bad_box,
    }


def number(value: Any) -> float:
    """The value as a float; NaN for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return NAN


def numbers(values: Any) -> list[float]:
    """A list of floats; NaN for what is no number, nothing for what is no list."""
    return [number(value) for value in values] if isinstance(values, list | tuple) else []


def short_lines(polygons: Sequence[Sequence[float]]) -> int:
    """Number of polygons with fewer than three points beside sound ones."""
    short = sum(len(line) < 6 for line in polygons)
    return short if short < len(polygons) else 0


def turned(item: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """The object, drawn on the stored pixels, as it lies on the upright image of this size.

    Only for the four EXIF orientations that exchange width and height (5 to 8).
    """

    def turn(xy: np.ndarray) -> np.ndarray:
        x = size.width - xy[:, 1] if size.turn in (6, 7) else xy[:, 1]
        y = size.height - xy[:, 0] if size.turn in (7, 8) else xy[:, 0]
        return np.stack([x, y], axis=1)

    dots = np.asarray(item["keypoints"], dtype=float).reshape(-1, 3)
    corners = turn(np.asarray(item["box"], dtype=float).reshape(2, 2))
    return {
        **item,
        "box": [*corners.min(axis=0), *corners.max(axis=0)],
        "polygons": [turn(np.asarray(line).reshape(-1, 2)).reshape(-1).tolist() for line in item["polygons"]],
        "keypoints": np.concatenate([turn(dots[:, :2]), dots[:, 2:]], axis=1).reshape(-1).tolist(),
        "rle": "",
        "problem": item["problem"] or ("run lengths of a turned image" if item["rle"] else ""),
    }


def _lines(polygons: Sequence[Any]) -> tuple[list[list[float]], str]:
    """The polygons as given (an odd last value left out); a problem only where none of them is sound."""
    lines, problem, sound = [], "", False
    for polygon in polygons:
        line = numbers(polygon)
        odd = len(line) % 2
        if not all(map(math.isfinite, line)):
            problem = "not a number"
        elif odd:
            problem = problem or "polygon with an odd number of values"
        elif len(line) < 6:
            problem = problem or _FEW[len(line) // 2]
        else:
            sound = True
        lines.append(line[: len(line) - odd])
    return lines, problem if problem == "not a number" or not sound else ""


def _dots(keypoints: Sequence[Any], names: int) -> tuple[list[float], str]:
    dots = numbers(keypoints)
    if not dots:
        return [], ""
    if len(dots) % 3 or (names and len(dots) != 3 * names):
        return dots[: len(dots) // 3 * 3], "keypoints of another number"
    if not all(math.isfinite(value) for place, value in enumerate(dots) if place % 3 == 2 or dots[place // 3 * 3 + 2]):
        return dots, "not a number"
    return dots, "" if set(dots[2::3]) <= {0.0, 1.0, 2.0} else "unknown visibility"


def _runs(rle: str, size: Size | None) -> tuple[str, str]:
    if not rle:
        return "", ""
    height, width = (int(side) for side in rle.split(" ", 2)[:2])
    try:
        whole = run_lengths.fits(rle)
    except ValueError:
        return rle, "run lengths that cannot be read"
    same = size is None or (width, height) == (size.width, size.height)
    return rle, "" if whole and same else "run lengths of another size"


def _corners(
    box: Sequence[Any] | None, lines: Sequence[Sequence[float]], rle: str, dots: Sequence[float]
) -> tuple[list[float], str]:
    if box is None:
        corners = list(_around(lines, rle, dots))
        if not any(map(math.isfinite, corners)):
            return list(NO_BOX), "no box and no outline"
    elif len(box) != 4:
        return list(NO_BOX), f"box of {len(box)} numbers"
    else:
        corners = numbers(list(box))
    if not all(map(math.isfinite, corners)):
        return corners, "not a number"
    wide, high = corners[2] - corners[0], corners[3] - corners[1]
    if wide < 0 or high < 0:
        return corners, "negative size"
    return corners, "" if wide > 0 and high > 0 else "zero area"


def _around(lines: Iterable[Sequence[float]], rle: str, dots: Sequence[float]) -> tuple[float, float, float, float]:
    """The smallest box around an outline, else around the keypoints that are labelled."""
    xs = [x for line in lines for x in line[::2]]
    ys = [y for line in lines for y in line[1::2]]
    if not xs and rle:
        return run_lengths.box_of(rle)
    if not xs:
        xs = [dots[place] for place in range(0, len(dots), 3) if dots[place + 2]]
        ys = [dots[place + 1] for place in range(0, len(dots), 3) if dots[place + 2]]
    return (min(xs), min(ys), max(xs), max(ys)) if xs else NO_BOX
