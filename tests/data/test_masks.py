"""Masks: what a file's values mean, what is refused, and what is measured of an outline and of the image under it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from snellen.catalog import Catalog, MissingSignal
from snellen.data.mask_shape import alignment_of, shape_of, signed_distance
from snellen.data.masks import Convention, Mask, measure_masks, read_mask

ANY = Convention(None, 0, {})
SIDE = 64


def disc(radius: float = 18.0, *, x: float = 32.0, y: float = 30.0, side: int = SIDE) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return np.hypot(columns - x, rows - y) <= radius


def saved(path: Path, values: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def ids(mask: Mask) -> set[int]:
    assert mask.problem == ""
    assert mask.ids is not None
    assert mask.ids.dtype == np.int32
    return set(np.unique(mask.ids).tolist())


def test_a_palette_mask_gives_its_indices_not_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.asarray([[0, 3], [7, 3]], dtype=np.uint8), mode=None).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([channel for number in range(256) for channel in (255 - number, number, 99)])
    image.save(tmp_path / "m.png")
    found = read_mask(tmp_path / "m.png", ANY)
    assert found.ids is not None
    assert found.ids.tolist() == [[0, 3], [7, 3]]


def test_sixteen_bit_ids_are_kept_whole(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.png", np.asarray([[0, 1000], [40_000, 7]], dtype=np.uint16))
    assert ids(read_mask(path, ANY)) == {0, 7, 1000, 40_000}


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_black_and_white_is_yes_or_no(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "m.png", (255 * disc()).astype(np.uint8), mode)
    found = read_mask(path, ANY)
    assert ids(found) == {0, 1}
    assert found.ids is not None
    assert (found.ids == disc()).all()


def test_white_is_an_id_where_it_is_a_class_or_where_there_are_many(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.png", (255 * disc()).astype(np.uint8))
    assert ids(read_mask(path, Convention(frozenset({0, 255}), 0, {}))) == {0, 255}
    assert ids(read_mask(path, Convention(frozenset({0, 1, 2}), 0, {}))) == {0, 255}


def test_a_colour_mask_is_refused_without_a_table_and_read_with_one(tmp_path: Path) -> None:
    pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    pixels[disc()] = (200, 10, 10)
    path = saved(tmp_path / "m.png", pixels)
    assert read_mask(path, ANY) == Mask(None, "not an index image")
    table = {(0, 0, 0): 0, (200, 10, 10): 5}
    assert ids(read_mask(path, Convention(None, 0, table))) == {0, 5}
    assert read_mask(path, Convention(None, 0, {(0, 0, 0): 0})).problem == "not an index image"


def test_what_holds_no_ids_is_named(tmp_path: Path) -> None:
    saved(tmp_path / "lossy.jpg", (255 * disc()).astype(np.uint8))
    saved(tmp_path / "alpha.png", np.zeros((4, 4, 4), dtype=np.uint8))
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    whole = saved(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 9, (99, 99), dtype=np.uint8)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    problems = {path.name: read_mask(path, ANY).problem for path in tmp_path.iterdir()}
    assert problems == {
        "lossy.jpg": "not an index image",
        "alpha.png": "not an index image",
        "text.png": "unreadable",
        "empty.png": "unreadable",
        "cut.png": "unreadable",
    }
    assert read_mask(tmp_path / "nowhere.png", ANY).problem == "missing file"


def test_shape_counts_parts_and_gaps() -> None:
    mask = disc(20).astype(np.int32)
    mask[28:32, 30:33] = 0
    mask[2:5, 2:5] = 4
    shape = shape_of(mask, 0)
    assert shape.parts == 2
    assert shape.share == pytest.approx((mask > 0).mean())
    assert shape.holes == pytest.approx(12 / (mask > 0).sum())


def test_the_inside_of_a_ring_is_no_hole() -> None:
    assert shape_of((disc(25) & ~disc(15)).astype(np.int32), 0).holes == 0


def test_fraying_and_blocks_are_told_apart_from_a_drawn_outline() -> None:
    drawn = disc(20)
    chance = np.random.default_rng(1)
    band = np.abs(signed_distance(drawn)) < 4
    frayed = np.where(band, chance.random(drawn.shape) < 0.5, drawn)
    blocks = np.kron(drawn[4::8, 4::8], np.ones((8, 8), dtype=bool))
    shapes = [shape_of(mask.astype(np.int32), 0) for mask in (drawn, frayed, blocks)]
    assert shapes[0].raggedness < 0.3 < 0.75 < shapes[1].raggedness
    assert [shape.coarseness >= 4 for shape in shapes] == [False, False, True]
    assert shapes[2].coarseness == 8


@pytest.mark.parametrize("values", [np.zeros((1, 1)), np.ones((1, 1)), np.zeros((5, 9)), np.ones((5, 9))])
def test_empty_full_and_tiny_masks_have_a_shape(values: np.ndarray) -> None:
    shape = shape_of(values.astype(np.int32), 0)
    assert shape.share == values.mean()
    assert shape.parts == int(values.any())
    aligned = alignment_of(values > 0, np.zeros((*values.shape, 3), dtype=np.uint8))
    assert np.isnan(aligned.offset) or aligned.offset_gain >= 1


def photo(inside: np.ndarray) -> np.ndarray:
    chance = np.random.default_rng(3)
    pixels = np.where(inside[..., None], (190, 120, 40), (60, 90, 140)) + chance.normal(0, 8, (*inside.shape, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("steps", "offset"), [(-4, 4), (-2, 2), (0, 0), (3, -3)])
def test_edges_tell_how_far_a_mask_would_have_to_grow(steps: int, offset: int) -> None:
    truth = disc(18)
    change = ndimage.binary_dilation if steps > 0 else ndimage.binary_erosion
    mask = change(truth, iterations=abs(steps)) if steps else truth
    found = alignment_of(mask, photo(truth))
    assert abs(found.offset - offset) <= 1
    assert (found.offset_gain > 1.5) == bool(steps)


def test_edges_tell_where_a_mask_belongs() -> None:
    truth = disc(14, x=34, y=27) | disc(6, x=12, y=50)
    found = alignment_of(np.roll(truth, (-5, 7), axis=(0, 1)), photo(truth))
    assert found.shift == (-7, 5)
    assert found.shift_gain > 2


def dataset(folder: Path, masks: dict[str, np.ndarray | None], *, classes: dict[str, str] | None = None) -> Catalog:
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rows = []
    for number, (name, mask) in enumerate(masks.items()):
        Image.fromarray(photo(disc(10 + number))).save(folder / "images" / f"{name}.png")
        if mask is not None:
            Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
        rows.append(
            {"id": name, "path": f"images/{name}.png", "root": str(folder), "mask": f"masks/{name}.png" if mask is not None else ""}
        )  # fmt: skip
    return Catalog.of_rows(rows).with_about({"task": "segmentation", "classes": classes})


def test_measure_masks_names_every_problem(tmp_path: Path) -> None:
    good = disc().astype(np.uint8)
    catalog = dataset(
        tmp_path,
        {
            "good": good,
            "larger": np.pad(good, 9),
            "smaller": good[::2, ::2],
            "strange": np.where(good, 77, 0).astype(np.uint8),
            "deep": np.where(good, 300, 0).astype(np.uint16),
            "colour": np.stack([good, good * 2, good], axis=2),
            "gone": None,
        },
        classes={"0": "background", "1": "disc", "2": "square"},
    )
    catalog = catalog.with_columns({"mask": [*catalog.column("mask").tolist()[:-1], ""]})
    found = measure_masks(catalog)
    problems = dict(zip(found.ids, found.column("mask_problem"), strict=True))
    assert problems == {
        "good": "",
        "larger": "another size",
        "smaller": "another size",
        "strange": "unknown id 77",
        "deep": "unknown id 300",
        "colour": "not an index image",
        "gone": "missing file",
    }
    assert found.table.column("mask_width").to_pylist() == [64, 82, 32, 64, 64, None, None]
    assert found.table.column("mask_ids").to_pylist()[3] == [0, 77]
    assert np.isfinite(found.column("mask_edge_gain")[[0, 3]]).all()
    assert np.isnan(found.column("mask_edge_gain")[[1, 2, 5, 6]]).all()


def test_a_seam_of_255_in_many_masks_is_not_an_unknown_class(tmp_path: Path) -> None:
    mask = disc(20).astype(np.uint8)
    mask[disc(20) & ~disc(18)] = 255
    other = disc(12).astype(np.uint8)
    classes = {"0": "background", "1": "disc", "2": "square"}
    (tmp_path / "many").mkdir()
    (tmp_path / "one").mkdir()
    many = measure_masks(dataset(tmp_path / "many", {"a": mask, "b": mask, "c": other}, classes=classes))
    assert many.column("mask_problem").tolist() == ["", "", ""]
    one = measure_masks(dataset(tmp_path / "one", {"a": mask, **{f"o{i}": other for i in range(12)}}, classes=classes))
    assert one.column("mask_problem")[0] == "unknown id 255"


def test_an_image_of_one_pixel_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    catalog = dataset(tmp_path, {"dot": np.ones((1, 1), dtype=np.uint8), "broken": disc().astype(np.uint8)})
    Image.new("RGB", (1, 1)).save(tmp_path / "images" / "dot.png")
    (tmp_path / "images" / "broken.png").write_bytes(b"nothing")
    found = measure_masks(catalog)
    assert found.column("mask_problem").tolist() == ["", ""]
    assert found.column("mask_share").tolist()[0] == 1
    assert np.isnan(found.column("mask_edge_gain")).all()


def test_the_background_may_have_another_id(tmp_path: Path) -> None:
    mask = np.where(disc(), 0, 4).astype(np.uint8)
    found = measure_masks(dataset(tmp_path, {"a": mask}, classes={"0": "disc", "4": "Background"}))
    assert found.column("mask_share")[0] == pytest.approx(disc().mean())


def test_without_masks_nothing_is_measured() -> None:
    with pytest.raises(MissingSignal):
        measure_masks(Catalog.of_rows([{"id": "a"}]))


def test_real_masks_fit_their_images(shared) -> None:
    folder = shared("stamps_seg")
    rows = [
        {"id": path.stem, "path": f"images/val/{path.name}", "root": str(folder), "mask": f"masks/val/{path.stem}.png"}
        for path in sorted((folder / "images" / "val").glob("*.jpg"))
    ]
    found = measure_masks(Catalog.of_rows(rows).with_about({"task": "segmentation"}))
    assert set(found.column("mask_problem")) == {""}
    assert np.median(np.abs(found.column("mask_edge_offset"))) <= 1
    assert np.quantile(found.column("mask_edge_gain"), 0.9) < 1.25
    assert np.quantile(found.column("mask_shift_gain"), 0.9) < 1.1
    assert (found.column("mask_coarseness") < 4).all()
