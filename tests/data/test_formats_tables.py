"""Tables with several labels for an image, and lists in JSON lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.read import read
from snellen.values import SnellenError

CELLS = {
    "bar": ["cat|dog", "cat", "", "dog | bird"],
    "semicolon": ["cat;dog", "cat", "", "dog; bird"],
    "comma": ["cat,dog", "cat", "", "dog, bird"],
    "list": ["['cat', 'dog']", '["cat"]', "[]", "['dog', 'bird']"],
}
LABELS = [["cat", "dog"], ["cat"], [], ["dog", "bird"]]


def images(folder: Path, count: int = 4) -> list[str]:
    (folder / "i").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"i/{number}.png")
    return [f"i/{number}.png" for number in range(count)]


def labels(catalog: Catalog) -> list[list[str]]:
    return list(catalog.table.column("labels").to_pylist())


@pytest.mark.parametrize("kind", CELLS)
def test_several_labels_in_a_cell(tmp_path: Path, kind: str) -> None:
    rows = [
        f'{path}\t"{cell}"'.replace('"["cat"]"', "[cat]")
        for path, cell in zip(images(tmp_path), CELLS[kind], strict=True)
    ]
    (tmp_path / "t.tsv").write_text("\ufeffpath\tlabels\n" + "\n".join(rows), encoding="utf-8")
    catalog = read([tmp_path / "t.tsv"])
    assert (catalog.task, catalog.about("classes")) == ("multilabel", ["bird", "cat", "dog"])
    assert labels(catalog) == LABELS
    assert set(catalog.table.column("target").to_pylist()) == {""}
    assert set(catalog.table.column("verdict").to_pylist()) == {"ok"}


def test_a_list_column_of_parquet_and_json_lines(tmp_path: Path) -> None:
    paths = images(tmp_path)
    pq.write_table(pa.table({"path": paths, "labels": LABELS, "split": ["train"] * 4}), tmp_path / "t.parquet")
    catalog = read([tmp_path / "t.parquet"])
    assert (labels(catalog), catalog.counts("split")) == (LABELS, {"train": 4})
    lines = [
        f'{{"path": "{path}", "labels": {str(found).replace(chr(39), chr(34))}}}'
        for path, found in zip(paths, LABELS, strict=True)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join([*lines, "{broken", ""]), encoding="utf-8")
    catalog = read([tmp_path / "t.jsonl"])
    assert labels(catalog) == LABELS
    assert [(note["what"], note["examples"]) for note in catalog.about("notes")] == [("line_corrupt", ["t.jsonl:5"])]


def test_a_column_for_each_class(tmp_path: Path) -> None:
    paths = images(tmp_path)
    text = "path,split,age,cat,dog\n" + "".join(f"{p},train,{n}0,{n % 2},{n // 2}\n" for n, p in enumerate(paths))
    (tmp_path / "t.csv").write_text(text)
    catalog = read([tmp_path / "t.csv"])
    assert (labels(catalog), catalog.about("classes")) == ([[], ["cat"], ["dog"], ["cat", "dog"]], ["cat", "dog"])
    assert "meta_age" in catalog.table.column_names
    assert "meta_cat" not in catalog.table.column_names
    (tmp_path / "t.csv").write_text(text.replace("i/0.png,train,00,0,0", "i/0.png,train,00,-1,0"))
    assert [note["what"] for note in read([tmp_path / "t.csv"]).about("notes")] == ["value_unsure"]
    (tmp_path / "t.csv").write_text(text.replace(",", ", "))
    catalog = read([tmp_path / "t.csv"])
    assert (labels(catalog), catalog.about("notes")) == ([[], ["cat"], ["dog"], ["cat", "dog"]], [])


def test_a_table_in_a_folder(tmp_path: Path) -> None:
    rows = [f"{path},{cell}" for path, cell in zip(images(tmp_path), CELLS["bar"], strict=True)]
    (tmp_path / "labels.csv").write_text("path,labels\n" + "\n".join(rows))
    catalog = read([tmp_path])
    assert (catalog.about("format"), labels(catalog)) == ("multi-label table", LABELS)


def test_a_table_that_cannot_be_read_is_told_and_left_out(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        images(tmp_path / "data" / name, 2)
    table = "path,label\n0.png,狗\n".encode("gbk")
    (tmp_path / "data/labels.csv").write_bytes(table)
    catalog = read([tmp_path / "data"])
    assert (catalog.task, catalog.counts()) == ("classification", {"cats": 2, "dogs": 2})
    (note,) = catalog.about("notes")
    assert (note["what"], note["count"]) == ("file_corrupt", 1)
    assert note["examples"][0].startswith("labels.csv is not UTF-8 text")
    with pytest.raises(SnellenError, match=r"labels\.csv is not UTF-8 text"):
        read([tmp_path / "data"], task="multilabel")
    # A sound table beside it is read, and images that lie in no class folders may be what it is about.
    rows = [f"cats/i/{number}.png,a|b" for number in range(2)]
    (tmp_path / "data/train.csv").write_text("\n".join(["path,labels", *rows]))
    assert read([tmp_path / "data"]).task == "multilabel"
    images(tmp_path / "flat", 1)
    (tmp_path / "flat/i/0.png").rename(tmp_path / "flat/0.png")
    (tmp_path / "flat/labels.csv").write_bytes(table)
    with pytest.raises(SnellenError, match=r"no class folders.*What it has cannot be read: labels\.csv is not UTF-8"):
        read([tmp_path / "flat"])


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["cat, wild", "cat, tame", "dog", "dog"], "classification"),  # A comma belongs to the name.
        (["a;b", "c;d", "e", "f"], "classification"),  # No part stands anywhere else.
        (["cat|dog", "cat", "dog", "cat"], "multilabel"),
        (["cat", "dog", "cat", "dog"], "classification"),
    ],
)
def test_a_column_label_holds_one_class_unless_its_cells_show_otherwise(
    tmp_path: Path, cells: list[str], task: str
) -> None:
    rows = [f'{path},"{cell}",x|y' for path, cell in zip(images(tmp_path), cells, strict=True)]
    (tmp_path / "t.csv").write_text("path,label,tags\n" + "\n".join(rows))
    assert read([tmp_path / "t.csv"]).task == task
    assert read([tmp_path / "t.csv"], task="multilabel").task == "multilabel"
    assert read([tmp_path / "t.csv"], task="classification").task == "classification"


def test_json_lines_of_one_label(tmp_path: Path) -> None:
    lines = [f'{{"path": "{path}", "label": "{"ab"[n % 2]}", "Angle": {n}}}' for n, path in enumerate(images(tmp_path))]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    catalog = read([tmp_path / "t.jsonl"])
    assert (catalog.task, catalog.counts()) == ("classification", {"a": 2, "b": 2})
    assert catalog.table.column("meta_angle").to_pylist() == ["0", "1", "2", "3"]
    (tmp_path / "t.jsonl").write_text("no json\n")
    with pytest.raises(SnellenError, match="holds no line of JSON"):
        read([tmp_path / "t.jsonl"])


def test_no_column_of_labels(tmp_path: Path) -> None:
    rows = [f"{path},{n}" for n, path in enumerate(images(tmp_path))]
    (tmp_path / "t.csv").write_text("path,age\n" + "\n".join(rows))
    with pytest.raises(SnellenError, match="no column with several labels"):
        read([tmp_path / "t.csv"], task="multilabel")
    with pytest.raises(SnellenError, match="no column 'label'"):
        read([tmp_path / "t.csv"])
