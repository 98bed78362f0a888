"""The backtest of the advice: its arms are recipes, the advised one costs no more than the others, the table tells who lost."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import backtest
from _backtest_arms import PEERS, SAYS, advised, peer, reckoned
from _claim_arms import _packed, keep, kept, predictions, spaced
from snellen import store
from snellen.catalog import Catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    rows = [
        {
            "id": f"{i}",
            "path": f"{i}",
            "target": f"c{i % 4}",
            "split": "val" if i % 5 == 0 else "train",
            "width": 160,
            "height": 160,
        }
        for i in range(200)
    ]
    return Catalog.of_rows(rows)


def test_the_others_start_as_their_sources_say() -> None:
    fastai, ultralytics, adamw = (peer(name, size=96, epochs=6, classes=9) for name in PEERS)
    assert [stage.unfreeze for stage in fastai.stages] == ["head", "all"]
    assert fastai.optim.lr * fastai.stages[0].lr_scale == pytest.approx(2e-3)
    assert fastai.optim.rates["stage1"] == 0.01
    assert ultralytics.optim.lr == pytest.approx(0.002 * 5 / 13, abs=1e-6)
    assert (ultralytics.train.batch, fastai.train.batch, adamw.optim.lr) == (16, 64, 1e-3)
    assert {recipe.stages[-1].epochs for recipe in (fastai, ultralytics, adamw)} == {6}
    assert set(SAYS) == {"advised", *PEERS}


@pytest.mark.parametrize("epochs", [4, 8])
def test_the_advised_recipe_costs_no_more(catalog: Catalog, epochs: int) -> None:
    others = tuple(peer(name, size=96, epochs=epochs, classes=4) for name in PEERS)
    mine = advised(catalog, size=96, others=others)
    counts = len(catalog.of("train")), len(catalog.of("val"))
    limit = min(reckoned(other, *counts) for other in others)
    assert reckoned(mine, *counts) <= limit
    assert reckoned(mine, *counts) > limit / 2
    assert mine.data.size == 96


def _file(folder: Path, arm: str, seed: int, share: float, images: int = 100) -> None:
    right = np.random.default_rng(7).random(200) + np.random.default_rng(seed).normal(0, 0.03, 200) < share
    told = {
        "data": "clothing", "arm": arm, "seed": seed, "recipe": arm, "images": images, "epochs": 6, "torch": "2", "threads": 1,
        "seconds": 3.0, "accuracy": float(right.mean()), "n": 200, "targets": spaced(np.arange(200) % 5),
        "right": _packed(right), "stopped": "",
    }  # fmt: skip
    keep(folder / f"clothing-{arm}-s{seed}.json", told)


def test_the_table_says_where_the_advice_lost(tmp_path: Path) -> None:
    for seed in range(3):
        for arm, share in (("advised", 0.6), ("fastai", 0.3), ("ultralytics", 0.9), ("adamw", 0.6)):
            _file(tmp_path, arm, seed, share, images=100 if arm != "adamw" else 50)
    lines = [line for line in backtest.table(tmp_path).splitlines() if line.startswith("| clothing")]
    # What was made with another number of images is not compared.
    assert len(lines) == 2
    assert "| fastai |" in lines[0]
    assert lines[0].endswith("| better |")
    assert lines[1].endswith("| worse |")
    assert "3 x 200" in lines[0]


def test_what_is_stored_is_short_and_says_what_it_said() -> None:
    paths = list(backtest.RESULTS.glob("*.json"))
    assert paths
    for path in paths:
        short, told = store.read_json(path), kept(path)
        rows = predictions(told)
        assert not any(isinstance(value, list) for value in short.values())
        assert len(rows.ids) == told["n"]
        assert rows.correct.mean() == pytest.approx(told["accuracy"], abs=1e-6)
    # Targets once for each data.
    assert {kept(path)["data"] for path in paths} == {
        file.name.rpartition("-")[0] for file in (backtest.RESULTS / "asked").iterdir()
    }


def test_wrong_names_and_missing_data_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for words, says in (
        (["--only", "stamp_cls"], "did you mean 'stamps_cls'"),
        (["--data", str(tmp_path)], "holds no folder stamps_cls"),
    ):
        monkeypatch.setattr(sys, "argv", ["backtest.py", *words])
        assert backtest.main() == 2
        assert says in capsys.readouterr().err
