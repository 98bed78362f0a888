"""All ratios: runs the scripts of this folder one after the other and writes RESULTS.md.

    python bench/run.py [--data FOLDER] [--rounds 7] [--only epoch,step] [--quick]

FOLDER (or $SNELLEN_BENCH_DATA) is an image folder with train, val and test. Without it the embedded images are taken, and row
6, which is about photographs, is left out; the table says so. RESULTS.md also shows results of earlier runs of a script. What
is measured about proofs (A/A, sabotage) needs data of your own and is named at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from _command import DATA
from _results import TABLE, write_table

HERE = Path(__file__).parent
SCRIPTS = (
    "epoch",
    "step",
    "head_stage",
    "boundary",
    "time_to_accuracy",
    "progressive",
    "overhead",
    "autopilot",
    "checkpoint",
    "memory",
    "audit_pass",
)
NEEDS_DATA = ("time_to_accuracy",)
# Each round of these takes minutes: they have a number of rounds of their own.
LONG = ("time_to_accuracy",)
OTHERS = {
    "settings.py MODEL": "what each switch of recipe.train does to a training step of one model",
    "aa_simulated.py": "how often the proof adopts a useless and a useful remedy, simulated",
    "record.py DATA FOLDER": "records runs of one recipe",
    "aa.py FOLDER/runs": "how often the proof adopts a recipe against itself",
    "evidence.py": "trainings that a verdict costs, beside t-tests of a fixed number, simulated",
    "search.py --data FOLDER": "seconds to a good head, beside a grid and Optuna's TPE with its median pruner",
    "audit.py FOLDER_faults": "planted faults found by the audit, beside its peers",
    "audit_folders.py FOLDER": "whether the audit of a folder ends, with a page, and leaves it as it was",
    "audit_scale.py --data FOLDER": "how the audit's steps grow to 100,000 images",
    "advice_variants.py": "one change of the advised recipe at a time, on images that the backtest leaves out",
    "backtest.py": "the advised recipe against three others, in the same loop, for the same time, on four datasets",
    "busy.py": "two trainings that share the cores, with threads that sleep soon and with those that wait",
    "sabotage.py DATA": "three spoiled trainings, healed and not, at equal compute",
    "sabotage_dense.py DATA --out FOLDER": "the same of trainings on masks",
    "restoration.py DATA": "what super-resolution and denoising gain over the simple method",
}


def command(script: str, given: argparse.Namespace) -> list[str]:
    """How a script is run."""
    words = [sys.executable, str(HERE / f"{script}.py")]
    words += ["--data", str(given.data)] if given.data else []
    words += ["--rounds", str(given.rounds)] if given.rounds and script not in LONG else []
    words += ["--fastai-python", given.fastai_python] if given.fastai_python and script == "time_to_accuracy" else []
    return [*words, "--quick"] if given.quick else words


def main() -> int:
    """Exit code 1 where a script failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ[DATA]) if os.environ.get(DATA) else None)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--only", default=",".join(SCRIPTS), help="scripts, with commas between them")
    parser.add_argument("--fastai-python", default="", help="an interpreter that has fastai, for row 6")
    parser.add_argument("--quick", action="store_true", help="see that all scripts run; nothing is written")
    given = parser.parse_args()
    failed = []
    for script in given.only.split(","):
        if script in NEEDS_DATA and given.data is None and not given.quick:
            print(f"{script}: skipped, it needs --data or ${DATA}", flush=True)
            continue
        print(f"{script}:", flush=True)
        if subprocess.run(command(script, given), check=False).returncode:
            failed.append(script)
    if not given.quick:
        write_table()
        print(f"wrote {TABLE.name}")
    print("Not ratios, and run one by one:")
    for name, words in OTHERS.items():
        print(f"  python bench/{name:22} {words}")
    print(f"failed: {', '.join(failed)}" if failed else "all ran")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
