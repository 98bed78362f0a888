"""Search: seconds until a setting of the head is known that is within 0.5 points of the best of a 27-point grid.

    python bench/search.py --data FOLDER [--epochs 15] [--rounds 5] [--size 128] [--threads N] [--clock wall|cpu] [--write]

Ours: `improve/search.py`, successive halving of 27 candidates trained together on cached features, with one seed as the
peers, and with the default of two more seeds for the best few. Peers: the grid (rate x smoothing x dropout, three values each, in turn), and Optuna's TPE with its median pruner (as
many trials as it takes, at most 81) over the ranges of the grid. A trial of theirs is peers/head_loop.py on the same features
in memory, with nothing but torch; ours also keeps averages, checks every loss and stores its rows. Features are made before the
clock starts; their time is told beside. A last line has the grid as it is without them, the frozen network run in every
epoch: 27 times one such run (peers/frozen_loop.py).

Each round has another seed. Ours ends when it has its answer; the time counts where its best setting, trained once more by the
peers' loop, is within 0.5 points of the grid's best of that round (else the round is counted as missed). The grid ends with its last
point; TPE at its first trial within 0.5 points.

`--clock cpu` counts seconds of the processor instead of the clock's, for all sides alike: with one thread that is the same on an
idle machine, and on a shared one what others use is not counted. With --write every round is a file in results/search, and a
round that is there is not measured again: a stopped bench goes on.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from _material import Material, at_hand, material
from peers.frozen_loop import frozen_loop
from peers.head_loop import Features, head_loop
from snellen import store
from snellen.case import Case
from snellen.improve.lab import Lab
from snellen.improve.search import Searched, Span, search
from snellen.train.enter import plain_features, view_features
from snellen.train.job import begin

TABLE = Path(__file__).parent / "SEARCH.md"
ROUNDS = Path(__file__).parent / "results" / "search"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
RATES, SMOOTHINGS, DROPOUTS = (3e-4, 1e-3, 3e-3), (0.0, 0.1, 0.2), (0.0, 0.2, 0.5)
DECAY, NEAR, MOST = 1e-4, 0.005, 81
RANGES = {
    "optim.lr": Span(RATES[0], RATES[-1], log=True),
    "loss.settings.smoothing": Span(values=SMOOTHINGS),
    "model.dropout": Span(values=DROPOUTS),
}


def recipe_patch(given: argparse.Namespace) -> dict[str, Any]:
    """One head stage whose rate is the recipe's."""
    return {
        "stages": [{"name": "head", "unfreeze": "head", "epochs": given.epochs, "lr_scale": 1.0}], "optim.lr": 1e-3,
        "optim.weight_decay": DECAY, "optim.clip": None, "augment.mixup": 0.0, "train.ema": 0.0, "data.size": given.size,
    }  # fmt: skip


def features_of(found: Material, cache: Path, clock: Callable[[], float]) -> tuple[Features, float]:
    """What both sides read, and the seconds that it took."""
    start = clock()
    job = begin(found.recipe, found.catalog, found.pixels, found.folder / "job", found.setting, cache)
    train = torch.from_numpy(view_features(job).copy())
    size = job.recipe.data.eval_size or job.recipe.data.size
    val = torch.from_numpy(plain_features(job, job.validation, size).copy())
    targets, wanted = (torch.from_numpy(one.targets) for one in (job.training, job.validation))
    return Features(train, targets, val, wanted, len(job.classes)), clock() - start


def our_side(found: Material, cache: Path, seed: int, seeds: int) -> Searched:
    """The whole search, from the recipe to its answer."""
    folder = Path(tempfile.mkdtemp(prefix="case-", dir=found.folder))
    lab = Lab(Case(folder), found.catalog, found.pixels, found.setting, cache, lambda event: None, lambda: False, None)
    return search(lab, found.recipe.change({"seed": seed}), ranges=RANGES, count=27, seeds=seeds)


def grid(features: Features, given: argparse.Namespace, seed: int) -> list[float]:
    """Best validation accuracy of all 27 points."""
    return [
        head_loop(features, point(lr, smoothing, dropout), epochs=given.epochs, batch=32, seed=seed)
        for lr, smoothing, dropout in itertools.product(RATES, SMOOTHINGS, DROPOUTS)
    ]


def point(lr: float, smoothing: float, dropout: float) -> dict[str, float]:
    """Settings of the hand loop."""
    return {"lr": lr, "smoothing": smoothing, "dropout": dropout, "weight_decay": DECAY}


def tpe(features: Features, given: argparse.Namespace, seed: int, target: float) -> tuple[int, bool]:
    """Trials until one is as good as `target` (at most MOST), and whether one was."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
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

        return head_loop(features, chosen, epochs=given.epochs, batch=32, seed=seed, told=told)

    def enough(study: Any, trial: Any) -> None:
        if trial.value is not None and trial.state == optuna.trial.TrialState.COMPLETE and trial.value >= target:
            study.stop()

    study.optimize(objective, n_trials=MOST, callbacks=[enough])
    complete = [one.value for one in study.trials if one.state == optuna.trial.TrialState.COMPLETE]
    return len(study.trials), bool(complete) and max(complete) >= target


def one_round(found: Material, features: Features, cache: Path, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """All sides with one seed, ours first in even rounds."""
    times: dict[str, float] = {}
    answers: dict[str, Any] = {}
    clock = CLOCKS[given.clock]

    def timed(name: str, call: Any) -> None:
        start = clock()
        answers[name] = call()
        times[name] = clock() - start

    sides = [
        ("grid", lambda: grid(features, given, seed)), ("ours", lambda: our_side(found, cache, seed, 1)),
        ("sure", lambda: our_side(found, cache, seed, 3)),
    ]  # fmt: skip
    for name, call in sides if seed % 2 else reversed(sides):
        timed(name, call)
    target = max(answers["grid"]) - NEAR
    timed("tpe", lambda: tpe(features, given, seed, target))
    again, sure = (score_of(answers[name], features, given, seed) for name in ("ours", "sure"))
    first = next(place for place, score in enumerate(answers["grid"], start=1) if score >= target)
    return {
        **times, "best": max(answers["grid"]), "again": again, "reached": again >= target, "sure_reached": sure >= target, "trials": answers["tpe"][0],
        "tpe_reached": answers["tpe"][1], "first": first,
    }  # fmt: skip


def kept_round(
    found: Material, features: Features, cache: Path, given: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """`one_round`, read where it was measured alike before."""
    if given.quick or not given.write:
        return one_round(found, features, cache, given, seed)
    about = {
        "data": name_of(given), "epochs": given.epochs, "size": given.size, "images": given.images, "clock": given.clock,
        "threads": torch.get_num_threads(), "torch": torch.__version__, "seed": seed,
    }  # fmt: skip
    path = ROUNDS / f"{about['data']}-s{seed}.json"
    known: dict[str, Any] = store.read_json(path) if path.is_file() else {}
    if {key: known.get(key) for key in about} == about:
        return known
    measured = {**about, **one_round(found, features, cache, given, seed)}
    store.write_json(path, measured)
    print(
        f"round {seed}: " + ", ".join(f"{name} {measured[name]:.1f} s" for name in ("grid", "ours", "sure", "tpe")),
        flush=True,
    )
    return measured


def name_of(given: argparse.Namespace) -> str:
    """The data's name."""
    return str(given.data.name) if given.data else "embedded"


def score_of(found: Searched, features: Features, given: argparse.Namespace, seed: int) -> float:
    """What the peers' loop makes of the best setting."""
    best = found.best
    chosen = point(best.optim.lr, float(best.loss.settings["smoothing"]), best.model.dropout)
    return head_loop(features, chosen, epochs=given.epochs, batch=32, seed=seed)


def summary(
    rounds: list[Mapping[str, Any]], seconds: float, frozen: float, given: argparse.Namespace, about: str
) -> str:
    """The table and what must be said with it."""

    def ratio(name: str) -> str:
        found = sorted(one[name] / one["ours"] for one in rounds)
        return f"{statistics.median(found):.1f} ({found[0]:.1f} to {found[-1]:.1f})"

    middle = {name: statistics.median(one[name] for one in rounds) for name in ("ours", "sure", "grid", "tpe")}
    reached = sum(one["reached"] for one in rounds)
    sure = sum(one["sure_reached"] for one in rounds)
    hit = sum(one["tpe_reached"] for one in rounds)
    trials = statistics.median(one["trials"] for one in rounds)
    lines = [
        f"| side | seconds{' of the processor' if given.clock == 'cpu' else ''}, median | times ours, median (least to most) | within 0.5 points of the grid's best |",
        "|---|---|---|---|",
        f"| ours: 27 candidates halved, one seed, as the peers | {middle['ours']:.2f} | 1 | {reached} of {len(rounds)} rounds |",
        f"| ours: and three seeds for the best (the default) | {middle['sure']:.2f} | {ratio('sure')} | {sure} of {len(rounds)} rounds |",
        f"| grid, 27 points, hand loop on the same features | {middle['grid']:.2f} | {ratio('grid')} | by definition |",
        f"| Optuna TPE and median pruner, until it is there ({trials:.0f} trials) | {middle['tpe']:.2f} | {ratio('tpe')} | {hit} of {len(rounds)} |",
        f"| grid without cached features (27 x {frozen:.1f} s) | {27 * frozen:.0f} | {27 * frozen / middle['ours']:.0f}; with our features' time "
        f"{27 * frozen / (middle['ours'] + seconds):.0f} | - |",
    ]
    early = statistics.median(one["first"] for one in rounds)
    return (
        f"{about}; {given.epochs} epochs; {len(rounds)} rounds; {torch.get_num_threads()} threads. Features took {seconds:.1f} s, once, and are "
        "not in the times of the first three lines.\n\n" + "\n".join(lines) +
        f"\n\nThe grid's order met a point within 0.5 points after {early:.0f} of 27 (median), which nobody knows before it has ended. "
        "Best of the grid by round: " + ", ".join(f"{one['best']:.3f}" for one in rounds) +
        "; our setting in the same loop: " + ", ".join(f"{one['again']:.3f}" for one in rounds) + ".\n"
    )  # fmt: skip


def main() -> None:
    """Measure, print, and keep with --write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=None, help="folder of images (default: the embedded Fashion-MNIST)"
    )
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=128, help="pixels per side")
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="what seconds are (default: wall)")
    parser.add_argument("--quick", action="store_true", help="a few samples, to see that it runs")
    parser.add_argument("--write", action="store_true", help=f"keep the table as {TABLE.name}")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with material(given, recipe_patch(given), images=given.images) as found:
        cache, clock = found.folder / "shared", CLOCKS[given.clock]
        features, seconds = features_of(found, cache, clock)
        rounds = [kept_round(found, features, cache, given, seed) for seed in range(1 if given.quick else given.rounds)]
        start = clock()
        frozen_loop(at_hand(found))
        text = summary(rounds, seconds, clock() - start, given, str(found))
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
