from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from snellen import store
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.train.job import Job, begin
from snellen.train.loop import Interrupted, train
from snellen.train.machine import Setting

Tensors = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def trained(tmp_path: Path, cache: Path) -> Callable[..., Run]:
    """trained(recipe, name, stop_at=…) -> the run; with `stop_at` the number of steps after which it is stopped."""

    def make(recipe: Recipe, name: str = "run", *, stop_at: int | None = None, **given: Any) -> Run:
        taken = 0

        def stop() -> bool:
            nonlocal taken
            taken += 1
            return taken == stop_at

        folder = tmp_path / name
        catalog, pixels = given.pop("material", None) or tiny.material()
        given = {"setting": Setting(), "cache": cache, **given}
        try:
            return train(recipe, catalog, pixels, folder, stop=stop, **given)
        except Interrupted:
            return Run.open(folder)

    return make


@pytest.fixture
def job(tmp_path: Path, cache: Path) -> Callable[..., Job]:
    """job(recipe) -> what the loop would work with."""

    def make(recipe: Recipe, name: str = "job", **given: Any) -> Job:
        return begin(recipe, *(given.get("material") or tiny.material()), tmp_path / name, Setting(), cache)

    return make


def weights(run: Run, name: str = "best") -> Tensors:
    tensors, _ = store.read_tensors(run.checkpoint(name))
    if name == "best":
        return tensors
    return {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}


@pytest.fixture(scope="session")
def weights_of() -> Callable[..., Tensors]:
    """weights_of(run, "best" or "last") -> the model's tensors of a checkpoint."""
    return weights


def differing(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> list[str]:
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


@pytest.fixture(scope="session")
def differ() -> Callable[[Mapping[str, torch.Tensor], Mapping[str, torch.Tensor]], list[str]]:
    """differ(tensors, tensors) -> names of those that are not the same, bit for bit."""
    return differing


@pytest.fixture(scope="session")
def signals() -> Callable[[Run], list[dict[str, Any]]]:
    """signals(run) -> all that was recorded but for times and memory."""
    return lambda run: [item for item in run.journal.read() if item["meter"] not in ("speed", "memory")]
