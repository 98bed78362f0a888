"""Search: seconds until a search's answer is a setting of the head within 0.5 points of the best of a 27-point grid.

    python bench/search.py --data FOLDER [--epochs 15] [--rounds 5] [--size 128] [--threads N] [--clock wall|cpu] [--write]

Ours: `improve/search.py`, successive halving of 27 candidates trained together on cached features, with one seed as the
peers, and with the default of two more seeds for the best few. Peers: the grid (rate x smoothing x dropout, three values each, in turn), and Optuna's TPE with its median pruner
(81 trials) over the ranges of the grid. A trial of theirs is peers/head_loop.py on the same features in memory, with nothing but
torch; ours also keeps averages, checks every loss and stores its rows. A last line has the grid as it is without cached features, the
frozen network run in every epoch: 27 times one such run (peers/frozen_loop.py).

What a setting is worth is the mean of its validation accuracy in the peers' loop over 20 seeds that no search uses, reckoned off
the clock: on a hundred validation images one image is a point, so that with a single training luck would decide. A search is *there* at the time
at which its incumbent, the setting that was best so far by its own scores, is worth no more than 0.5 points less than the best of the grid. The
peers' incumbents are known after each trial; ours only at the end of the search, so that its time is the whole search's. Nobody who
searches sees that it is there: what the whole search took, and whether its last answer is there, is told beside. The ratios are of the
rounds in which both sides got there; in the medians a round in which a side did not is longer than any other.

Before any clock starts Optuna is imported, the network built, the features made, and every side run once for one epoch: all find the same at hand.
The time of the features is told beside. On its clock ours builds the network again for every seed and reckons the hash of its weights,
under which the features lie; the peers need no network. Each round has another seed, and ours goes first in even rounds.

`--clock cpu` counts seconds of the processor instead of the clock's, for all sides alike: with one thread that is the same on an
idle machine, and on a shared one what others use is not counted. With --write every round is a file in results/search, and a
round that is there is not measured again: a stopped bench goes on.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch

from _material import Material, at_hand, material
from peers.frozen_loop import frozen_loop
from peers.head_loop import Features, head_loop
from snellen import store
from snellen.case import Case
from snellen.improve.lab import Lab
from snellen.improve.search import Span, search
from snellen.train.enter import plain_features, view_features
from snellen.train.job import begin

TABLE = Path(__file__).parent / "SEARCH.md"
ROUNDS = Path(__file__).parent / "results" / "search"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
RATES, SMOOTHINGS, DROPOUTS = (3e-4, 1e-3, 3e-3), (0.0, 0.1, 0.2), (0.0, 0.2, 0.5)
DECAY, NEAR, TRIALS, BATCH = 1e-4, 0.005, 81, 32
# Seeds that settings are judged by, far from those of the rounds; and the one that sides are warmed up with.
JUDGES, WARM = range(1000, 1020), 2000
RANGES = {
    "optim.lr": Span(RATES[0], RATES[-1], log=True),
    "loss.settings.smoothing": Span(values=SMOOTHINGS),
    "model.dropout": Span(values=DROPOUTS),
}
SIDES = {
    "ours": "ours: 27 candidates halved, one seed, as the peers",
    "sure": "ours: and three seeds for the best (the default)",
    "grid": "grid, 27 points, hand loop on the same features",
    "tpe": f"Optuna TPE and median pruner, {TRIALS} trials",
}

Clock = Callable[[], float]
Point = Mapping[str, float]
Tell = Callable[[Point, float], None]
Side = Callable[[Tell], None]


class Incumbent(NamedTuple):
    """A search's best setting from `seconds` on, when it had made so many `trials`."""

    seconds: float
    trials: int
    setting: Point


def point(lr: float, smoothing: float, dropout: float) -> dict[str, float]:
    """Settings of the hand loop."""
    return {"lr": lr, "smoothing": smoothing, "dropout": dropout, "weight_decay": DECAY}


GRID = tuple(point(*values) for values in itertools.product(RATES, SMOOTHINGS, DROPOUTS))


class Judge:
    """What settings are worth: the mean of `score`(setting, seed) over seeds, reckoned once each and never on a clock."""

    def __init__(self, score: Callable[[Point, int], float], seeds: Sequence[int]) -> None:
        self._score, self._seeds = score, seeds
        self._known: dict[tuple[tuple[str, float], ...], float] = {}

    def worth(self, setting: Point) -> float:
        """Rounded, so that what is exactly 0.5 points away is near on every machine."""
        key = tuple(sorted(setting.items()))
        if key not in self._known:
            self._known[key] = round(statistics.fmean(self._score(setting, seed) for seed in self._seeds), 6)
        return self._known[key]

    @cached_property
    def best(self) -> float:
        """That of the best setting of the grid."""
        return max(self.worth(setting) for setting in GRID)

    def near(self, setting: Point) -> bool:
        """Whether it is within 0.5 points of the best of the grid."""
        return self.worth(setting) >= round(self.best - NEAR, 6)


def watched(side: Side, clock: Clock) -> tuple[float, list[Incumbent]]:
    """Seconds of a whole search, and its incumbents in order: what it would answer if it were stopped."""
    found: list[Incumbent] = []
    best, trials, start = -math.inf, 0, clock()

    def tell(setting: Point, score: float) -> None:
        nonlocal best, trials
        trials += 1
        if score > best:
            best = score
            found.append(Incumbent(clock() - start, trials, setting))

    side(tell)
    return clock() - start, found


def recipe_patch(given: argparse.Namespace) -> dict[str, Any]:
    """One head stage whose rate is the recipe's."""
    return {
        "stages": [{"name": "head", "unfreeze": "head", "epochs": given.epochs, "lr_scale": 1.0}], "optim.lr": 1e-3,
        "optim.weight_decay": DECAY, "optim.clip": None, "augment.mixup": 0.0, "train.ema": 0.0, "data.size": given.size,
    }  # fmt: skip


def features_of(found: Material, cache: Path, clock: Clock) -> tuple[Features, float]:
    """What all sides read, and the seconds that it took with a network that was built."""
    job = begin(found.recipe, found.catalog, found.pixels, found.folder / "job", found.setting, cache)
    start = clock()
    train = torch.from_numpy(view_features(job).copy())
    size = job.recipe.data.eval_size or job.recipe.data.size
    val = torch.from_numpy(plain_features(job, job.validation, size).copy())
    targets, wanted = (torch.from_numpy(one.targets) for one in (job.training, job.validation))
    return Features(train, targets, val, wanted, len(job.classes)), clock() - start


def sides_of(found: Material, features: Features, cache: Path, epochs: int, seed: int) -> dict[str, Side]:
    """Every search by its name."""
    return {
        "grid": lambda tell: grid(features, epochs, seed, tell),
        "ours": lambda tell: our_side(found, cache, epochs, seed, 1, tell),
        "sure": lambda tell: our_side(found, cache, epochs, seed, 3, tell),
        "tpe": lambda tell: tpe(features, epochs, seed, tell),
    }


def our_side(found: Material, cache: Path, epochs: int, seed: int, seeds: int, tell: Tell) -> None:
    """The whole search, from the recipe to its answer."""
    folder = Path(tempfile.mkdtemp(prefix="case-", dir=found.folder))
    lab = Lab(Case(folder), found.catalog, found.pixels, found.setting, cache, lambda event: None, lambda: False, None)
    recipe = found.recipe.change({"seed": seed, "stages.0.epochs": epochs})
    best = search(lab, recipe, ranges=RANGES, count=27, seeds=seeds).best
    tell(point(best.optim.lr, float(best.loss.settings["smoothing"]), best.model.dropout), 0.0)


def grid(features: Features, epochs: int, seed: int, tell: Tell) -> None:
    """All 27 points in turn."""
    for setting in GRID:
        tell(setting, head_loop(features, setting, epochs=epochs, batch=BATCH, seed=seed))


def tpe(features: Features, epochs: int, seed: int, tell: Tell) -> None:
    """TRIALS trials; what was pruned has no score."""
    import optuna

    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner()
    )

    def objective(trial: Any) -> float:
        chosen = point(
            trial.suggest_float("lr", RATES[0], RATES[-1], log=True),
            trial.suggest_float("smoothing", SMOOTHINGS[0], SMOOTHINGS[-1]),
            trial.suggest_float("dropout", DROPOUTS[0], DROPOUTS[-1]),
        )

        def told(epoch: int, score: float) -> None:
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return head_loop(features, chosen, epochs=epochs, batch=BATCH, seed=seed, told=told)

    def ended(study: Any, trial: Any) -> None:
        tell(point(**trial.params), trial.value if trial.state == optuna.trial.TrialState.COMPLETE else -math.inf)

    study.optimize(objective, n_trials=TRIALS, callbacks=[ended])


def warm_up(sides: Mapping[str, Side]) -> None:
    """Run every side, with what it imports when it is first asked, and tell nobody."""
    for side in sides.values():
        side(lambda setting, score: None)


def one_round(sides: Mapping[str, Side], judge: Judge, clock: Clock, seed: int) -> dict[str, Any]:
    """All sides with one seed, ours first in even rounds; judged when the last has ended."""
    order = ("grid", "ours", "sure") if seed % 2 else ("sure", "ours", "grid")
    seen = {name: watched(sides[name], clock) for name in (*order, "tpe")}
    there = {name: next((one for one in found if judge.near(one.setting)), None) for name, (_, found) in seen.items()}
    answers = {name: found[-1].setting for name, (_, found) in seen.items()}
    return {
        "best": judge.best, "whole": {name: whole for name, (whole, _) in seen.items()},
        "seconds": {name: one and one.seconds for name, one in there.items()},
        "trials": {name: one and one.trials for name, one in there.items()},
        "worth": {name: judge.worth(setting) for name, setting in answers.items()},
        "ends": {name: judge.near(setting) for name, setting in answers.items()},
    }  # fmt: skip


def about_of(found: Material, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """What a round follows from."""
    return {
        "data": name_of(given), "epochs": given.epochs, "size": given.size, "images": given.images, "clock": given.clock,
        "threads": torch.get_num_threads(), "torch": torch.__version__, "precision": found.setting.precision,
        "judges": len(JUDGES), "seed": seed,
    }  # fmt: skip


def kept_round(about: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """A round: read where it was measured alike before, else made and written."""
    path = ROUNDS / f"{about['data']}-s{about['seed']}.json"
    known: dict[str, Any] = store.read_json(path) if path.is_file() else {}
    if {key: known.get(key) for key in about} == about:
        return known
    made = {**about, **make()}
    store.write_json(path, made)
    said = ", ".join(f"{name} {_told(made['seconds'][name])} of {made['whole'][name]:.2f} s" for name in SIDES)
    print(f"round {about['seed']}: there after {said}", flush=True)
    return made


def name_of(given: argparse.Namespace) -> str:
    """The data's name."""
    return str(given.data.name) if given.data else "embedded"


def _middle(values: Sequence[float | None]) -> float:
    """The median, where None is longer than anything."""
    return statistics.median(math.inf if value is None else value for value in values)


def _told(value: float | None, form: str = ".2f") -> str:
    return "never" if value is None or math.isinf(value) else format(value, form)


def row(name: str, rounds: Sequence[Mapping[str, Any]]) -> str:
    """A side's line of the table."""
    mine = [(one["seconds"][name], one["seconds"]["ours"]) for one in rounds]
    ratios = sorted(side / ours for side, ours in mine if side is not None and ours is not None)
    ratio = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})" if ratios else "-"
    cells = (
        SIDES[name], _told(_middle([side for side, _ in mine])), "1" if name == "ours" else ratio,
        f"{sum(side is not None for side, _ in mine)} of {len(rounds)}", f"{_middle([one['whole'][name] for one in rounds]):.2f}",
        f"{sum(one['ends'][name] for one in rounds)} of {len(rounds)}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def summary(
    rounds: Sequence[Mapping[str, Any]], seconds: float, frozen: float, given: argparse.Namespace, about: str
) -> str:
    """The table and what must be said with it."""
    ours, whole = _middle([one["whole"]["ours"] for one in rounds]), len(GRID) * frozen
    unit = f"seconds{' of the processor' if given.clock == 'cpu' else ''}"
    lines = [
        f"| side | {unit} until it is there, median | times ours, median (least to most) | rounds in which it was there | "
        f"{unit} of the whole search, median | rounds whose answer is there |",
        "|---|---|---|---|---|---|",
        *(row(name, rounds) for name in SIDES),
        f"| grid without cached features ({len(GRID)} x {frozen:.1f} s) | - | of the whole searches {whole / ours:.0f}; with our features' time "
        f"{whole / (ours + seconds):.0f} | - | {whole:.0f} | - |",
    ]
    after = [_told(_middle([one["trials"][name] for one in rounds]), "g") for name in ("grid", "tpe")]
    worth = "; ".join(f"{name} " + ", ".join(format(one["worth"][name], ".3f") for one in rounds) for name in SIDES)
    return (
        f"{about}; {given.epochs} epochs; {len(rounds)} rounds; {torch.get_num_threads()} threads. Features took {seconds:.1f} s, once, and are "
        "not in the times of the first four lines.\n\n" + "\n".join(lines) +
        f"\n\nTrials until it was there, median: grid {after[0]}, tpe {after[1]}. The best setting of the grid is worth {rounds[0]['best']:.3f}; the answers by "
        f"round: {worth}.\n"
    )  # fmt: skip


def measure(found: Material, given: argparse.Namespace) -> str:
    """All rounds, and the table of them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cache, clock, epochs = found.folder / "shared", CLOCKS[given.clock], given.epochs
    judges, rounds = (JUDGES[:2], 1) if given.quick else (JUDGES, given.rounds)
    features, seconds = features_of(found, cache, clock)
    judge = Judge(lambda one, seed: head_loop(features, one, epochs=epochs, batch=BATCH, seed=seed), judges)
    warm_up(sides_of(found, features, cache, 1, WARM))
    told = []
    for seed in range(rounds):
        made = partial(one_round, sides_of(found, features, cache, epochs, seed), judge, clock, seed)
        stored = given.write and not given.quick
        told.append(kept_round(about_of(found, given, seed), made) if stored else made())
    hand, start = at_hand(found), clock()
    frozen_loop(hand)
    return summary(told, seconds, clock() - start, given, str(found))


def main() -> None:
    """Measure, print, and keep with --write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder of images (default: embedded Fashion-MNIST)")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=128, help="pixels per side")
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="what seconds are (default: wall)")
    parser.add_argument("--quick", action="store_true", help="a few samples, to see that it runs")
    parser.add_argument("--write", action="store_true", help=f"keep the table as {TABLE.name}")
    given = parser.parse_args()
    if find_spec("optuna") is None:
        parser.error("one of the sides is Optuna, which is not installed: pip install -e '.[bench]'")
    torch.set_num_threads(given.threads)
    with material(given, recipe_patch(given), images=given.images) as found:
        text = measure(found, given)
    print(text)
    if given.write and not given.quick:
        how = (
            f"`python bench/search.py --data {name_of(given)} --epochs {given.epochs} --rounds {given.rounds} --size {given.size} "
            f"--threads {given.threads} --clock {given.clock} --write`"
        )
        words = str(__doc__).split("\n\n", 2)[2].strip()
        store.write_text(TABLE, f"# Search\n\n{words}\n\n{how}\n\n{text}")


if __name__ == "__main__":
    main()
