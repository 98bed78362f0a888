from __future__ import annotations

import numpy as np
import pytest
import torch

from snellen.data.boxes import MISPLACED, overlaps
from snellen.train.detector import Opinion
from snellen.train.frame_features import COUNT, frame_features
from snellen.train.frame_odds import FEWEST, Evidence, frame_odds
from snellen.train.misplaced import EMPTY, NOBODY, OVERLAP, SPURIOUS, Misplaced

SIZE = 128
BOXES = torch.tensor([[10.0, 10, 40, 44], [60, 60, 90, 84], [100, 4, 126, 30]])


def test_misplaced_boxes_are_far_enough_from_the_right_one_and_of_every_kind() -> None:
    found = Misplaced.of(BOXES, 60, SIZE, torch.Generator().manual_seed(0))
    assert set(found.kind.tolist()) == set(range(len(MISPLACED)))
    assert bool(((found.boxes >= 0) & (found.boxes <= SIZE)).all())
    overlap = overlaps(found.boxes.double().numpy(), BOXES.double().numpy())
    alone = (found.kind == SPURIOUS).numpy()
    own = overlap[~alone, found.owner.numpy()[~alone]]
    assert ((own > OVERLAP[0]) & (own < OVERLAP[1])).all()
    assert (overlap[alone].max(axis=1) <= EMPTY).all()
    assert (found.owner.numpy()[alone] == NOBODY).all()
    ratio = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(dim=1) / (BOXES[:, 2:] - BOXES[:, :2]).prod(dim=1)[
        found.owner
    ]
    assert bool((ratio[found.kind == MISPLACED.index("undersize")] < 1).all())
    assert bool((ratio[found.kind == MISPLACED.index("oversize")] > 1).all())
    whole = torch.tensor([[0.0, 0, SIZE, SIZE]])
    assert not bool((Misplaced.of(whole, 40, SIZE, torch.Generator().manual_seed(0)).kind == SPURIOUS).any())
    assert not len(Misplaced.of(BOXES[:0], 4, SIZE, torch.Generator()).boxes)


def opinion(boxes: torch.Tensor, sure: float) -> Opinion:
    n = len(boxes)
    return Opinion(torch.tensor([[1 - sure, sure]]).repeat(n, 1), torch.full((n,), sure), torch.zeros(n, 4))


def test_a_box_is_not_compared_with_the_one_it_was_made_of() -> None:
    near = torch.tensor([[12.0, 12, 42, 46]])
    looks = (opinion(near, 0.5), opinion(near, 0.7))
    seen, score = BOXES[:2] + 1, np.asarray([0.9, 0.8])
    told = {
        owner: frame_features(near, np.asarray([owner]), looks, BOXES, seen, score, SIZE) for owner in (0, 1, NOBODY)
    }
    assert all(values.shape == (1, COUNT) and np.isfinite(values).all() for values in told.values())
    most = 22  # The most overlap with another drawn box.
    assert told[0][0, most] == 0
    assert told[1][0, most] == pytest.approx(told[NOBODY][0, most])
    assert told[NOBODY][0, most] == pytest.approx(overlaps(near.numpy(), BOXES[:1].numpy())[0, 0])
    nothing = frame_features(near, np.asarray([0]), looks, BOXES, seen[:0], score[:0], SIZE)
    assert nothing.shape == (1, COUNT)
    assert frame_features(near[:0], np.zeros(0, int), looks, BOXES[:0], seen, score, SIZE).shape == (0, COUNT)


def evidence(images: int, wrong: int) -> tuple[list[Evidence], np.ndarray]:
    """Images with ten drawn boxes each, of which the first is shifted in the first `wrong` images, and misplaced examples."""
    chance = np.random.default_rng(0)
    centres = np.eye(len(MISPLACED) + 1) * 3
    found, faulty = [], []
    for image in range(images):
        sort = np.where((np.arange(10) == 0) & (image < wrong), 1, 0)
        kind = np.arange(8) % len(MISPLACED)
        parts = [centres[rows] + chance.normal(0, 1, (len(rows), 5)) for rows in (sort, kind + 1)]
        found.append(Evidence(*parts, kind))
        faulty.append(sort)
    return found, np.concatenate(faulty)


def test_the_odds_are_those_of_the_dataset_and_not_of_the_examples() -> None:
    items, faulty = evidence(30, 12)
    odds = np.concatenate(frame_odds(items, np.arange(30) % 3, seed=0))
    np.testing.assert_allclose(odds.sum(axis=1), 1)
    assert odds[faulty == 1, 1].mean() > 0.5
    assert odds[faulty == 0, 0].mean() > 0.95
    assert 0.01 < odds[:, 1].mean() < 0.08
    clean = np.concatenate(frame_odds(evidence(30, 0)[0], np.arange(30) % 3, seed=0))
    assert (clean[:, 0] < 0.5).mean() < 0.01


def test_too_few_examples_say_nothing() -> None:
    items, _ = evidence(3, 0)
    few = [Evidence(item.drawn, item.misplaced[: FEWEST // 8], item.kind[: FEWEST // 8]) for item in items]
    odds = frame_odds(few, np.arange(3), seed=0)
    assert [part.shape for part in odds] == [(10, 5)] * 3
    assert np.isnan(np.concatenate(odds)).all()
