"""What it does
Lists the objects whose left and right points of a pair lie the other way round than in most of the data set, seen along a
line through other points of the object.

Why it matters
Left and right look alike; every swapped pair teaches the opposite, and the model settles in between.

Known problems
Where animals or people are seen from both sides (a face, a back), there is no usual order: lines along which fewer than the
share `agree` of the objects have one order are not asked, and a pair without such a line is not judged.

Source
SPEC D5.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.keypoints import Points, strays
from snellen.rules.objects import objects_finding
from snellen.values import Finding

TASKS = ("keypoints",)
_ABOUT = {"task": "keypoints", "keypoints": ["nose", "left_ear", "right_ear", "tail"]}


def _animal(number: int, *, left: float = 4.0, right: float = 16.0) -> dict[str, object]:
    x, y = 10.0 + 7 * (number % 5), 12.0 + 5 * (number % 3)
    flat = [x, y + 10, 2, x + 8, y + left, 2, x + 8, y + right, 2, x + 40, y + 10 + number % 4, 2]
    return {"key": str(number), "label": "cat", "box": [x - 5, y, x + 45, y + 20], "keypoints": flat}


_GOOD = [_animal(number) for number in range(30)]
FIRES = (
    {"catalog": {"objects": [[*_GOOD, _animal(31, left=16.0, right=4.0)]]}, "about": _ABOUT},
    {
        "catalog": {"objects": [_GOOD, [_animal(32, left=15.0, right=5.0), _animal(33, left=17.0, right=3.0)]]},
        "about": _ABOUT,
    },
)
SILENT = (
    {"catalog": {"objects": [_GOOD]}, "about": _ABOUT},
    # Half of them one way, half the other: there is no usual order.
    {"catalog": {"objects": [[*_GOOD[:15], *(_animal(i, left=16.0, right=4.0) for i in range(15))]]}, "about": _ABOUT},
)

# The sine of the angle between the line and the pair, below which a point lies on neither side.
CLEAR = 0.1
# What `stray_keypoints` finds is its business.
FAR, LEAST = 6.0, 0.4


def swapped_keypoints(catalog: Catalog, *, agree: float = 0.75, few: int = 20) -> list[Finding]:
    """One finding; an object counts where the lines that can be asked say so on the whole."""
    points = Points.of(catalog)
    if len(points.places) < few or not points.pairs:
        return []
    judged = np.ones(len(points.places), dtype=bool)
    judged[strays(points, far=FAR, least=LEAST).rows] = False
    votes = {pair: _vote(points, pair, judged, agree, few) for pair in points.pairs}
    wrong = {pair: judged & (vote < -CLEAR) for pair, vote in votes.items()}
    rows = np.flatnonzero(np.any(list(wrong.values()), axis=0))
    if not len(rows):
        return []
    worst = np.min([np.where(wrong[pair], votes[pair], 0.0) for pair in wrong], axis=0)
    rows = rows[np.argsort(worst[rows], kind="stable")]
    names = {pair: f"{points.names[pair[0]]} and {points.names[pair[1]]}" for pair in wrong}
    message = (
        f"{len(rows)} of {int(judged.sum())} objects have left and right keypoints the other way round than the others."
    )
    evidence = {"count": len(rows), "total": int(judged.sum()), "agree": agree}
    each = [{"what": "; ".join(names[pair] for pair in wrong if wrong[pair][row])} for row in rows]
    return objects_finding(
        "swapped_keypoints", catalog, points.objects, points.places[rows], message=message, evidence=evidence, each=each
    )


def _vote(points: Points, pair: tuple[int, int], judged: np.ndarray, agree: float, few: int) -> np.ndarray:
    """[n]: mean over the lines that can be asked of the sine between line and pair, positive in the usual order; 0 unknown."""
    left, right = (points.at[:, column] for column in pair)
    total, asked = np.zeros(len(points.at)), np.zeros(len(points.at))
    for start, end in _lines(points, pair):
        along, across = end - start, left - right
        length = np.abs(along) * np.abs(across)
        with np.errstate(invalid="ignore", divide="ignore"):
            sine = (np.conj(along) * across).imag / length
        clear = np.isfinite(sine) & judged & (np.abs(np.nan_to_num(sine)) > CLEAR)
        positive = float((sine[clear] > 0).mean()) if clear.sum() >= few else 0.5
        if max(positive, 1 - positive) >= agree:
            known = np.isfinite(sine)
            total[known] += sine[known] * (1 if positive > 0.5 else -1)
            asked[known] += 1
    return np.asarray(total / np.maximum(asked, 1))


def _lines(points: Points, pair: tuple[int, int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Lines between two other places of the object: single points, and the middle of each other pair."""
    paired = {column for one in points.pairs for column in one}
    places = [points.at[:, column] for column in range(points.at.shape[1]) if column not in paired]
    places += [(points.at[:, one] + points.at[:, other]) / 2 for one, other in points.pairs if (one, other) != pair]
    for number, start in enumerate(places):
        for end in places[number + 1 :]:
            yield start, end
