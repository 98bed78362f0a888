"""An audit that splits by time and deals folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from snellen import verbs
from snellen.case import Case


def test_audit_splits_by_time_and_deals_folds(photos: Callable[..., Path], elsewhere: Path) -> None:
    data = photos(elsewhere / "my 图", each=10, side=32)
    files = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    rows = "".join(f"{file},2024-01-{day:02d}\n" for day, file in enumerate(files, start=1))
    (data / "metadata.csv").write_text(f"path,time\n{rows}", encoding="utf-8")
    small = {"model.name": "test_efficientnet", "model.weights": "none", "data.time": "auto"}
    answer = verbs.audit(data, out=elsewhere / "case", changes=small, folds=4)
    assert answer["task"] == "classification"
    catalog = Case(elsewhere / "case").catalog
    place = dict(zip(catalog.table.column("path").to_pylist(), catalog.column("split"), strict=True))
    assert [place[file] for file in files] == ["train"] * 14 + ["val"] * 3 + ["test"] * 3
    told = [line.split(",") for line in (elsewhere / "case/folds.csv").read_text().splitlines()[1:]]
    assert {path for path, split, fold in told if fold == "-1"} == set(files[17:])
    assert {fold for _, _, fold in told} == {"-1", "0", "1", "2", "3"}
