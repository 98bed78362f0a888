"""Offline expansion: copies as files, listed so that no split can leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.curate import expand
from snellen.data.read import read
from snellen.data.split import split
from snellen.values import SnellenError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, photos) -> tuple[Path, Path, dict]:
    root = tmp_path_factory.mktemp("照片 x")
    data = photos(root / "my photos", each=12, side=48)
    return data, root / "out put", expand(data, out=root / "out put", times=4)


def test_the_list_reads_back_with_the_splits_that_were_there(made) -> None:
    data, out, answer = made
    catalog = read([out / "list.csv"])
    before = split(read([data]), val=0.15, test=0.15, seed=0)
    assert len(catalog) == answer["samples"] == 24 + answer["copies"]
    assert answer["copies"] == 3 * len(before.of("train"))
    # Nothing that is validated or tested on is augmented.
    for part in ("val", "test"):
        assert set(catalog.of(part).column("content")) == set(before.of(part).column("content"))
        assert set(catalog.of(part).column("meta_original")) == {""}
    assert split(catalog, val=0.15, test=0.15, seed=0).counts("split") == catalog.counts("split")


def test_copies_share_the_group_of_their_original(made) -> None:
    _, out, _ = made
    catalog = read([out / "list.csv"])
    groups = dict(zip(catalog.ids, catalog.column("group"), strict=True))
    copies = catalog.where(catalog.column("meta_original").astype(str) != "")
    for group, original, target in zip(
        copies.column("group"), copies.column("meta_original"), copies.column("target"), strict=True
    ):
        assert group == groups[original]
        assert target == catalog.take(catalog.rows([original])).column("target")[0]
    # However the list is divided, a group lies in one split.
    bare = catalog.with_columns({"split": np.full(len(catalog), "", dtype=object)})
    apart = split(bare, val=0.3, test=0.3, seed=3)
    where: dict[str, set[str]] = {}
    for group, part in zip(apart.column("group"), apart.column("split"), strict=True):
        where.setdefault(group, set()).add(part)
    assert all(len(parts) == 1 for parts in where.values())


def test_copies_are_augmented_alike_for_a_seed(made, tmp_path: Path) -> None:
    data, out, _ = made
    expand(data, out=tmp_path / "again", times=4)
    expand(data, out=tmp_path / "other", times=2, changes={"seed": 1})
    images = sorted((out / "images").iterdir())
    assert images
    contents = [path.read_bytes() for path in images]
    assert contents == [path.read_bytes() for path in sorted((tmp_path / "again" / "images").iterdir())]
    assert len(set(contents)) == len(contents)
    first = next((tmp_path / "other" / "images").iterdir())
    assert first.read_bytes() != (out / "images" / first.name).read_bytes()


def test_copies_keep_the_shape_of_their_original(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, name in enumerate("ab"):
        (data / name).mkdir(parents=True)
        for index in range(6):
            noise = np.random.default_rng(10 * number + index).integers(0, 255, (40, 90, 3), dtype=np.uint8)
            Image.fromarray(noise).save(data / name / f"{index}.png")
    out = tmp_path / "out"
    expand(data, out=out, times=2, changes={"augment.parts": [{"name": "flip", "settings": {"chance": 1.0}}]})
    for path in (out / "images").iterdir():
        with Image.open(path) as image:
            assert image.size == (90, 40)


def test_what_cannot_be_decoded_is_counted(tmp_path: Path, photos) -> None:
    data = photos(tmp_path / "data", each=8, side=48)
    for part in ("train", "val"):
        for name in ("blue", "red"):
            (data / part / name).mkdir(parents=True)
    for place, path in enumerate(sorted(data.glob("*/*.png"))):
        path.rename(data / ("val" if place % 4 == 0 else "train") / path.parent.name / path.name)
    for name in ("blue", "red"):
        (data / name).rmdir()
    (data / "train" / "red" / "broken.png").write_bytes(b"not a picture")
    answer = expand(data, out=tmp_path / "out", times=3, changes={"data.test": 0.0})
    assert answer["left_out"] == {"not an image": 1}
    assert answer["copies"] == 2 * 12


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"times": 1}, "times is 1, expected 2 to 10"),
        ({"changes": {"augment.parts": [{"name": "flop"}]}}, "no augments part is named 'flop'; did you mean 'flip'"),
        ({"out": "inside"}, "which is never written to"),
        ({"out": "full"}, "is not empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(given: dict, words: str, tmp_path: Path, photos) -> None:
    data = photos(tmp_path / "data", each=6, side=48)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    places = {"inside": data / "new", "full": tmp_path / "full"}
    out = places.get(given.pop("out", ""), tmp_path / "out")
    with pytest.raises(SnellenError, match=words):
        expand(data, out=out, **given)


def test_other_tasks_are_refused(shared, tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="annotated for segmentation; copies are made of images with one label"):
        expand(shared("stamps_seg"), out=tmp_path / "out")
