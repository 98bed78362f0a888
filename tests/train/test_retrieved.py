"""A training about features measures what they are good for; others do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from snellen import store
from snellen.catalog import MissingSignal
from snellen.run import Run
from snellen.ship.loaded import load
from snellen.tasks._retrieval import retrieval
from snellen.train.loop import train
from snellen.train.machine import Setting

STAGES = {
    "stages": [{"name": "head", "unfreeze": "head", "epochs": 1}, {"name": "all", "unfreeze": "all", "epochs": 1}]
}


def trained(folder: Path, patch: dict) -> Run:
    recipe = tiny.recipe({**STAGES, "augment.mixup": 0.0, "augment.cutmix": 0.0, **patch})
    return train(recipe, *tiny.material(), folder / "run", setting=Setting(), cache=folder / "cache")


@pytest.mark.parametrize("loss", ["arcface", "triplet"])
def test_retrieval_is_among_the_runs_metrics(loss: str, tmp_path: Path) -> None:
    run = trained(tmp_path, {"loss": {"name": loss, "settings": {}}})
    (told,) = run.signals("retrieval")
    rows = run.predictions("val")
    stored, about = store.read_tensors(run.folder / "embeddings.safetensors")
    assert about["ids"] == list(rows.ids)
    assert len(stored["val"]) == len(rows.ids)
    again = retrieval(stored["val"].numpy(), rows.targets)
    for name in ("recall_at_1", "recall_at_5", "verification"):
        assert told[name]["value"] == pytest.approx(again[name]["value"])
        assert told[name]["low"] <= told[name]["value"] <= told[name]["high"]
    # The features of the kept weights, not of the last.
    catalog, pixels = tiny.material()
    kept = load(run).features(catalog.of("val"), pixels)
    assert kept == pytest.approx(stored["val"].numpy(), abs=1e-4)


def test_a_training_about_classes_has_none(tmp_path: Path) -> None:
    run = trained(tmp_path, {})
    with pytest.raises(MissingSignal):
        run.signals("retrieval")
    assert not (run.folder / "embeddings.safetensors").exists()
