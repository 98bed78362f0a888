"""A few seconds of measuring: which layout and precision train this model fastest here, what a step costs, what fits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from snellen import store
from snellen.train import stages
from snellen.train.features import digest
from snellen.train.machine import Setting, device, environment, memory_free, out_of_memory, precisions
from snellen.train.stopwatch import Load, forward_seconds, images, step_bytes, step_seconds
from snellen.values import SnellenError

LAYOUTS = ("contiguous", "channels_last")
# Rounds in which every candidate takes its turn: the least number, then more until the most or the seconds are used up.
ROUNDS, MOST_ROUNDS, SECONDS = 3, 7, 6.0
# On a machine so busy that not even the least number of rounds is done after so many times these seconds, those that were
# done count.
PATIENCE = 2.0
# A candidate must be so much faster than the default (contiguous, fp32) to be taken, in the median of the rounds' ratios.
KEEP = 1.03
# Among settings that train equally fast within this share full precision is taken, whose numbers have more digits, and of one
# precision the setting with the faster forward pass.
TIE = 0.97
# After the warm-up a candidate slower than the default by this factor has no further turn: bf16 without instructions for it.
HOPELESS = 3.0
# Where a step of the default takes longer than so many seconds, fewer images are measured; where the probe is to be brief,
# so many times fewer seconds.
LONG, BRIEF = 1.0, 0.4
# torch.compile must pay this much of a step, since a run of minutes has to earn the minute of compiling back.
COMPILE_MARGIN = 1.1
# Share of the processor in foreign hands from which figures are not remembered, and from which a setting must be faster
# than the default in every single round.
BUSY = 0.15
# Share of the free memory that a step may be planned to take: the measured bytes leave out what operations take inside.
ROOM = 0.7

Times = Mapping[Setting, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds per image at `size` pixels in the chosen `setting`: a training step with everything or the last two stages
    unfrozen, and a forward pass; `all_small` is the first of these at `small` pixels (a model that does not take these: in
    proportion to the pixels).

    `candidates`: seconds per image of a training step, by setting, round by round; `forwards`: the same of forward passes;
    `gain`: how many times faster than the default the setting trains (median of the rounds' ratios); `batch`: images that
    were measured at once; `busy`: share of the processor that others used meanwhile; `compiling`: seconds that
    torch.compile took, None where it was not tried; `head`: seconds of a step on the head alone, None where that is trained
    on features that are kept.
    """

    setting: Setting
    size: int
    small: int
    all: float
    all_small: float
    last: float
    forward: float
    candidates: dict[str, list[float]]
    forwards: dict[str, list[float]]
    gain: float
    batch: int
    busy: float
    compiling: float | None = None
    head: float | None = None


def probe(
    make: Callable[[], nn.Module],
    *,
    name: str,
    cache: Path,
    size: int = 128,
    small: int = 64,
    batch: int = 32,
    compile: bool | Literal["auto"] = False,
    seconds: float = SECONDS,
) -> Costs:
    """Measure once per (model, shape, machine, versions) and remember.

    Candidates take turns, in one order and then in the other, and are compared round by round, so that a busy moment hits
    all of them. The default (contiguous, fp32) is among them and kept unless another is clearly faster. `compile`: "auto"
    also tries torch.compile, which takes about a minute on a CPU.

    `seconds`: about how long settings may be compared. Below the usual 6 the probe is brief: fewer images at once, and half
    precision is tried in one layout only. What it found is remembered apart, and a full measurement is preferred to it.

    Where other programs use the processor, the figures are too high: they are used, said to be so (`busy`), and not
    remembered. Raises SnellenError where the model does not take images of `size` pixels, or one of them does not fit.
    """
    path = place(cache, name=name, size=size, small=small, batch=batch, compile=compile)
    if seconds < SECONDS and not path.is_file():
        path = path.with_stem(f"{path.stem}-brief")
    if path.is_file():
        known: dict[str, Any] = store.read_json(path)
    else:
        load = Load()
        known = _measure(make, load, name=name, size=size, small=small, batch=batch, compile=compile, seconds=seconds)
        known["busy"] = load.share()
        if known["busy"] < BUSY:
            store.write_json(path, known)
    setting = Setting(known.pop("precision"), known.pop("layout"), device(), known.pop("compile"))
    return Costs(setting=setting, size=size, small=small, **known)


def place(
    cache: Path, *, name: str, size: int, small: int, batch: int, compile: bool | Literal["auto"] = False
) -> Path:
    """The file where the figures of this model and shape on this machine are remembered."""
    about = {"name": name, "size": size, "small": small, "batch": batch, "tried": compile, "figures": 2}
    return cache / "probe" / f"{digest({**environment(Setting(device=device())), **about})}.json"


def choose(times: Times, forwards: Times, default: Setting, *, busy: bool = False) -> Setting:
    """The setting that trains fastest; the default unless another is clearly faster (see KEEP, TIE), on a `busy` machine in
    every round."""
    sure = [s for s in times if s == default or not busy or min(_ratios(times, s, default)) >= KEEP]
    worth = {setting: gain(times, setting, default) for setting in sure}
    best = max(worth.values())
    if best < KEEP:
        return default
    near = [setting for setting in sure if worth[setting] >= max(TIE * best, KEEP)]
    return max(near, key=lambda setting: (setting.precision == "fp32", gain(forwards, setting, default)))


def gain(times: Times, setting: Setting, default: Setting) -> float:
    """How many times faster than the default: the median of the ratios within each round."""
    return statistics.median(_ratios(times, setting, default))


def _ratios(times: Times, setting: Setting, default: Setting) -> list[float]:
    return [plain / own for plain, own in zip(times[default], times[setting], strict=True)]


def largest_batch(
    model: nn.Module,
    setting: Setting,
    *,
    size: int,
    batch: int,
    free: Callable[[], int] = memory_free,
    attempt: Callable[[nn.Module, Setting, Tensor], float] | None = None,
) -> int:
    """The most images, at most `batch`, whose training step fits into memory; found by halving.

    Nothing is tried that the measured bytes of two small steps say will not fit: a system may end a process that takes too
    much instead of refusing it. What is tried (`attempt`: seconds of a step, by default on CUDA only, where it costs little
    and the measured bytes tell less) and raises that memory is short is halved too. Raises SnellenError where not even one
    image fits.
    """
    count = predicted(model, setting, size=size, batch=batch, free=free)
    if attempt is None and setting.device != "cuda":
        return count
    while count:
        try:
            (attempt or step_seconds)(model, setting, images(size, count))
            return count
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        model.zero_grad(set_to_none=True)
        count //= 2
    raise SnellenError(_no_room(size))


def predicted(
    model: nn.Module, setting: Setting, *, size: int, batch: int, free: Callable[[], int] = memory_free
) -> int:
    """The most images, at most `batch`, that two steps of two and four images say will fit. Raises SnellenError for none."""
    allowed = ROOM * free()
    two, four = (step_bytes(model, setting, images(size, count)) for count in (2, 4))
    each = max((four - two) / 2, 1.0)
    while batch > 1 and two + (batch - 2) * each > allowed:
        batch = -(-batch // 2)
    if batch == 1 and two - each > allowed:
        raise SnellenError(_no_room(size))
    return batch


def _no_room(size: int) -> str:
    return (
        f"a training step on one image of {size} px does not fit into the free memory; choose a smaller data.size or model, "
        "or set train.checkpointing: true"
    )


def _measure(
    make: Callable[[], nn.Module],
    load: Load,
    *,
    name: str,
    size: int,
    small: int,
    batch: int,
    compile: bool | Literal["auto"],
    seconds: float,
) -> dict[str, Any]:
    model, default = make(), Setting(device=device())
    _take(model, default, name.partition(":")[0], size)
    long = LONG if seconds >= SECONDS else LONG * BRIEF
    batch = _bearable(model, default, size, predicted(model, default, size=size, batch=batch), long)
    given = images(size, batch)
    times, forwards = rounds(model, _candidates(default.device, brief=seconds < SECONDS), given, seconds=seconds)
    running = {s: t for s, t in times.items() if len(t) == len(times[default])}
    best = choose(running, forwards, default, busy=load.share() >= BUSY)
    setting, faster, compiling = best, 1.0, None
    if compile:
        setting, faster, compiling = _compiled(make, model, best, times, forwards, given, sure=compile is True)
    whole = statistics.median(times[setting])
    last = _part(model, best, given, "last") / faster
    alone = None if hasattr(model, "forward_head") else _part(model, best, given, "head") / faster
    return {
        "head": None if alone is None else alone / batch,
        "precision": setting.precision,
        "layout": setting.layout,
        "compile": setting.compile,
        "all": whole / batch,
        "all_small": _small(model, best, size, small, batch, whole, faster) / batch,
        "last": last / batch,
        "forward": statistics.median(forwards[setting]) / batch,
        "candidates": {_words(s): [value / batch for value in times[s]] for s in times},
        "forwards": {_words(s): [value / batch for value in forwards[s]] for s in forwards},
        "gain": gain(times, best, default) * faster,
        "batch": batch,
        "compiling": compiling,
    }


def _candidates(on: str, *, brief: bool) -> list[Setting]:
    """What is compared, the default first. Where time is short, half precision only in the layout that it mostly wins in."""
    every = [Setting(precision, layout, on) for layout in LAYOUTS for precision in precisions(on)]
    return [s for s in every if not brief or s.precision == "fp32" or s.layout == "channels_last"]


def _part(model: nn.Module, setting: Setting, given: Tensor, unfreeze: str) -> float:
    return statistics.median(step_seconds(model, setting, given, unfreeze=unfreeze) for _ in range(ROUNDS))


def rounds(
    model: nn.Module, candidates: Sequence[Setting], given: Tensor, *, seconds: float = SECONDS
) -> tuple[dict[Setting, list[float]], dict[Setting, list[float]]]:
    """Seconds of training steps and of forward passes by setting, round by round, over about `seconds`. The first candidate
    is the default; one that is hopeless after the warm-up keeps that one figure."""
    start = time.monotonic()
    warm = {
        setting: (step_seconds(model, setting, given), forward_seconds(model, setting, given)) for setting in candidates
    }
    limit = HOPELESS * warm[candidates[0]][0]
    running = [setting for setting in candidates if warm[setting][0] <= limit]
    times = {setting: [] if setting in running else [warm[setting][0]] for setting in candidates}
    forwards = {setting: [] if setting in running else [warm[setting][1]] for setting in candidates}
    for turn in range(MOST_ROUNDS):
        if turn and time.monotonic() - start > seconds * (1.0 if turn >= ROUNDS else PATIENCE):
            break
        for setting in running if turn % 2 else reversed(running):
            times[setting].append(step_seconds(model, setting, given))
            forwards[setting].append(forward_seconds(model, setting, given))
    return times, forwards


def _compiled(
    make: Callable[[], nn.Module],
    model: nn.Module,
    best: Setting,
    times: dict[Setting, list[float]],
    forwards: dict[Setting, list[float]],
    given: Tensor,
    *,
    sure: bool,
) -> tuple[Setting, float, float]:
    """The best setting once more with torch.compile, its figures added to `times` and `forwards`. Returns what to take (the
    compiled one where it is clearly faster, or where that is `sure`), how many times faster that is, seconds of compiling."""
    setting = replace(best, compile=True)
    start = time.monotonic()
    other = setting.prepare(make())
    step_seconds(other, setting, given)
    forward_seconds(other, setting, given)
    compiling = time.monotonic() - start
    times[setting], forwards[setting], plain = [], [], []
    for _ in range(ROUNDS):
        plain.append(step_seconds(model, best, given))
        times[setting].append(step_seconds(other, setting, given))
        forwards[setting].append(forward_seconds(other, setting, given))
    faster = gain({best: plain, setting: times[setting]}, setting, best)
    return (setting, faster, compiling) if sure or faster > COMPILE_MARGIN else (best, 1.0, compiling)


def _bearable(model: nn.Module, setting: Setting, size: int, batch: int, long: float) -> int:
    few = min(4, batch)
    step_seconds(model, setting, images(size, few))
    each = step_seconds(model, setting, images(size, few)) / few
    while batch > few and batch * each > long:
        batch = max(few, batch // 2)
    return batch


def _small(model: nn.Module, best: Setting, size: int, small: int, batch: int, whole: float, faster: float) -> float:
    if _refusal(model, best, small):
        return whole * (small / size) ** 2
    given = images(small, batch)
    return statistics.median([step_seconds(model, best, given) for _ in range(ROUNDS + 1)][1:]) / faster


def _take(model: nn.Module, setting: Setting, name: str, size: int) -> None:
    """Raises SnellenError where the model cannot be staged, or does not take images of this size."""
    try:
        stages.boundaries(model)
    except ValueError as error:
        raise SnellenError(f"the model {name} cannot be trained in stages: {error}") from error
    refused = _refusal(model, setting, size)
    if refused:
        raise SnellenError(
            f"the model {name} fails on images of {size} px ({refused}); set data.size and data.eval_size to what it takes, "
            "or choose another model"
        )


def _refusal(model: nn.Module, setting: Setting, size: int) -> str:
    """What a model says to images of this size; empty where it takes them."""
    try:
        forward_seconds(model, setting, images(size, 2))
    except (AssertionError, RuntimeError, ValueError, TypeError, IndexError) as error:
        if out_of_memory(error):
            raise SnellenError(_no_room(size)) from error
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""


def _words(setting: Setting) -> str:
    return f"{setting.layout} {setting.precision}{' compiled' if setting.compile else ''}"
