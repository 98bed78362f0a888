"""The probe of the machine: measured once, never a slower setting than the default, told when others disturb it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from snellen.train import probe as module
from snellen.train.machine import Setting, out_of_memory
from snellen.train.probe import choose, gain, largest_batch, place, probe
from snellen.train.stopwatch import Load, images, step_bytes
from snellen.values import SnellenError

SMALL = {"size": 32, "small": 16, "batch": 4}
PLAIN, LAST = Setting(), Setting(layout="channels_last")
HALF, HALF_LAST = Setting("bf16"), Setting("bf16", "channels_last")
FOUR = (PLAIN, HALF, LAST, HALF_LAST)
made: list[str] = []


def make() -> nn.Module:
    made.append("model")
    return timm.create_model("test_efficientnet", num_classes=2)


class Quiet:
    """A machine on which nothing else runs."""

    def share(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Load", Quiet)
    made.clear()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """machine({setting: seconds of a step}, {setting: seconds of a pass}, noise) -> the probe measures these."""

    def pretend(steps: dict[Setting, float], passes: dict[Setting, float] | None = None, noise: float = 0.0) -> None:
        chance = np.random.default_rng(0)

        def step(model: nn.Module, setting: Setting, given: torch.Tensor, **_: Any) -> float:
            return steps[setting] * len(given) * float(1 + noise * chance.exponential())

        def forward(model: nn.Module, setting: Setting, given: torch.Tensor) -> float:
            return (passes or steps)[setting] * len(given)

        monkeypatch.setattr(module, "step_seconds", step)
        monkeypatch.setattr(module, "forward_seconds", forward)

    return pretend


# ---- Measured


def test_it_measures_every_candidate(tmp_path: Path) -> None:
    costs = probe(make, name="m", cache=tmp_path, **SMALL)
    assert (
        set(costs.candidates)
        == set(costs.forwards)
        == {f"{layout} {precision}" for layout in ("contiguous", "channels_last") for precision in ("fp32", "bf16")}
    )
    chosen = costs.candidates[f"{costs.setting.layout} {costs.setting.precision}"]
    assert min(chosen) <= costs.all <= max(chosen)
    assert len(chosen) >= module.ROUNDS
    assert costs.gain >= 1
    assert all(value > 0 for value in (costs.all, costs.all_small, costs.last, costs.forward))
    assert costs.compiling is None


def test_it_measures_once(tmp_path: Path) -> None:
    first = probe(make, name="m", cache=tmp_path, **SMALL)
    assert probe(make, name="m", cache=tmp_path, **SMALL) == first
    assert made == ["model"]
    probe(make, name="another", cache=tmp_path, **SMALL)
    assert made == ["model", "model"]


def test_another_shape_or_machine_is_another_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = {"name": "m", **SMALL}
    places = [place(tmp_path, **{**shape, key: value}) for key, value in (("size", 64), ("batch", 8), ("small", 8))]
    places += [place(tmp_path, **shape), place(tmp_path, **shape, compile="auto")]
    monkeypatch.setattr("snellen.train.machine.processor", lambda: "another")
    places.append(place(tmp_path, **shape))
    torch.set_num_threads(torch.get_num_threads() + 1)
    places.append(place(tmp_path, **shape))
    assert len(set(places)) == 7


def test_a_busy_machine_is_told_and_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quiet, "share", lambda self: 0.8)
    assert probe(make, name="m", cache=tmp_path, **SMALL).busy == 0.8
    assert not list(tmp_path.rglob("*.json"))


def test_the_load_of_others_is_a_share() -> None:
    load = Load()
    sum(range(100_000))  # Its own work does not count.
    assert 0 <= load.share() <= 1


def test_a_brief_probe_tries_less_and_is_remembered_apart(tmp_path: Path) -> None:
    brief = probe(make, name="m", cache=tmp_path, **SMALL, seconds=0.1)
    assert set(brief.candidates) == {"contiguous fp32", "channels_last fp32", "channels_last bf16"}
    assert [path.stem.endswith("-brief") for path in (tmp_path / "probe").iterdir()] == [True]
    assert probe(make, name="m", cache=tmp_path, **SMALL, seconds=0.1) == brief
    full = probe(make, name="m", cache=tmp_path, **SMALL)
    assert len(full.candidates) == 4
    # What was measured at length is preferred from then on.
    assert probe(make, name="m", cache=tmp_path, **SMALL, seconds=0.1) == full
    assert made == ["model"] * 2


def test_a_brief_probe_shows_fewer_images_at_once(machine, tmp_path: Path) -> None:
    machine(dict.fromkeys(FOUR, 0.02))
    full, brief = (
        probe(make, name=name, cache=tmp_path, **{**SMALL, "batch": 32}, seconds=seconds).batch
        for name, seconds in (("a", module.SECONDS), ("b", 1.0))
    )
    assert brief < full


# ---- Chosen


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_nothing_slower_than_the_default_is_taken(noise: float, machine, tmp_path: Path) -> None:
    machine({PLAIN: 0.01, LAST: 0.0101, HALF: 0.02, HALF_LAST: 0.011}, noise=noise)
    costs = probe(make, name="m", cache=tmp_path, **SMALL)
    assert (costs.setting, costs.gain) == (PLAIN, 1.0)


def test_the_fastest_is_taken(machine, tmp_path: Path) -> None:
    machine({PLAIN: 0.02, LAST: 0.012, HALF: 0.01, HALF_LAST: 0.008}, noise=0.1)
    costs = probe(make, name="m", cache=tmp_path, **SMALL)
    assert costs.setting == HALF_LAST
    assert costs.gain == pytest.approx(2.5, rel=0.2)


@pytest.mark.parametrize(("half", "taken"), [(0.0089, LAST), (0.0080, HALF_LAST)])
def test_half_precision_must_pay(half: float, taken, machine, tmp_path: Path) -> None:
    machine({PLAIN: 0.0100, LAST: 0.0090, HALF: 0.0095, HALF_LAST: half})
    assert probe(make, name="m", cache=tmp_path, **SMALL).setting == taken


def test_of_equal_trainings_the_faster_pass_decides() -> None:
    times = {PLAIN: [2.0] * 3, HALF: [1.0] * 3, LAST: [1.5] * 3, HALF_LAST: [1.02] * 3}
    passes = {PLAIN: [2.0] * 3, HALF: [1.0] * 3, LAST: [0.1] * 3, HALF_LAST: [0.6] * 3}
    assert choose(times, passes, PLAIN) == HALF_LAST
    # A pass never outweighs a training step that is clearly faster.
    assert choose({**times, HALF_LAST: [1.1] * 3}, passes, PLAIN) == HALF


def test_a_busy_moment_does_not_decide() -> None:
    """Rounds are compared within themselves: the second ran at half speed, but for the default's turn."""
    times = {PLAIN: [1.0, 1.0, 1.0, 2.0, 1.0], LAST: [1.01, 2.02, 1.01, 1.0, 1.01]}
    assert gain(times, LAST, PLAIN) < 1
    assert choose(times, times, PLAIN) == PLAIN
    # The least time of the other setting lies below all of the default's, and still it is not faster.
    assert min(times[LAST]) <= min(times[PLAIN])


def test_on_a_busy_machine_a_setting_must_win_every_round() -> None:
    times = {PLAIN: [1.0, 1.0, 1.0], LAST: [0.5, 0.5, 1.1], HALF: [0.8, 0.8, 0.8]}
    assert choose(times, times, PLAIN) == LAST
    assert choose(times, times, PLAIN, busy=True) == HALF
    assert choose({PLAIN: times[PLAIN], LAST: times[LAST]}, times, PLAIN, busy=True) == PLAIN


def test_a_probe_on_a_busy_machine_ends(machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    machine(dict.fromkeys(FOUR, 0.01))
    assert len(probe(make, name="m", cache=tmp_path, **SMALL).candidates["contiguous fp32"]) == 2


def test_what_is_hopeless_has_no_further_turn(machine, tmp_path: Path) -> None:
    machine({PLAIN: 0.01, LAST: 0.005, HALF: 0.2, HALF_LAST: 0.2})
    costs = probe(make, name="m", cache=tmp_path, **SMALL)
    assert costs.setting == LAST
    assert len(costs.candidates["contiguous bf16"]) == 1


def test_a_heavy_model_is_measured_with_fewer_images(machine, tmp_path: Path) -> None:
    machine(dict.fromkeys(FOUR, 0.1))
    assert probe(make, name="m", cache=tmp_path, **{**SMALL, "batch": 32}).batch == 8


@pytest.mark.parametrize(("speed", "compile", "taken"), [(1.0, "auto", False), (0.5, "auto", True), (1.0, True, True)])
def test_compiling_is_taken_where_it_pays_or_is_asked_for(
    speed: float, compile: Any, taken: bool, machine, tmp_path: Path
) -> None:
    compiled = Setting(compile=True)
    machine({**dict.fromkeys(FOUR, 0.01), compiled: 0.01 * speed})
    costs = probe(make, name="m", cache=tmp_path, **SMALL, compile=compile)
    assert costs.setting == (compiled if taken else PLAIN)
    assert costs.compiling is not None
    assert "contiguous fp32 compiled" in costs.candidates
    assert costs.gain == pytest.approx(1 / speed if taken else 1.0)


# ---- What does not fit


class Picky(nn.Module):
    """Takes images of 32 px only."""

    feature_info = timm.create_model("test_efficientnet").feature_info

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] == 32, "Input height doesn't match"
        return images.mean(dim=(1, 2, 3))[:, None] * torch.ones(1, 2)


def test_a_model_of_one_size_says_so(tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match=r"the model picky fails on images of 48 px \(Input height doesn't match\)"):
        probe(Picky, name="picky:True", cache=tmp_path, size=48, small=32, batch=4)


def test_a_small_size_that_a_model_refuses_is_reckoned(
    machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(dict.fromkeys(FOUR, 0.01))
    real = module._refusal
    monkeypatch.setattr(module, "_refusal", lambda model, s, size: "too small" if size == 16 else real(model, s, size))
    costs = probe(make, name="m", cache=tmp_path, **SMALL)
    assert costs.all_small == pytest.approx(costs.all / 4)


ERRORS = [
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    torch.OutOfMemoryError("CUDA out of memory."),
]


@pytest.mark.parametrize("error", ERRORS, ids=["python", "cpu", "cuda"])
def test_the_batch_is_halved_until_it_fits(error: Exception) -> None:
    tried: list[int] = []

    def attempt(model: nn.Module, setting: Setting, given: torch.Tensor) -> float:
        tried.append(len(given))
        if len(given) > 5:
            raise error
        return 1.0

    assert out_of_memory(error)
    assert largest_batch(make(), PLAIN, size=32, batch=20, attempt=attempt) == 5
    assert tried == [20, 10, 5]


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def attempt(model: nn.Module, setting: Setting, given: torch.Tensor) -> float:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        largest_batch(make(), PLAIN, size=32, batch=8, attempt=attempt)


def test_what_is_known_not_to_fit_is_not_tried() -> None:
    tried: list[int] = []
    two, four = (step_bytes(make(), PLAIN, images(32, count)) for count in (2, 4))
    allowed = int((two + 10 * (four - two) / 2) / module.ROOM)

    def attempt(model: nn.Module, setting: Setting, given: torch.Tensor) -> float:
        tried.append(len(given))
        return 1.0

    found = largest_batch(make(), PLAIN, size=32, batch=64, free=lambda: allowed, attempt=attempt)
    assert (found, tried) == (8, [8])
    with pytest.raises(SnellenError, match=r"choose a smaller data\.size"):
        largest_batch(make(), PLAIN, size=32, batch=64, free=lambda: 1000, attempt=attempt)


def test_bytes_of_a_step_grow_with_the_images_and_shrink_with_the_parts() -> None:
    model = make()
    one, two, cut = (
        step_bytes(model, PLAIN, images(64, count), parts=parts) for count, parts in ((8, 1), (16, 1), (16, 2))
    )
    weights = sum(parameter.nbytes for parameter in model.parameters())
    assert two - weights == pytest.approx(2 * (one - weights), rel=0.2)
    assert one <= cut < two
