"""The run's folder: everything written comes back, from files alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from snellen.catalog import Catalog, MissingSignal
from snellen.recipe import Recipe
from snellen.run import Predictions, Run
from snellen.values import Finding, SnellenError

ROWS = [{"id": f"s{i}", "target": "ab"[i % 2], "split": "train"} for i in range(4)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", Recipe(), Catalog.of_rows(ROWS), {"torch": "2"})


def test_what_is_known_before_training(run: Run) -> None:
    again = Run.open(run.folder)
    assert again.recipe == Recipe().resolve()
    assert again.catalog.ids == ("s0", "s1", "s2", "s3")
    assert again.environment == {"torch": "2"}
    assert not again.done


def test_a_recipe_that_was_written_again_is_read_again(run: Run) -> None:
    before, changed = run.recipe, Recipe().change({"seed": 7}).resolve()
    changed.save(run.folder / "recipe.yaml")
    assert (before.seed, run.recipe) == (0, changed)
    (run.folder / "recipe.yaml").unlink()
    with pytest.raises(SnellenError, match=r"recipe\.yaml does not exist"):
        _ = run.recipe


def test_embeddings_stay_in_the_case(tmp_path: Path) -> None:
    catalog = Catalog.of_rows(ROWS).with_columns({"embedding": np.zeros((4, 2), dtype=np.float16)})
    assert not Run.create(tmp_path, Recipe(), catalog, {}).catalog.has("embedding")


def test_a_finished_run_is_not_written_over(run: Run) -> None:
    run.finish({"seconds": 2.5})
    assert run.done
    assert run.cost == {"seconds": 2.5}
    with pytest.raises(SnellenError, match="holds a finished run"):
        Run.create(run.folder, Recipe(), Catalog.of_rows(ROWS), {})


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="holds no run"):
        Run.open(tmp_path)


def test_signals_come_back_in_order_with_their_numbers(run: Run) -> None:
    run.record("loss", {"stage": "all", "epoch": 1, "train": 0.5, "val": math.nan})
    run.record("recall", {"stage": "all", "epoch": 1, "values": {"a": 1.0}})
    run.record("loss", {"stage": "all", "epoch": 2, "train": math.inf, "norms": [1.0, -math.inf]})
    first, second = run.signals("loss")
    assert math.isnan(first["val"])
    assert (second["epoch"], second["train"], second["norms"]) == (2, math.inf, (1.0, -math.inf))
    with pytest.raises(TypeError):
        first["val"] = 1.0  # type: ignore[index]
    with pytest.raises(MissingSignal, match="gradient"):
        run.signals("gradient")


@pytest.mark.parametrize("classes", [("a", "b"), ("two\nlines", "back\\slash\\n"), ("图像", "<script>"), ("", " ")])
def test_predictions_come_back(run: Run, classes: tuple[str, str]) -> None:
    shares = np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]], dtype=np.float32)
    run.write_predictions("val", Predictions(("x", "y", "z"), np.array([0, 1, 1]), shares, classes))
    rows = run.predictions("val")
    assert (rows.ids, rows.classes) == (("x", "y", "z"), classes)
    np.testing.assert_array_equal(rows.targets, [0, 1, 1])
    np.testing.assert_array_equal(rows.probabilities, shares)
    assert rows.correct.tolist() == [True, False, True]
    with pytest.raises(MissingSignal, match="predictions of test"):
        run.predictions("test")


def test_findings_come_back_equal(run: Run) -> None:
    assert run.findings == ()
    finding = Finding(
        rule="overfitting", severity="warn", message="0.4", evidence={"gap": 0.4, "signs": [{"a": 1}]}, samples=("s1",)
    )
    blind = Finding(rule="plateau", severity="info", message="not looked at", looked=False)
    run.write_findings([finding, blind])
    assert run.findings == (finding, blind)
