"""The probe of the machine: measured once, told when others disturb it."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
from torch import nn

from snellen.train import probe as module
from snellen.train.probe import probe

SMALL = {"size": 32, "small": 16, "batch": 4}
made: list[str] = []


def make() -> nn.Module:
    made.append("model")
    return timm.create_model("test_efficientnet", num_classes=2)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "foreign_load", lambda: 0.0)
    made.clear()


def test_it_measures_every_candidate_and_takes_the_fastest(tmp_path: Path) -> None:
    costs = probe(make, name="m", cache=tmp_path, **SMALL)
    assert set(costs.candidates) == {
        f"{layout} {precision}" for layout in ("contiguous", "channels_last") for precision in ("fp32", "bf16")
    }
    chosen = costs.candidates[f"{costs.setting.layout} {costs.setting.precision}"]
    assert min(chosen) <= costs.all <= max(chosen)
    # bf16 has to be faster by a margin, since bits differ; of one precision the fastest layout is taken.
    assert min(chosen) == min(min(times) for name, times in costs.candidates.items() if costs.setting.precision in name)
    if costs.setting.precision == "bf16":
        assert min(chosen) < min(min(times) for name, times in costs.candidates.items() if "fp32" in name)
    assert all(value > 0 for value in (costs.all, costs.all_small, costs.last, costs.forward))


def test_it_measures_once(tmp_path: Path) -> None:
    first = probe(make, name="m", cache=tmp_path, **SMALL)
    assert probe(make, name="m", cache=tmp_path, **SMALL) == first
    assert made == ["model"]
    probe(make, name="another", cache=tmp_path, **SMALL)
    assert made == ["model", "model"]


def test_a_busy_machine_is_told_and_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "foreign_load", lambda: 0.8)
    assert probe(make, name="m", cache=tmp_path, **SMALL).busy == 0.8
    assert not list(tmp_path.rglob("*.json"))
