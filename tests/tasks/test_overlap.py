"""Scores of masks: against torchmetrics where it has them, else counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_jaccard_index
from torchmetrics.functional.segmentation import generalized_dice_score

from snellen.rows import Statistics
from snellen.tasks import _overlap
from snellen.tasks._pixels import IGNORE, TEMPERATURES, numbers_of
from snellen.tasks.segmentation import segmentation


def made(n: int = 9, k: int = 4, side: int = 24, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, k, (n, side // 4, side // 4), generator=generator)
    target = target.repeat_interleave(4, 1).repeat_interleave(4, 2)
    output = torch.nn.functional.one_hot(target, k).movedim(-1, 1).float() * 2
    output += 1.5 * torch.randn(output.shape, generator=generator)
    target[:, :3] = IGNORE
    target[0] = torch.where(target[0] == 3, 0, target[0])
    return output, target


def rows_of(output: torch.Tensor, target: torch.Tensor, classes: tuple[str, ...] = tuple("abcd")) -> Statistics:
    ids = [f"s{i}" for i in range(len(output))]
    return segmentation().rows(ids, np.zeros(len(ids)), numbers_of(output, target), classes)


def test_iou_and_dice_equal_torchmetrics() -> None:
    output, target = made()
    rows, answer = rows_of(output, target), output.argmax(dim=1)
    given = {"num_classes": 4, "ignore_index": IGNORE}
    expected = multiclass_jaccard_index(answer, target, average=None, **given)
    assert _overlap.iou(_overlap.sums_of(rows)) == pytest.approx(expected.numpy(), abs=1e-6)
    assert _overlap.score(rows, "miou") == pytest.approx(
        float(multiclass_jaccard_index(answer, target, **given)), abs=1e-6
    )
    known = target != IGNORE
    one = (
        torch.stack([(answer == c) & known for c in range(4)], dim=1)
        .flatten(2)
        .transpose(0, 1)
        .flatten(1)[None, ..., None]
    )
    two = (
        torch.stack([(target == c) & known for c in range(4)], dim=1)
        .flatten(2)
        .transpose(0, 1)
        .flatten(1)[None, ..., None]
    )
    dice = generalized_dice_score(
        one.long(), two.long(), num_classes=4, per_class=True, weight_type="linear", input_format="one-hot"
    )
    assert _overlap.dice(_overlap.sums_of(rows)).mean() == pytest.approx(float(dice.mean()), abs=0.02)
    assert _overlap.dice(_overlap.sums_of(rows))[0] == pytest.approx(
        float(2 * ((answer == 0) & (target == 0)).sum() / (((answer == 0) & known).sum() + (target == 0).sum()))
    )


def test_losses_are_those_of_labelled_pixels() -> None:
    output, target = made()
    rows = rows_of(output, target)
    plain = torch.nn.functional.cross_entropy(output, target, ignore_index=IGNORE, reduction="none")
    expected = plain.sum(dim=(1, 2)) / (target != IGNORE).sum(dim=(1, 2))
    assert rows["loss"] == pytest.approx(expected.numpy(), rel=1e-5)
    assert rows["losses"].shape == (9, len(TEMPERATURES))
    # The best temperature of the grid is never worse than none, on all rows together.
    assert rows["losses"].mean(axis=0).min() <= rows["losses"][:, TEMPERATURES.index(1.0)].mean()
    assert _overlap.score(rows, "calibrated_log_loss") >= _overlap.score(rows, "log_loss") - 0.05


def test_borders_counted_by_hand() -> None:
    # A square of 4, said one pixel too far right: three of its four sides are within a pixel, all of them in fact.
    target = torch.zeros(1, 16, 16, dtype=torch.long)
    target[0, 4:8, 4:8] = 1
    said = torch.zeros_like(target)
    said[0, 4:8, 5:9] = 1
    output = torch.nn.functional.one_hot(said, 2).movedim(-1, 1).float() * 9
    numbers = numbers_of(output, target)
    assert numbers["edge_wanted"][0, 1] == 12
    assert numbers["edge_predicted_hit"][0, 1] == 12
    said = torch.zeros_like(target)
    said[0, 4:8, 8:12] = 1  # Four pixels off: what touches is its left side only.
    numbers = numbers_of(torch.nn.functional.one_hot(said, 2).movedim(-1, 1).float() * 9, target)
    assert numbers["edge_predicted_hit"][0, 1] == 4
    assert numbers["both"][0, 1] == 0


def test_objects_counted_by_hand() -> None:
    target = torch.zeros(1, 64, 64, dtype=torch.long)
    target[0, 2:4, 2:4] = 1  # 4 pixels: small (below 8.2)
    target[0, 10:12, 10:12] = 1  # small, half found
    target[0, 30:50, 30:50] = 1  # large, found
    target[0, 5:25, 40:60] = 1  # large, lost
    said = torch.zeros_like(target)
    said[0, 10:11, 10:12] = 1
    said[0, 30:45, 30:50] = 1
    numbers = numbers_of(torch.nn.functional.one_hot(said, 2).movedim(-1, 1).float() * 9, target)
    found = {name: int(numbers[name][0, 1]) for name in ("small", "small_found", "large", "large_found")}
    assert found == {"small": 2, "small_found": 1, "large": 2, "large_found": 1}


@pytest.mark.parametrize("metric", ["miou", "dice", "boundary_f", "image_iou", "pixel_accuracy"])
def test_values_of_images_average_to_the_metric(metric: str) -> None:
    rows = rows_of(*made(n=30))
    values = _overlap.paired(rows, metric)
    assert values.shape == (30,)
    assert values.mean() == pytest.approx(_overlap.score(rows, metric), abs=1e-9)


def test_the_spread_of_these_values_is_that_of_drawing_images_anew() -> None:
    rows = rows_of(*made(n=60, seed=3))
    for metric in ("miou", "boundary_f"):
        told = _overlap.measure(rows)[metric]
        width = (told["high"] - told["low"]) / (2 * 1.96)
        error = _overlap.paired(rows, metric).std(ddof=1) / np.sqrt(60)
        assert error == pytest.approx(width, rel=0.15)


def test_a_class_without_a_wanted_pixel_has_no_score() -> None:
    output, target = made()
    target = torch.where(target == 3, 0, target)
    measured = segmentation().measure(rows_of(output, target))
    assert measured["iou_d"]["value"] is None
    assert measured["iou_a"]["value"] is not None
    assert measured["miou"]["value"] == pytest.approx(np.mean([measured[f"iou_{c}"]["value"] for c in "abc"]))


def test_an_image_that_nobody_labelled_is_worth_nothing() -> None:
    output, target = made(n=3)
    target[1] = IGNORE
    rows = rows_of(output, target)
    assert rows["loss"][1] == 0
    assert rows.finite.all()
    whole, part = _overlap.score(rows, "miou"), _overlap.score(rows.take(np.asarray([0, 2])), "miou")
    assert whole == pytest.approx(part)


def test_the_trivial_answer() -> None:
    output, target = made()
    rows = rows_of(output, target)
    guess = segmentation().guess(rows, None, "miou")  # type: ignore[arg-type]
    constant = _overlap.constant_answer(rows)
    largest = int(rows["wanted"].sum(axis=0).argmax())
    assert guess == pytest.approx(rows["wanted"].sum(axis=0)[largest] / rows["wanted"].sum() / 4)
    assert constant["predicted"].sum() == rows["wanted"].sum()


def test_broken_output_is_seen() -> None:
    output, target = made(n=3)
    output[2, 0, 10, 10] = float("nan")
    assert rows_of(output, target).finite.tolist() == [True, True, False]
