"""Folders and tables in every layout become the same kind of catalog."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.read import ignored, read
from snellen.values import SnellenError


def draw(path: Path, seed: int = 0) -> Path:
    """Write a small image that differs by seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def draw_all(root: Path, names: Sequence[str]) -> Path:
    for seed, name in enumerate(names):
        draw(root / name, seed)
    return root


def write_csv(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def column(catalog: Catalog, name: str) -> list[str]:
    return list(catalog.table.column(name).to_pylist())


def test_class_folders(tmp_path: Path) -> None:
    draw_all(tmp_path / "pets", ["dog/b.PNG", "cat/deep/a.JpEg", "cat/c.png", "cat/.hidden.png", ".git/x/y.png"])
    (tmp_path / "pets" / "notes.txt").write_text("x")
    catalog = read([tmp_path / "pets"])
    assert column(catalog, "path") == ["cat/c.png", "cat/deep/a.JpEg", "dog/b.PNG"]
    assert column(catalog, "target") == ["cat", "cat", "dog"]
    assert set(column(catalog, "split")) == {""}
    assert set(column(catalog, "source")) == {"pets"}
    assert ignored(catalog) == {".txt": 1}
    assert all(path.is_file() for path in catalog.paths())


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "valid", "TESTING"), ("train", "dev", "test")]
)
def test_split_folders(tmp_path: Path, names: tuple[str, str, str]) -> None:
    draw_all(tmp_path, [f"{split}/{name}/1.png" for split in names for name in ("a", "b")])
    catalog = read([tmp_path])
    assert catalog.counts("split") == {"train": 2, "val": 2, "test": 2}
    assert catalog.classes == ("a", "b")


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    draw_all(tmp_path, ["train/1.png", "bus/1.png", "train/2.png"])
    assert read([tmp_path]).counts() == {"train": 2, "bus": 1}


def test_domains_above_the_splits_are_sources(tmp_path: Path) -> None:
    draw_all(tmp_path / "d", [f"{s}/{p}/{c}/1.png" for s in ("web", "phone") for p in ("train", "test") for c in "ab"])
    catalog = read([tmp_path / "d"])
    assert catalog.counts("source") == {"d/phone": 4, "d/web": 4}
    assert catalog.counts("split") == {"test": 4, "train": 4}


def test_metadata_beside_the_folders_adds_columns_and_does_not_relabel(tmp_path: Path) -> None:
    draw_all(tmp_path, ["train/a/1.png", "train/b/2.png", "test/a/3.png"])
    rows = [
        ("path", "label", "split", "group", "camera"),
        ("train/a/1.png", "b", "test", "g1", "x"),
        ("gone.png", *"aaaa"),
    ]
    rows[2] = ("gone.png", "a", "train", "g", "y")
    write_csv(tmp_path / "metadata.csv", rows)
    catalog = read([tmp_path])
    assert column(catalog, "path") == ["test/a/3.png", "train/a/1.png", "train/b/2.png"]
    assert column(catalog, "target") == ["a", "a", "b"]
    assert column(catalog, "split") == ["test", "train", "train"]
    assert column(catalog, "group") == ["", "g1", ""]
    assert column(catalog, "meta_camera") == ["", "x", ""]
    assert column(read([tmp_path], group="camera"), "group") == ["", "x", ""]


def test_metadata_names_the_class_level_and_the_domain(tmp_path: Path) -> None:
    names = [f"{domain}/{name}/{number}.png" for domain in ("x", "y") for name in "ab" for number in (1, 2)]
    draw_all(tmp_path / "e", names)
    rows = [(name, name.split("/")[1], name[0], "train") for name in names]
    write_csv(tmp_path / "e" / "metadata.csv", [("path", "label", "domain", "split"), *rows])
    for sources in ([tmp_path / "e"], [tmp_path / "e" / "x", tmp_path / "e" / "y"]):
        catalog = read(sources)
        assert catalog.classes == ("a", "b")
        assert catalog.counts("source") == {"x": 4, "y": 4}
        assert catalog.counts("split") == {"train": 8}


def test_a_source_of_its_own_for_every_image_is_no_source(tmp_path: Path) -> None:
    names = [f"{name}/{number}.png" for name in "ab" for number in range(6)]
    draw_all(tmp_path / "r", names)
    write_csv(tmp_path / "r" / "metadata.csv", [("path", "source"), *((name, f"was {name}") for name in names)])
    assert read([tmp_path / "r"]).counts("source") == {"r": 12}


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "semicolon"])
def test_tables(tmp_path: Path, kind: str) -> None:
    draw_all(tmp_path, ["i/1.png", "i/2.png", "i/3.png"])
    rows = [
        ("path", "label", "split", "source", "annotator", "angle"),
        ("i/2.png", "b", "Validation", "web", "ann", "30"),
    ]
    rows += [("i/1.png", "a", "train", "web", "", "0"), ("i/none.png", "a", "", "shop", "", "")]
    if kind == "parquet":
        table = pa.table({name: [row[index] for row in rows[1:]] for index, name in enumerate(rows[0])})
        file = tmp_path / "t.parquet"
        pq.write_table(table, file)
    else:
        suffix, delimiter = {"csv": ("csv", ","), "tsv": ("tsv", "\t"), "semicolon": ("csv", ";")}[kind]
        file = write_csv(tmp_path / f"t.{suffix}", rows, delimiter)
    catalog = read([file])
    assert column(catalog, "path") == ["i/none.png", "i/1.png", "i/2.png"]
    assert column(catalog, "verdict") == ["missing", "ok", "ok"]
    assert column(catalog, "split") == ["", "train", "val"]
    assert column(catalog, "meta_angle") == ["", "0", "30"]
    assert column(catalog, "annotator") == ["", "", "ann"]


def test_a_row_without_label_is_listed_not_learned(tmp_path: Path) -> None:
    draw_all(tmp_path, ["1.png", "2.png", "3.png"])
    file = write_csv(tmp_path / "t.csv", [("path", "label"), ("1.png", "a"), ("2.png", "b"), ("3.png", "")])
    assert column(read([file]), "verdict") == ["ok", "ok", "no label"]


def test_paths_outside_the_tables_folder(tmp_path: Path) -> None:
    draw_all(tmp_path, ["images/1.png", "images/2.png"])
    (tmp_path / "lists").mkdir()
    rows = [("path", "label"), ("../images/1.png", "a"), (str(tmp_path / "images" / "2.png"), "b")]
    catalog = read([write_csv(tmp_path / "lists" / "t.csv", rows)])
    assert all(path.is_file() for path in catalog.paths())


def test_ids_come_from_content_and_copies_are_numbered_in_path_order(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png", "a/3.png"):
        draw(tmp_path / "x" / name, seed=1)
    draw(tmp_path / "x" / "b" / "0.png", seed=2)
    catalog = read([tmp_path / "x"])
    first = catalog.ids[0]
    assert len(first) == 16
    assert dict(zip(column(catalog, "path"), catalog.ids, strict=True)) | {"b/0.png": ""} == {
        "a/1.png": first,
        "a/3.png": f"{first}~1",
        "b/2.png": f"{first}~2",
        "b/0.png": "",
    }
    assert len(set(column(catalog, "content"))) == 2
    (tmp_path / "x").rename(tmp_path / "y")
    assert read([tmp_path / "y"]).ids == catalog.ids


def test_several_roots_keep_their_source(tmp_path: Path) -> None:
    for number, root in enumerate(("one/train", "two/train", "three")):
        draw(tmp_path / root / "a" / "1.png", 2 * number)
        draw(tmp_path / root / "b" / "1.png", 2 * number + 1)
    roots = [tmp_path / "two/train", tmp_path / "one/train", tmp_path / "three"]
    catalog = read(roots)
    assert catalog.counts("source") == {"one/train": 2, "three": 2, "two/train": 2}
    assert read(roots[::-1]).ids == catalog.ids


def test_a_link_to_the_folder_above_ends(tmp_path: Path) -> None:
    draw_all(tmp_path, ["a/1.png", "b/2.png"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    catalog = read([tmp_path])
    assert len(catalog) == 2
    assert ignored(catalog) == {"link to a folder above": 1}


def _broken(tmp_path: Path, name: str) -> tuple[list[Path], str | None]:
    draw_all(tmp_path / "good", ["a/1.png", "b/2.png"])
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "latin.csv").write_bytes("path,label\n1.png,gr\xfcn\n".encode("latin-1"))
    cases: dict[str, Callable[[], tuple[list[Path], str | None]]] = {
        "nothing": lambda: ([], None),
        "typo": lambda: ([tmp_path / "goood"], None),
        "text file": lambda: ([tmp_path / "note.txt"], None),
        "twice": lambda: ([tmp_path / "good", tmp_path / "good"], None),
        "nested": lambda: ([tmp_path / "good", tmp_path / "good" / "a"], None),
        "flat": lambda: ([tmp_path / "good" / "a"], None),
        "label column": lambda: ([write_csv(tmp_path / "t.csv", [("path", "class"), ("1.png", "a")])], None),
        "path column": lambda: ([write_csv(tmp_path / "t.csv", [("pth", "label"), ("1.png", "a")])], None),
        "split word": lambda: (
            [write_csv(tmp_path / "t.csv", [("path", "label", "split"), ("1.png", "a", "foo")])],
            None,
        ),
        "ragged": lambda: ([write_csv(tmp_path / "t.csv", [("path", "label"), ("1.png", "a", "b")])], None),
        "empty table": lambda: ([write_csv(tmp_path / "t.csv", [])], None),
        "header only": lambda: ([write_csv(tmp_path / "t.csv", [("path", "label")])], None),
        "column twice": lambda: (
            [write_csv(tmp_path / "t.csv", [("path", "label", "Label"), ("1.png", "a", "b")])],
            None,
        ),
        "latin-1": lambda: ([tmp_path / "latin.csv"], None),
        "group": lambda: ([tmp_path / "good"], "patient"),
    }
    return cases[name]()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "give a folder"),
        ("typo", "did you mean .*good"),
        ("text file", "neither a folder nor"),
        ("twice", "given twice"),
        ("nested", "lies in another folder"),
        ("flat", "no class folders"),
        ("label column", "did you mean 'class'"),
        ("path column", "did you mean 'pth'"),
        ("split word", "row 2: split is 'foo'"),
        ("ragged", "row 2 has 3 fields"),
        ("empty table", "is empty"),
        ("header only", "lists no images"),
        ("column twice", "more than once"),
        ("latin-1", "UTF-8"),
        ("group", "'patient'"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, name: str, says: str) -> None:
    sources, group = _broken(tmp_path, name)
    with pytest.raises(SnellenError, match=says):
        read(sources, group=group)


def _judged(folder: Path) -> tuple[Path, Catalog]:
    """A catalog as a case holds it: with splits, and something measured."""
    for name, colour in (("cat", "red"), ("狗", "blue")):
        (folder / "照片 1" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8 + number, 8), colour).save(folder / "照片 1" / name / f"{number}.png")
    catalog = read([folder / "照片 1"])
    splits = ["train", "val", "train", "test"] * 2
    return folder / "corrected.parquet", catalog.with_columns({"split": splits, "brightness": np.ones(8)})


def test_what_a_review_has_corrected_is_read_again(tmp_path: Path) -> None:
    file, catalog = _judged(tmp_path)
    corrected = catalog.with_columns({"target": ["狗", *catalog.column("target").tolist()[1:]]}).take(range(7))
    corrected.save(file)
    again = read([file])
    assert again.ids == corrected.ids
    for name in ("target", "split", "path", "root", "source"):
        assert again.column(name).tolist() == corrected.column(name).tolist(), name
    assert not again.has("brightness")  # It is measured anew.
    assert (again.task, again.classes) == ("classification", ("cat", "狗"))
    assert {*again.column("verdict").tolist()} == {"ok"}


def test_a_file_that_is_another_one_now_is_left_out(tmp_path: Path) -> None:
    file, catalog = _judged(tmp_path)
    catalog.save(file)
    gone, other = catalog.paths()[:2]
    gone.unlink()
    Image.new("RGB", (5, 5), "green").save(other)
    verdicts = read([file]).column("verdict").tolist()
    assert verdicts[1:] == ["changed since the catalog was written"] + ["ok"] * 6
    assert verdicts[0] not in ("ok", verdicts[1])


def test_a_catalog_is_read_alone_and_for_its_own_task(tmp_path: Path) -> None:
    file, catalog = _judged(tmp_path)
    catalog.save(file)
    with pytest.raises(SnellenError, match="is the catalog of a case and is read alone"):
        read([file, tmp_path / "照片 1"])
    with pytest.raises(SnellenError, match="was written for classification, and segmentation is asked for"):
        read([file], task="segmentation")
    with pytest.raises(SnellenError, match=r"has no column 'owner' that data\.group names"):
        read([file], group="owner")
    catalog.take(range(4)).save(file)
    with pytest.raises(SnellenError, match="holds images of 1 classes"):
        read([file])
