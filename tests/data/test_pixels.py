"""The pixel store: decoded once, published whole, joined by content."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data import pixels as store_room
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.values import SnellenError


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    rng = np.random.default_rng(0)
    for name in ("a/1", "a/2", "b/3", "b/4"):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (10, 20, 3), dtype=np.uint8)).save(path)
    shutil.copy(tmp_path / "data/a/1.png", tmp_path / "data/a/copy.png")
    (tmp_path / "data/b/bad.png").write_text("text")
    (tmp_path / "data/b/link.png").symlink_to("nowhere")
    return read([tmp_path / "data"])


def test_decodes_every_content_once_and_joins_what_was_measured(catalog: Catalog, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    joined, pixels = open_pixels(catalog, size=16, cache=tmp_path / "c", progress=lambda *at: calls.append(at))
    assert calls == [(number, 5) for number in range(1, 6)]
    assert pixels.size == 16
    assert joined.counts("verdict") == {"ok": 5, "dangling link": 1, "not an image": 1}
    assert joined.ids == catalog.ids
    usable = joined.usable()
    assert usable.column("width").tolist() == [20] * 5
    assert usable.column("thumb").shape == (5, 432)
    assert np.isnan(joined.column("brightness")[joined.column("verdict") != "ok"]).all()
    rows = pixels.rows_of(usable)
    assert rows.dtype == np.int64
    batch = pixels.gather(rows)
    assert batch.shape == (5, 16, 16, 3)
    paths = usable.table.column("path").to_pylist()
    np.testing.assert_array_equal(batch[paths.index("a/1.png")], batch[paths.index("a/copy.png")])
    batch[:] = 0


def test_second_opening_decodes_nothing(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = open_pixels(catalog, size=16, cache=tmp_path / "c")
    monkeypatch.setattr(store_room, "decode_all", lambda *_: pytest.fail("decoded again"))
    for given in (catalog, first, catalog.take(range(len(catalog))[::-1])):
        again, pixels = open_pixels(given, size=16, cache=tmp_path / "c")
        assert again.counts("verdict") == first.counts("verdict")
        assert len(pixels.rows_of(again.usable())) == 5


def test_size_is_part_of_the_store(catalog: Catalog, tmp_path: Path) -> None:
    for size in (16, 24):
        assert open_pixels(catalog, size=size, cache=tmp_path / "c")[1].size == size
    assert len(list((tmp_path / "c" / "pixels").iterdir())) == 2


def test_unusable_samples_have_no_row(catalog: Catalog, tmp_path: Path) -> None:
    joined, pixels = open_pixels(catalog, size=16, cache=tmp_path / "c")
    with pytest.raises(SnellenError, match="2 of 7 samples have no pixels"):
        pixels.rows_of(joined)


def test_interrupted_build_publishes_nothing_and_leaves_nothing(catalog: Catalog, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_pixels(catalog, size=16, cache=tmp_path / "c", progress=stop)
    assert not list((tmp_path / "c" / "pixels").iterdir())


def test_what_a_killed_process_left_is_removed(catalog: Catalog, tmp_path: Path) -> None:
    open_pixels(catalog, size=16, cache=tmp_path / "c")
    (folder,) = (tmp_path / "c" / "pixels").iterdir()
    folder.rename(folder.with_name(f".{folder.name}.999999999.tmp"))
    open_pixels(catalog, size=16, cache=tmp_path / "c")
    assert list((tmp_path / "c" / "pixels").iterdir()) == [folder]


def test_a_store_that_another_process_published_first_is_used(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_wins(done: int, total: int) -> None:
        if done == total:
            shutil.copytree(tmp_path / "other" / "pixels", tmp_path / "c" / "pixels", dirs_exist_ok=True)

    open_pixels(catalog, size=16, cache=tmp_path / "other")
    joined, _ = open_pixels(catalog, size=16, cache=tmp_path / "c", progress=other_wins)
    assert len(joined.usable()) == 5
    assert len(list((tmp_path / "c" / "pixels").iterdir())) == 1


def test_a_full_disk_is_refused_before_it_is_full(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 100))
    with pytest.raises(SnellenError, match="free some room"):
        open_pixels(catalog, size=16, cache=tmp_path / "c")
