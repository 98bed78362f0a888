"""COCO's run lengths: the same text as the COCO API writes, and back."""

from __future__ import annotations

import numpy as np
import pytest

from snellen.data import run_lengths

# Written by pycocotools 2.0 for the masks that the test draws.
SMALL = "9 11 81d04@00MM0330000`0"
LARGE = "3000 4000 X[Tg5`n1Xo0"


def small() -> np.ndarray:
    mask = np.zeros((9, 11), dtype=bool)
    mask[2:7, 3:9], mask[4, 5], mask[8, 0] = True, False, True
    return mask


def test_the_text_is_that_of_the_coco_api() -> None:
    large = np.zeros((3000, 4000), dtype=bool)
    large[1000:, 2000:] = True
    assert run_lengths.encode(small()) == SMALL
    assert run_lengths.encode(large).startswith(LARGE)
    assert run_lengths.box_of(run_lengths.encode(large)) == (2000, 1000, 4000, 3000)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (211, 5)])
def test_there_and_back(shape: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(3).random(shape) < share
    text = run_lengths.encode(mask)
    assert (run_lengths.decode(text) == mask).all()
    assert run_lengths.fits(text)
    rows, columns = np.nonzero(mask)
    found = run_lengths.box_of(text)
    assert (
        np.isnan(found).all()
        if not len(rows)
        else found == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    )


@pytest.mark.parametrize("text", ["9 11 81d04@00", "9 12 81d04@00MM0330000`0", "9 11 "])
def test_lengths_that_do_not_add_up(text: str) -> None:
    assert not run_lengths.fits(text)
    with pytest.raises(ValueError, match="run lengths of"):
        run_lengths.decode(text)


@pytest.mark.parametrize("text", ["9 11 \x01\x02", "9 11 oooooooooooo0", "9 11 8o", "9 11 ü"])
def test_what_is_no_such_text(text: str) -> None:
    with pytest.raises(ValueError, match="run length"):
        run_lengths.fits(text)
