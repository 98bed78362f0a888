"""The pixel store over time: bounded, locked while in use, mended, and reused where most images are the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data import bounded, reuse
from snellen.data import pixels as store_room
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.values import SnellenError

SIZE = 128
EACH = SIZE * SIZE * 3


def fill(folder: Path, names: str, seed: int = 0) -> Catalog:
    """One image of noise for each letter."""
    for name in names:
        chance = np.random.default_rng([seed, ord(name)])
        path = folder / ("a" if name < "d" else "b") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 256, (10, 20, 3), dtype=np.uint8)).save(path)
    return read([folder])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def stores(cache: Path) -> list[Path]:
    return sorted((cache / "pixels").iterdir())


def used(folder: Path, when: float) -> None:
    os.utime(folder / "lock", (when, when))


# ---- Bounded


def test_the_store_used_least_recently_makes_room(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    catalogs = [fill(tmp_path / name, "abef", seed) for seed, name in enumerate(("one", "two", "three"))]
    for catalog in catalogs[:2]:
        open_pixels(catalog, size=SIZE, cache=cache)
    first, second = sorted(stores(cache), key=lambda path: path.stat().st_mtime)
    used(first, 1000)
    used(second, 2000)
    open_pixels(catalogs[0], size=SIZE, cache=cache)  # Touches the first again.
    monkeypatch.setenv(bounded.LIMIT, f"{2.5 * 4 * EACH / 1e6:.3f}MB")
    open_pixels(catalogs[2], size=SIZE, cache=cache, notice=said.append)
    assert len(stores(cache)) == 2
    assert first.is_dir()
    assert not second.exists()
    assert any(second.name in text and "least recently" in text for text in said)


def test_a_store_in_use_is_never_evicted(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pixels = open_pixels(fill(tmp_path / "one", "abef"), size=SIZE, cache=cache)
    (folder,) = stores(cache)
    monkeypatch.setenv(bounded.LIMIT, f"{1.5 * 4 * EACH / 1e6:.3f}MB")
    other = fill(tmp_path / "two", "abef", seed=1)
    with pytest.raises(SnellenError, match=r"others in use hold .*raise it or choose a smaller data\.size"):
        open_pixels(other, size=SIZE, cache=cache)
    assert folder.is_dir()
    assert pixels.gather(np.asarray([0])).any()
    del pixels
    open_pixels(other, size=SIZE, cache=cache)
    assert not folder.exists()


def test_another_process_holds_its_store(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_pixels(fill(tmp_path / "one", "abef"), size=SIZE, cache=cache)
    (folder,) = stores(cache)
    program = (
        "import sys; from pathlib import Path; from snellen.data.bounded import hold\n"
        "held = hold(Path(sys.argv[1])); print(held is not None, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        monkeypatch.setenv(bounded.LIMIT, "0.001MB")
        bounded.make_room(cache / "pixels", 0, notice=lambda text: None)
        assert folder.is_dir()
        process.kill()
        process.wait()
        bounded.make_room(cache / "pixels", 0, notice=lambda text: None)
        assert not folder.exists()


def test_the_default_limit_gives_way_to_one_large_store_and_says_so(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(bounded, "DEFAULT_BYTES", EACH)
    _, pixels = open_pixels(fill(tmp_path / "one", "abef"), size=SIZE, cache=cache, notice=said.append)
    assert len(pixels.array) == 4
    assert bounded.LIMIT in said[0]


@pytest.mark.parametrize(("text", "expected"), [("20", 20e9), ("1.5 gb", 1.5e9), ("800MB", 8e8), ("2TB", 2e12)])
def test_a_stated_limit(text: str, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bounded.LIMIT, text)
    assert bounded.limit(tmp_path) == (expected, True)


def test_a_limit_that_is_no_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bounded.LIMIT, "plenty")
    with pytest.raises(SnellenError, match="expected a size such as 20"):
        bounded.limit(tmp_path)


def test_without_a_stated_limit_it_is_a_share_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(bounded.LIMIT, raising=False)
    for free, expected in ((10e9, 2e9), (500e9, 20e9)):
        usage = shutil._ntuple_diskusage(1e12, 0, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert bounded.limit(tmp_path) == (expected, False)


def test_what_is_removed_while_it_is_opened_is_not_there(tmp_path: Path, cache: Path) -> None:
    open_pixels(fill(tmp_path / "one", "abef"), size=SIZE, cache=cache)
    (folder,) = stores(cache)
    bounded.discard(folder)
    assert bounded.hold(folder) is None
    assert not stores(cache)


def test_a_build_in_another_container_is_not_taken_for_abandoned(tmp_path: Path, cache: Path) -> None:
    foreign = cache / "pixels" / ".store.999999999.tmp"
    foreign.mkdir(parents=True)
    (foreign / "lock").touch()
    held = bounded.hold(foreign)
    assert held is not None
    bounded.clear_stale(cache / "pixels")
    assert foreign.is_dir()
    held.release()
    bounded.clear_stale(cache / "pixels")
    assert not foreign.exists()


# ---- Mended


def cut(folder: Path) -> None:
    data = (folder / "pixels.npy").read_bytes()
    (folder / "pixels.npy").write_bytes(data[: len(data) // 2])


def zeroed(folder: Path) -> None:
    data = (folder / "pixels.npy").read_bytes()
    (folder / "pixels.npy").write_bytes(data[:128] + bytes(len(data) - 128))


def no_header(folder: Path) -> None:
    (folder / "pixels.npy").write_bytes(b"text")


def no_pixels(folder: Path) -> None:
    (folder / "pixels.npy").unlink()


def no_table(folder: Path) -> None:
    (folder / "measured.parquet").unlink()


def torn_table(folder: Path) -> None:
    data = (folder / "measured.parquet").read_bytes()
    (folder / "measured.parquet").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("damage", [cut, zeroed, no_header, no_pixels, no_table, torn_table])
def test_a_damaged_store_is_built_anew_with_a_notice(damage, tmp_path: Path, cache: Path) -> None:
    catalog = fill(tmp_path / "one", "abef")
    _, pixels = open_pixels(catalog, size=16, cache=cache)
    before = np.array(pixels.array)
    del pixels
    (folder,) = stores(cache)
    damage(folder)
    said: list[str] = []
    joined, pixels = open_pixels(catalog, size=16, cache=cache, notice=said.append)
    assert len(joined.usable()) == 4
    np.testing.assert_array_equal(pixels.array, before)
    assert len(said) == 1
    assert "is damaged" in said[0]
    assert stores(cache) == [folder]


def test_a_disk_that_never_reads_back_is_told(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(store_room, "_check", broken)
    with pytest.raises(SnellenError, match="failing"):
        open_pixels(fill(tmp_path / "one", "abef"), size=16, cache=cache)


# ---- Reused


def test_images_that_another_store_holds_are_copied(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "one"
    fill(folder, "abef")
    (folder / "a" / "bad.png").write_text("text")
    before, first = open_pixels(read([folder]), size=16, cache=cache)
    (folder / "b" / "f.png").unlink()
    grown = fill(folder, "cg")

    decoded: list[str] = []
    real = store_room.decode_all
    monkeypatch.setattr(
        store_room,
        "decode_all",
        lambda paths, size: (decoded.extend(path.stem for path in paths), real(paths, size))[1],
    )
    said: list[str] = []
    after, second = open_pixels(grown, size=16, cache=cache, notice=said.append)
    assert sorted(decoded) == ["c", "g"]
    assert said == ["4 of 6 images are copied from earlier pixel stores"]
    assert after.counts("verdict") == {"ok": 5, "not an image": 1}

    kept = [sample for sample in before.usable().ids if sample in after.usable().ids]
    old, new = (c.where(np.isin(c.ids, kept)).usable() for c in (before, after))
    order = [old.ids.index(sample) for sample in new.ids]
    np.testing.assert_array_equal(second.gather(second.rows_of(new)), first.gather(first.rows_of(old.take(order))))
    for name in ("width", "height", "mode", "brightness", "sharpness", "phash", "thumb"):
        np.testing.assert_array_equal(new.column(name), old.take(order).column(name))


def test_a_copy_equals_a_fresh_store(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "one"
    open_pixels(fill(folder, "abe"), size=16, cache=cache)
    grown = fill(folder, "fg")
    copied, pixels = open_pixels(grown, size=16, cache=cache)
    fresh, other = open_pixels(grown, size=16, cache=tmp_path / "elsewhere")
    np.testing.assert_array_equal(pixels.array, other.array)
    assert copied.table.schema == fresh.table.schema
    for name in copied.table.column_names:  # Some numbers of so small an image are NaN.
        np.testing.assert_array_equal(copied.column(name), fresh.column(name))


def test_other_sizes_and_damaged_rows_are_decoded(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "one"
    open_pixels(fill(folder, "abe"), size=16, cache=cache)
    (store,) = stores(cache)
    zeroed(store)
    said: list[str] = []
    _, pixels = open_pixels(fill(folder, "f"), size=16, cache=cache)
    assert pixels.array.reshape(4, -1).any(axis=1).all()
    open_pixels(read([folder]), size=24, cache=cache, notice=said.append)
    assert not said


def test_stores_without_the_wanted_images_are_let_go(tmp_path: Path, cache: Path) -> None:
    open_pixels(fill(tmp_path / "one", "abe"), size=16, cache=cache)
    known = reuse.earlier(stores(cache), ["nothing"])
    assert known.stores == ()
    assert known.take("nothing") is None
    with bounded._alone(stores(cache)[0]) as alone:
        assert alone


def test_many_images_are_packed_in_order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_room, "PACKED", 2)
    monkeypatch.setattr(store_room, "WINDOW", 3)
    catalog = fill(tmp_path / "one", "abcefgh")
    joined, pixels = open_pixels(catalog, size=16, cache=cache)
    plain, other = open_pixels(catalog.take(range(7)[::-1]), size=16, cache=cache)
    np.testing.assert_array_equal(pixels.gather(pixels.rows_of(joined)), other.gather(other.rows_of(plain))[::-1])
    assert len(joined.usable()) == 7
