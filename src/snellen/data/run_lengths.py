"""COCO's run lengths: masks as lengths of runs, column by column, background first; packed into text six bits a sign.

Source: the published format of the COCO API (cocodataset/cocoapi, common/maskApi.c, rleToString and rleFrString).
"""

from __future__ import annotations

import numpy as np

# A sign holds five bits of a number and whether more follow; 48 makes it a letter.
_FIRST = 48
_MOST_SIGNS = 8


def counts_of(text: str) -> np.ndarray:
    """Lengths of runs [k] int64 of compressed text; raises ValueError where it is none."""
    if not text.isascii():
        raise ValueError("not compressed run lengths")
    signs = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - _FIRST
    if len(signs) and (signs.min() < 0 or signs.max() > 63 or signs[-1] & 32):
        raise ValueError("not compressed run lengths")
    last = (signs & 32) == 0
    number = np.concatenate([[0], np.cumsum(last)[:-1]]).astype(np.int64) if len(signs) else signs
    starts = np.flatnonzero(np.concatenate([[True], last[:-1]])) if len(signs) else signs
    place = np.arange(len(signs)) - starts[number] if len(signs) else signs
    if len(place) and place.max() >= _MOST_SIGNS:
        raise ValueError("a run length is too long")
    values = np.zeros(int(last.sum()), dtype=np.int64)
    np.add.at(values, number, (signs & 31) << (5 * place))
    ends = np.flatnonzero(last)
    negative = (signs[ends] & 16) != 0
    values[negative] -= np.int64(1) << (5 * (place[ends][negative] + 1))
    # From the fourth on, a number is the difference to the one before the last.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def text_of(counts: np.ndarray) -> str:
    """Compressed text of run lengths [k]."""
    values = np.asarray(counts, dtype=np.int64)
    steps = values.copy()
    steps[3:] -= values[1:-2]
    place = np.arange(_MOST_SIGNS)
    rest = steps[:, None] >> (5 * place)
    # A number ends at the first sign after which only its own sign bit would repeat.
    done = np.where(rest & 16, rest >> 5 == -1, rest >> 5 == 0)
    length = done.argmax(axis=1) + 1
    signs = (rest & 31) | np.where(place < length[:, None] - 1, 32, 0)
    return bytes((signs + _FIRST)[place < length[:, None]].astype(np.uint8)).decode("ascii")


def encode(mask: np.ndarray) -> str:
    """ "height width counts" of a mask [h, w], as `annotations.OBJECT` holds it."""
    flat = np.asarray(mask, dtype=bool).reshape(-1, order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([edges, [len(flat)]])
    counts = np.diff(np.concatenate([[0], ends]))
    if len(flat) and flat[0]:
        counts = np.concatenate([[0], counts])
    height, width = mask.shape
    return f"{height} {width} {text_of(counts)}"


def decode(rle: str) -> np.ndarray:
    """Mask [h, w] bool of "height width counts"; raises ValueError where the lengths do not add up to h times w."""
    height, width, counts = _parsed(rle)
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape((height, width), order="F")


def fits(rle: str) -> bool:
    """Whether the lengths add up to height times width; raises ValueError where they cannot be read."""
    height, width, text = rle.split(" ", 2)
    counts = counts_of(text)
    return bool((counts >= 0).all()) and int(counts.sum()) == int(height) * int(width)


def box_of(rle: str) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 in pixels of what the runs cover; NaN where they cover nothing; raises ValueError as `decode`."""
    height, _, counts = _parsed(rle)
    ends = np.cumsum(counts)
    covered = (np.arange(len(counts)) % 2 == 1) & (counts > 0)
    first, last = (ends - counts)[covered], ends[covered] - 1
    if not len(first):
        return (float("nan"),) * 4
    across = first // height != last // height
    top = np.where(across, 0, first % height).min()
    bottom = np.where(across, height - 1, last % height).max()
    return float(first.min() // height), float(top), float(last.max() // height + 1), float(bottom + 1)


def _parsed(rle: str) -> tuple[int, int, np.ndarray]:
    height, width, text = rle.split(" ", 2)
    counts = counts_of(text)
    if (counts < 0).any() or int(counts.sum()) != int(height) * int(width):
        raise ValueError(f"run lengths of {int(counts.sum())} pixels for an image of {height} x {width}")
    return int(height), int(width), counts
