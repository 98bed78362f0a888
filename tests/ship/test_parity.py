from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from snellen.ship.export import Deployed, to_onnx
from snellen.ship.latency import latency
from snellen.ship.parity import parity
from snellen.values import SnellenError

NORMAL = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).random((n, 3, 16, 16), dtype=np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 14 * 14, 3)
    )
    path = tmp_path_factory.mktemp("parity") / "model.onnx"
    to_onnx(model, size=16, classes=["a", "b", "c"], path=path, about={}, **NORMAL)
    return model, path


def test_equal_models_agree(exported: tuple[torch.nn.Module, Path]) -> None:
    model, path = exported
    for n in (1, 40):
        found = parity(Deployed(model, **NORMAL), path, images(n))
        assert found["max_abs"] < 1e-5
        assert found["agreement"] == 1
        assert found["n"] == n


def test_another_normalisation_is_seen(exported: tuple[torch.nn.Module, Path]) -> None:
    model, path = exported
    found = parity(Deployed(model, mean=(0, 0, 0), std=(1, 1, 1)), path, images(20))
    assert found["max_abs"] > 1e-3
    assert found["agreement"] <= 1


def test_a_broken_model_is_infinitely_far(exported: tuple[torch.nn.Module, Path]) -> None:
    model, path = exported
    assert parity(Deployed(model, mean=(0, 0, 0), std=(0, 0, 0)), path, images(2))["max_abs"] == float("inf")


def test_refusals(exported: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    model, path = exported
    deployed = Deployed(model, **NORMAL)
    with pytest.raises(SnellenError, match="expected float32"):
        parity(deployed, path, images(2).astype(np.float64))
    with pytest.raises(SnellenError, match="n of 1 or more"):
        parity(deployed, path, images(0))
    with pytest.raises(SnellenError, match="is missing"):
        parity(deployed, tmp_path / "none.onnx", images(2))


def test_latency_counts_both_engines(exported: tuple[torch.nn.Module, Path]) -> None:
    model, path = exported
    eager, onnx = latency(Deployed(model, **NORMAL), path, size=16, seconds=0.05)
    assert eager["engine"] == "torch"
    assert 0 < eager["median_ms"] <= eager["p95_ms"]
    assert 0 < onnx["median"] <= onnx["p95"]
    assert eager["n"] >= 2
    assert onnx["n"] >= 2
    assert onnx["batch"] == 1
