"""What every script of this folder is asked alike, and how it ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from _results import number, save
from _rounds import LEAST, Measured, Ratio, Side, measure, together

DATA = "SNELLEN_BENCH_DATA"


def parser(doc: str | None, *, rounds: int = LEAST) -> argparse.ArgumentParser:
    """--data, --rounds, --threads and --quick."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ[DATA]) if os.environ.get(DATA) else None
    made.add_argument(
        "--data",
        type=Path,
        default=default,
        help=f"folder of images (default: ${DATA}, else the embedded Fashion-MNIST)",
    )
    made.add_argument("--rounds", type=int, default=rounds, help=f"rounds that count (default {rounds})")
    made.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch (default: all cores)")
    made.add_argument(
        "--quick", action="store_true", help="a few samples and 2 rounds, to see that it runs; nothing is kept"
    )
    return made


def parse(made: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments; --quick has two rounds. Threads are fixed from here on."""
    # Both sides share a process, and ours would change how memory is allocated for the peer too: here it does not.
    os.environ["SNELLEN_KEEP_MEMORY"] = "0"
    given = made.parse_args()
    torch.set_num_threads(given.threads)
    if given.quick:
        given.rounds = 2
    return given


def measured(sides: Mapping[str, Side], given: argparse.Namespace, *, warm: bool = True) -> Measured:
    """The sides by turns, as the command line asks; --quick takes any round."""
    return measure(sides, rounds=given.rounds, threads=given.threads, warm=warm, choosy=not given.quick)


def finish(script: str, ratios: Sequence[Ratio], parts: Sequence[Measured], given: argparse.Namespace) -> None:
    """Print the figures, and keep them but for --quick."""
    every = together(parts)
    for ratio in ratios:
        span = f"{number(ratio.ratio)} [{number(ratio.low)}, {number(ratio.high)}]"
        sides = f"ours {number(ratio.ours)} {ratio.unit}, peer {number(ratio.peer)} {ratio.unit}"
        print(f"{ratio.row} {ratio.name}: {span}, goal {ratio.goal or 'none'}: {ratio.verdict}; {sides}; {ratio.note}")
    print(f"{len(every.kept)} rounds, {every.dropped} dropped; calibration {every.calibration}", flush=True)
    if not given.quick:
        print(f"wrote {save(script, ratios, every, command(Path(sys.argv[0]).stem)).name}")


def command(script: str) -> str:
    """The command as others can repeat it: folders by their last name only."""
    words = [_public(word) for word in sys.argv[1:]]
    data = os.environ.get(DATA)
    named = ["--data", Path(data).name] if data and not any(word.startswith("--data") for word in words) else []
    return " ".join(["python", f"bench/{script}.py", *named, *words])


def _public(word: str) -> str:
    option, equals, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
    return option + equals + (Path(value).name if "/" in value else value)
