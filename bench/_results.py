"""Results: what a script measured as a JSON file, and all of them as one table, RESULTS.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from _rounds import Calibration, Measured, Ratio
from snellen import store

HERE = Path(__file__).parent
RESULTS = HERE / "results"
TABLE = HERE / "RESULTS.md"
# Why a row is not met, as a profile showed it: name of the ratio -> words. Written by hand.
LIMITS = HERE / "limits.json"

ROWS = {
    "1": "images/s from epoch 2 on: crop, flip, colour; 500-px JPEG, 128 px out",
    "2": "first epoch with writing the pixel store; 500 px and 12 megapixels",
    "3": "training step with probed settings",
    "4": "head stage of 20 epochs on cached features",
    "5": "last two stages from cached boundary activations",
    "6": "time to the careful loop's accuracy, cold start",
    "7": "progressive resolution at equal epochs",
    "8": "overhead of the loop with all meters and rules, and of the autopilot",
    "9": "training stall per durable checkpoint",
    "audit": "examining data: pixel measurements in the decoding pass; copies and transforms beside the embedding",
    "memory": "training step with freed memory kept, default allocation as the peer",
}
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "snellen")


def save(script: str, ratios: Sequence[Ratio], measured: Measured, command: str) -> Path:
    """Write results/<script>.json."""
    path = RESULTS / f"{script}.json"
    store.write_json(
        path,
        {
            "script": script, "command": command, "environment": environment(measured.threads),
            "calibration": asdict(measured.calibration), "ratios": [ratio.plain() for ratio in ratios],
        },
    )  # fmt: skip
    return path


def environment(threads: int) -> dict[str, Any]:
    """The machine by its kind, never by its name or its folders."""
    return {
        "processor": _processor(), "machine": platform.machine(), "system": platform.system(), "cores": os.cpu_count(),
        "threads": threads, "memory_gb": round(psutil.virtual_memory().total / 1e9), "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }  # fmt: skip


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def collect(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Every stored result of ratios, by script; what other benches keep beside them has tables of its own."""
    found = [store.read_json(path) for path in sorted(folder.glob("*.json"))]
    return [result for result in found if isinstance(result, Mapping) and "ratios" in result]


def write_table(path: Path = TABLE, *, results: Path = RESULTS, limits: Path = LIMITS) -> None:
    """Write RESULTS.md from the stored results."""
    store.write_text(path, render(collect(results), store.read_json(limits) if limits.is_file() else {}))


def render(results: Sequence[Mapping[str, Any]], limits: Mapping[str, str]) -> str:
    """The table with what was measured, what was not, on which machine, by which commands."""
    ratios = sorted((r for result in results for r in result["ratios"]), key=lambda r: (r["row"], r["name"]))
    missing = [row for row in ROWS if row not in {ratio["row"] for ratio in ratios}]
    parts = [
        "# Measured ratios",
        HEAD,
        "| row | what | ours | peer | goal | ratio [95 % interval] | rounds (dropped) | result |\n|---|---|---|---|---|---|---|---|\n"
        + "\n".join(_line(ratio) for ratio in ratios),
        *(["Not measured here: " + "; ".join(f"{row} ({ROWS[row]})" for row in missing) + "."] if missing else []),
        "## Notes",
        "\n".join(_note(ratio, limits) for ratio in ratios),
        "## Machines and commands",
        "\n".join(_machine(result) for result in results),
    ]
    return "\n\n".join(parts) + "\n"


HEAD = (
    "Written by `make bench`; the same figures are in `results/*.json`. A goal of the form `>= x` is read on peer / ours (how "
    "many times faster), `<= x` on ours / peer. Both sides take turns in one process (A B, B A, …) with fixed threads; ours and "
    "peer are medians, the ratio is the median over rounds with its bootstrap interval. A round is dropped and made up for "
    "where the calibration beside it was off by more than 25 % or other programs used more than 15 % of the processor. "
    "Memory is allocated as the C library does by default, for both sides (SNELLEN_KEEP_MEMORY=0); what keeping it brings is "
    "row *memory*, measured in processes of their own. A row without a goal is told as peer / ours, unless its note says otherwise. *Undecided*: the goal lies inside the interval."
)


def _line(ratio: Mapping[str, Any]) -> str:
    span = f"{number(ratio['ratio'])} [{number(ratio['low'])}, {number(ratio['high'])}]"
    values = [f"{number(ratio[side])} {ratio['unit']}" for side in ("ours", "peer")]
    goal = ratio["goal"].replace(">=", "≥").replace("<=", "≤") or "none"
    rounds = f"{ratio['rounds']} ({ratio['dropped']})"
    cells = (ratio["row"], _cell(ratio["name"]), *values, goal, span, rounds, ratio["verdict"])
    return f"| {' | '.join(cells)} |"


def _note(ratio: Mapping[str, Any], limits: Mapping[str, str]) -> str:
    words = " ".join(text for text in (ratio["note"], limits.get(ratio["name"], "")) if text)
    return f"- **{ratio['row']}, {ratio['name']}**: {words or 'nothing to add.'}"


def _machine(result: Mapping[str, Any]) -> str:
    about, speed = result["environment"], Calibration(**result["calibration"])
    libraries = ", ".join(f"{name} {about[name]}" for name in ("python", *LIBRARIES))
    return (
        f"- `{result['command']}`: {about['processor']} ({about['machine']}, {about['system']}), {about['cores']} cores, "
        f"{about['threads']} threads, {about['memory_gb']} GB; {libraries}; calibration {speed.gemm:.0f} GFLOP/s, "
        f"{speed.memcpy:.1f} GB/s"
    )


def number(value: float) -> str:
    """Three digits, without an exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
