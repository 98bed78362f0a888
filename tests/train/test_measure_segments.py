"""Masks against a segmenter that did not see them: comparisons one by one, then faults planted in real masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

from snellen.catalog import Catalog, MissingSignal
from snellen.data.content import contents, sample_ids
from snellen.data.masks import measure_masks
from snellen.data.pixels import open_pixels
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.train.machine import Setting
from snellen.train.mask_classes import Piece, doubts
from snellen.train.mask_comparison import compare, moved, others, small
from snellen.train.measure_segments import measure_segments
from snellen.train.segmenter import FOLDS, folds_of

SIZE = 128
COUNT = 90


def disc(radius: float, *, x: float = 32.0, y: float = 32.0, side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return np.hypot(columns - x, rows - y) <= radius


def seen(inside: np.ndarray) -> np.ndarray:
    return np.where(inside, 0.9, 0.05).astype(np.float32)


ALL = np.ones((64, 64), dtype=bool)
EDGES = np.ones((64, 64), dtype=np.float32)


def test_a_mask_that_agrees_has_nothing_to_gain() -> None:
    found = compare(seen(disc(14)), disc(14), ALL, EDGES)
    assert (found.iou, found.offset, found.shift, found.extra, found.missed) == (1, 0, (0, 0), 0, 0)
    assert found.object_area == 0


@pytest.mark.parametrize("steps", [-4, -1, 2, 5])
def test_offset_is_how_far_a_mask_would_have_to_grow(steps: int) -> None:
    found = compare(seen(disc(16)), disc(16 + steps), ALL, EDGES)
    assert abs(found.offset + steps) <= 0.75
    assert found.offset_iou > max(0.95, found.iou)


def test_shift_is_where_a_mask_would_have_to_go() -> None:
    found = compare(seen(disc(12)), moved(disc(12), 6, -3), ALL, EDGES)
    assert found.shift == (-6, 3)
    assert found.shift_iou == 1
    assert found.offset_iou < 0.9


def test_a_piece_without_a_mask_is_named_and_a_rim_is_not() -> None:
    truth = disc(8, x=15, y=15) | disc(6, x=45, y=40)
    found = compare(seen(truth), disc(8, x=15, y=15), ALL, EDGES)
    assert found.object_area == pytest.approx(disc(6).mean(), rel=0.05)
    assert found.object_sure == pytest.approx(0.9, abs=0.01)
    assert found.object_iou > 0.98
    assert found.object_edge == 1
    faint = np.where(np.arange(64)[None] < 30, EDGES, 0.2)
    assert compare(seen(truth), disc(8, x=15, y=15), ALL, faint).object_edge == pytest.approx(0.2)
    assert np.allclose(np.asarray(found.object_box) * 64, (39, 34, 52, 47), atol=1.1)
    assert compare(seen(disc(10)), disc(8), ALL, EDGES).object_area == 0


def test_what_is_not_labelled_is_not_judged() -> None:
    known = ~disc(9, x=45, y=45)
    found = compare(seen(disc(8, x=15, y=15) | disc(8, x=45, y=45)), disc(8, x=15, y=15), known, EDGES)
    assert found.iou == 1
    assert found.object_area == 0


@pytest.mark.parametrize("given", [np.zeros((64, 64), dtype=bool), ALL])
def test_empty_and_full_masks_can_be_compared(given: np.ndarray) -> None:
    for there in (disc(10), ~ALL, ALL):
        found = compare(seen(there), given, ALL, EDGES)
        assert 0 <= found.iou <= 1
        assert np.isnan(found.offset) or not np.isnan(found.shift_iou)


def test_exchanged_masks_find_each_other() -> None:
    chance = np.random.default_rng(0)
    maps = [disc(chance.uniform(6, 14), x=chance.uniform(12, 52), y=chance.uniform(12, 52)) for _ in range(40)]
    vision = np.stack([small(seen(item)) for item in maps])
    given = [small(item) for item in maps]
    given[3], given[17] = given[17], given[3]
    place, match, own = others(vision, np.stack(given))
    assert (place[3], place[17]) == (17, 3)
    assert (match[[3, 17]] > 0.9).all()
    assert (own[[3, 17]] < 0.7).all()
    assert (np.delete(own, [3, 17]) > 0.9).all()
    assert others(vision[:1], np.stack(given)[:1])[0].tolist() == [-1]


def test_folds_keep_groups_together_and_share_what_can_be_learnt() -> None:
    groups = np.asarray([0, 0, 0, *range(1, 28)])
    learnable = np.arange(30) < 20
    folds = folds_of(groups, learnable, 0)
    assert len(set(folds[:3])) == 1
    useful = [len(set(groups[learnable & (folds == fold)])) for fold in range(FOLDS)]
    assert max(useful) - min(useful) <= 1


def test_a_piece_of_another_class_is_doubted() -> None:
    chance = np.random.default_rng(0)
    pieces = []
    for image in range(60):
        truth = image % 3
        label = (truth + 1) % 3 if image == 7 else truth
        look = chance.normal(0, 0.3, 16) + 3 * np.eye(16)[truth]
        vote = np.full(3, 0.1) + 0.7 * np.eye(3)[truth]
        pieces.append(Piece(image, label + 1, (0, 0, 4, 4), look.astype(np.float16), vote))
    found = doubts(pieces, np.arange(60) % FOLDS, 0)
    assert set(found) == {7}
    assert (found[7].label, found[7].suggested) == (3, 2)
    assert found[7].other - found[7].own > 0.5
    assert doubts(pieces[:1], np.arange(60) % FOLDS, 0) == {}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return Setting().prepare(TASKS.pick("classification")().model(Recipe(), ("a", "b")))


def planted(folder: Path, to: Path) -> Catalog:
    """The first masks of a real set, six of them spoiled; images are read where they are."""
    stems = [path.stem for path in sorted((folder / "images" / "train").glob("*.jpg"))[:COUNT]]
    masks = [np.asarray(Image.open(folder / "masks" / "train" / f"{stem}.png")) for stem in stems]
    ground = sorted(range(COUNT), key=lambda i: -min((masks[i] > 0).mean(), 0.25))[:8]
    truth = [masks[i] for i in ground]
    masks[ground[0]] = np.where(ndimage.binary_erosion(truth[0] > 0, iterations=6), truth[0], 0)
    masks[ground[1]] = ndimage.grey_dilation(truth[1], size=13)
    masks[ground[2]] = np.pad(truth[2], ((24, 0), (24, 0)))[:192, :192]
    masks[ground[3]] = np.zeros_like(truth[3])
    masks[ground[4]], masks[ground[5]] = truth[5], truth[4]
    rows = []
    found = contents([folder / "images" / "train" / f"{stem}.jpg" for stem in stems])
    (to / "masks").mkdir()
    for stem, mask, (content, verdict), identity in zip(
        stems, masks, found, sample_ids([item[0] for item in found]), strict=True
    ):
        Image.fromarray(mask).save(to / "masks" / f"{stem}.png")
        name = f"{to.as_posix()}/masks/{stem}.png"
        rows.append(
            {"id": identity, "content": content, "verdict": verdict, "path": f"images/train/{stem}.jpg", "root": str(folder),
             "mask": name, "split": "train"}
        )  # fmt: skip
    classes = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
    return Catalog.of_rows(rows).with_about({"task": "segmentation", "classes": classes, "spoiled": ground[:6]})


@pytest.fixture(scope="module")
def judged(shared, model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    torch.set_num_threads(1)
    folder = shared("stamps_seg")
    to = tmp_path_factory.mktemp("masks")
    catalog, pixels = open_pixels(planted(folder, to), size=SIZE, cache=to / "cache")
    return measure_segments(measure_masks(catalog), pixels, model, Setting(), size=SIZE)


def test_the_segmenter_sees_what_is_drawn(judged: Catalog) -> None:
    good = np.setdiff1d(np.arange(COUNT), judged.about("spoiled"))
    assert np.median(judged.column("segment_iou")[good]) > 0.65
    assert np.nanmedian(np.abs(judged.column("segment_offset")[good])) < 3
    assert np.isnan(judged.column("segment_class_quality")).mean() > 0.5


def test_it_says_what_is_wrong_with_spoiled_masks(judged: Catalog) -> None:
    eroded, dilated, shifted, blank, one, other = judged.about("spoiled")
    gain, offset = judged.column("segment_offset_gain"), judged.column("segment_offset")
    assert offset[eroded] > 2
    assert offset[dilated] < -2
    assert min(gain[eroded], gain[dilated]) > 0.03
    assert judged.column("segment_shift_gain")[shifted] > 0.1
    shift = [judged.column(f"segment_shift_{axis}")[shifted] for axis in "xy"]
    assert max(shift) < -8
    assert judged.column("segment_seen")[blank] > 0.02
    assert np.isnan(gain[blank])
    ids = judged.ids
    wanted = judged.column("segment_other")
    assert {one: ids[other], other: ids[one]} == {row: wanted[row] for row in (one, other)}


def test_few_masks_and_models_without_stages_leave_the_catalog_alone(shared, model: nn.Module, tmp_path: Path) -> None:
    catalog, pixels = open_pixels(planted(shared("stamps_seg"), tmp_path), size=32, cache=tmp_path / "cache")
    with pytest.raises(MissingSignal):
        measure_segments(catalog, pixels, model, Setting(), size=32)
    catalog = measure_masks(catalog)
    few = catalog.take(np.arange(6))
    assert measure_segments(few, pixels, model, Setting(), size=32) is few
    assert measure_segments(catalog, pixels, nn.Identity(), Setting(), size=32) is catalog


def test_images_of_one_pixel_and_masks_of_another_size_are_no_obstacle(model: nn.Module, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    rows = []
    for number in range(14):
        inside = disc(chance.uniform(8, 14), x=chance.uniform(20, 44), y=chance.uniform(20, 44))
        image = np.where(inside[..., None], 200, 40) + chance.normal(0, 9, (64, 64, 3))
        image = np.clip(image, 0, 255).astype(np.uint8)
        mask = inside.astype(np.uint8)
        if number == 0:
            image, mask = np.asarray([[[9, 90, 200]]], dtype=np.uint8), mask[:1, :1]
        if number == 1:
            mask = np.pad(mask, 8)
        Image.fromarray(image).save(tmp_path / f"i{number}.png")
        Image.fromarray(mask).save(tmp_path / f"m{number}.png")
        content, verdict = contents([tmp_path / f"i{number}.png"])[0]
        rows.append(
            {"id": f"s{number}", "content": content, "verdict": verdict, "path": f"i{number}.png", "root": str(tmp_path),
             "mask": f"m{number}.png"}
        )  # fmt: skip
    catalog, pixels = open_pixels(Catalog.of_rows(rows), size=64, cache=tmp_path / "cache")
    found = measure_segments(measure_masks(catalog), pixels, model, Setting(), size=64)
    assert found.column("verdict").tolist() == ["blank", *["ok"] * 13]
    assert found.column("mask_problem").tolist() == ["", "another size", *[""] * 12]
    iou = found.column("segment_iou")
    assert np.isnan(iou[:2]).all()
    assert np.median(iou[2:]) > 0.8
    again = measure_segments(measure_masks(catalog), pixels, model, Setting(), size=64)
    for name in found.table.column_names:
        assert str(again.table.column(name).to_pylist()) == str(found.table.column(name).to_pylist()), name
