from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is written where the tests are started."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def probed(apart: Path) -> None:
    """What the probe would find out in twenty seconds of a busy machine, as if it were remembered."""
    import torch

    from snellen.train.probe import place

    known = {
        "precision": "fp32", "layout": "contiguous", "compile": False, "all": 0.01, "all_small": 0.003, "last": 0.006,
        "forward": 0.003, "candidates": {"contiguous fp32": [0.01]}, "forwards": {"contiguous fp32": [0.003]}, "gain": 1.0,
        "busy": 0.0,
    }  # fmt: skip
    (apart / "probe").mkdir(exist_ok=True)
    models, sizes = ("tf_efficientnet_lite0:False", "test_efficientnet:True"), ((128, 64), (64, 32))
    before = torch.get_num_threads()
    for threads in {1, 2, os.cpu_count() or 1}:
        torch.set_num_threads(threads)
        for name, (size, small), batch in product(models, sizes, (8, 32)):
            path = place(apart, name=name, size=size, small=small, batch=batch)
            path.write_text(json.dumps(known | {"batch": batch}))
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory, photos: Callable[..., Path]) -> Path:
    return photos(tmp_path_factory.mktemp("few") / "photos", each=4, side=32)
