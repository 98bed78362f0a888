from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from snellen.annotations import Objects, objects_column, read_per_object
from snellen.catalog import Catalog, MissingSignal
from snellen.data.boxes import row_overlaps
from snellen.data.content import contents
from snellen.data.formats.notes import with_note
from snellen.data.pixels import Pixels, open_pixels
from snellen.recipe import Recipe
from snellen.shelf import CATALOG_RULES, TASKS
from snellen.train import measure_objects as module
from snellen.train import second_look
from snellen.train.box_steps import follow, mirrored, way
from snellen.train.detector import Opinion
from snellen.train.drawn import MOST_ON_IMAGE, Drawn, anchors_of, folds_of
from snellen.train.machine import Setting
from snellen.train.measure_objects import measure_objects
from snellen.train.object_columns import View
from snellen.train.regions import ANYWHERE, NEAR, Portion, Regions, gather, targets

SIZE = 128
SIDES = (160, 120)
COLOURS = {"disc": (200, 40, 40), "block": (40, 60, 210)}


def painted(folder: Path, count: int) -> Catalog:
    """Images with two or three things each, a red disc or a blue block, and their true boxes."""
    chance = np.random.default_rng(0)
    rows, objects = [], []
    for number in range(count):
        noise = chance.normal(120, 18, (SIDES[1] // 4, SIDES[0] // 4, 3)).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(noise).resize(SIDES)
        draw, items = ImageDraw.Draw(image), []
        for place in range(3 if number % 2 else 2):
            side = int(chance.integers(26, 40))
            x, y = 4 + place * 52 + int(chance.integers(0, 8)), int(chance.integers(4, SIDES[1] - side - 4))
            label = "disc" if chance.random() < 0.5 else "block"
            (draw.ellipse if label == "disc" else draw.rectangle)((x, y, x + side, y + side), fill=COLOURS[label])
            items.append({"key": f"{number}-{place}", "label": label, "box": [x, y, x + side + 1, y + side + 1]})
        path = folder / f"{number:03d}.png"
        image.save(path)
        rows.append({"id": path.name, "path": path.name, "root": str(folder), "split": "train"})
        objects.append(items)
    hashes = contents([folder / row["path"] for row in rows])
    rows = [{**row, "content": content} for row, (content, _) in zip(rows, hashes, strict=True)]
    return Catalog.of_rows(rows).with_columns({"objects": objects_column(objects)}).with_about({"task": "detection"})


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, Pixels]:
    catalog = painted(tmp_path_factory.mktemp("painted"), 48)
    return open_pixels(catalog, size=SIZE, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    found: torch.nn.Module = TASKS.pick("classification")().model(Recipe(), ("a", "b"))
    return found


def test_what_is_measured_stands_beside_every_object(
    clean: tuple[Catalog, Pixels], model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEPS", (8, 8))
    monkeypatch.setattr(module, "SIDE", SIZE)
    monkeypatch.setattr(second_look, "MOST_STEPS", 8)
    part = clean[0].take(np.arange(16))
    measured = measure_objects(part, clean[1], model, Setting(), size=SIZE)
    box = Objects.of(measured).box
    for name in ("score", "foreground", "own", "rival", "match", "match_score", "frame_match"):
        values = read_per_object(measured, f"object_{name}").astype(float)
        assert len(values) == len(box)
        assert ((values >= 0) & (values <= 1)).all(), name
    frames = np.stack([np.asarray(frame) for frame in read_per_object(measured, "object_frame")])
    np.testing.assert_allclose(
        row_overlaps(box, frames), read_per_object(measured, "object_frame_match").astype(float), atol=1e-3
    )
    assert measured.has("proposals")


def test_few_boxes_and_unusable_ones_are_said_nothing_of(clean: tuple[Catalog, Pixels], model: torch.nn.Module) -> None:
    catalog, pixels = clean
    few = measure_objects(catalog.take([0, 1, 2]), pixels, model, Setting(), size=SIZE)
    assert np.isnan(read_per_object(few, "object_score")).all()
    assert few.table.column("proposals").to_pylist() == [[], [], []]
    with pytest.raises(MissingSignal):
        measure_objects(catalog.drop_columns(["objects"]), pixels, model, Setting(), size=SIZE)


def test_boxes_are_brought_to_stored_pixels_and_sorted_into_usable_and_not(clean: tuple[Catalog, Pixels]) -> None:
    catalog, pixels = clean
    lists = catalog.take([0]).table.column("objects").to_pylist()
    lists[0] = [
        {"key": "a", "label": "disc", "box": [80, 60, 200, 120]}, {"key": "b", "label": "disc", "box": [4, 4, 4, 9]},
        {"key": "c", "label": "disc", "box": [0, 0, 9, 9], "crowd": True}, {"key": "d", "label": "disc", "box": [200, 0, 220, 9]},
    ]  # fmt: skip
    drawn = Drawn.of(catalog.take([0]).with_columns({"objects": objects_column(lists)}), pixels, SIZE, most=9)
    np.testing.assert_allclose(drawn.on(0).numpy(), [[64, 64, 128, 128]])
    assert [places.tolist() for places in (drawn.members[0], drawn.others[0])] == [[0], [1, 3]]
    anchors = anchors_of(drawn, size=SIZE, seed=0).numpy()
    assert anchors.min() >= 0
    assert anchors.max() <= SIZE


def test_of_very_many_boxes_or_images_an_even_part_is_looked_at(clean: tuple[Catalog, Pixels]) -> None:
    catalog, pixels = clean
    part = catalog.take(np.arange(6))
    lists = part.table.column("objects").to_pylist()
    chance = np.random.default_rng(0)
    start = chance.uniform(0, 100, (100_000, 2))
    lists[2] = [
        {"key": str(i), "label": "disc", "box": [x, y, x + 9, y + 9]} for i, (x, y) in enumerate(start.tolist())
    ]
    part = part.with_columns({"objects": objects_column(lists)})
    drawn = Drawn.of(part, pixels, SIZE, most=9)
    assert (drawn.crowded.tolist(), len(drawn.members[2])) == ([False, False, True, False, False, False], MOST_ON_IMAGE)
    assert Drawn.of(part, pixels, SIZE, most=3).rows.tolist() == [0, 2, 5]


def test_duplicates_share_a_fold() -> None:
    rows = [{"id": str(i), "content": str(i // 2), "near": 7 if i in (0, 8, 15) else -1} for i in range(40)]
    folds = folds_of(Catalog.of_rows(rows), np.arange(40), folds=3, seed=0)
    assert len(set(folds[[0, 8, 15]])) == 1
    assert (folds[20::2] == folds[21::2]).all()
    assert sorted(set(folds.tolist())) == [0, 1, 2]


def test_the_way_leads_there_and_mirroring_twice_is_nothing() -> None:
    one = torch.tensor([[10.0, 10, 30, 40], [5, 5, 25, 20]])
    other = torch.tensor([[14.0, 6, 44, 30], [4, 8, 20, 26]])
    torch.testing.assert_close(follow(one, way(one, other), 64), other)
    torch.testing.assert_close(mirrored(mirrored(one, 64), 64), one)


def test_regions_between_object_and_background_are_not_learnt_from() -> None:
    box = torch.tensor([[0.0, 0, 10, 10]])
    regions = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 4.5], [0, 0, 3, 3], [40, 40, 50, 50]])
    label, overlap, _ = targets(regions, box, torch.tensor([1]))
    assert label.tolist() == [2, -1, 0, 0]
    assert overlap[0] == pytest.approx(0.9)
    assert targets(regions, box[:0], torch.zeros(0, dtype=torch.long))[0].tolist() == [0, 0, 0, 0]


def test_images_that_were_not_looked_at_are_told() -> None:
    catalog = Catalog.of_rows([{"id": "a"}])
    assert with_note(catalog, "images_uncompared", 0).about("notes") is None
    told = with_note(catalog, "images_uncompared", 28)
    (note,) = told.about("notes")
    assert (note["what"], note["count"]) == ("images_uncompared", 28)
    (finding,) = CATALOG_RULES.pick("annotation_notes")(told)
    assert finding.severity == "info"


def test_regions_hold_what_is_drawn_in_both_views_and_their_number_is_bounded() -> None:
    chance = torch.Generator().manual_seed(0)
    boxes, labels = torch.tensor([[8.0, 8, 40, 40], [70, 60, 110, 120]]), torch.tensor([0, 1])
    maps = (torch.randn(2, 32, 16, 16), torch.randn(2, 96, 8, 8))
    anchors = torch.tensor([[0.0, 0, 20, 20], [90, 0, 128, 30]])
    found = gather(maps, boxes, labels, anchors, Portion(50, 30), image=3, size=128, chance=chance)
    assert found.seen.shape == (130, 32 * 49 + 96 * 16)
    assert (int(found.near.sum()), set(found.image.tolist())) == (100, {3})
    assert set(found.labels[found.near].tolist()) == {-1, 0, 1, 2}
    assert not found.labels[~found.near].any()
    assert len(Regions.joined([found, found])) == 260
    for boxes_in_all, images in ((857, 91), (12_000, 309), (500_000, 600)):
        portion = Portion.of(boxes_in_all, images)
        assert portion.copies * boxes_in_all + portion.anywhere * images <= NEAR + ANYWHERE


def test_a_second_opinion_counts_where_there_is_one() -> None:
    first = Opinion(torch.full((3, 2), 0.5), torch.zeros(3), torch.zeros(3, 4))
    second = Opinion(torch.tensor([[0.1, 0.9]]), torch.ones(1), torch.ones(1, 4))
    both = first.mean_at(torch.tensor([1]), second)
    assert both.overlap.tolist() == [0, 0.5, 0]
    torch.testing.assert_close(both.probabilities[:, 1], torch.tensor([0.5, 0.7, 0.5]))


def test_what_is_settled_or_faint_is_not_looked_at_again() -> None:
    seen = torch.tensor([[0.0, 0, 10, 10], [30, 30, 40, 40], [60, 60, 70, 70]])
    opinion = Opinion(torch.tensor([[0.1, 0.9]] * 2 + [[0.99, 0.01]]), torch.tensor([0.9, 0.9, 0.1]), torch.zeros(3, 4))
    view = View(seen, opinion, opinion.take(slice(0, 1)))
    assert module._unsettled(torch.tensor([[0.0, 0, 10, 11]]), view).tolist() == [1]
    assert module._unsettled(seen[:0], view).tolist() == [0, 1]
