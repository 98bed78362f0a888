"""Record runs of one recipe under many seeds, for the A/A measurement.

    python bench/record.py DATA FOLDER [--runs 9] [--set KEY=VALUE …]

FOLDER becomes a case; `python bench/aa.py FOLDER/runs` then counts how often the proof adopts the recipe against itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from snellen import prepare
from snellen.entry import changes
from snellen.improve.lab import Lab


def main() -> None:
    """Prepare the data once and train the seeds one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    settings = prepare.Settings((given.data,), changes=changes(given.set))
    case = prepare.open_case(settings, out=given.folder, resume=False)
    plan = prepare.prepare(case, settings, watch=lambda event: None)
    lab = Lab(
        case, plan.catalog, plan.pixels, plan.setting, case.folder / "cache", lambda event: None, lambda: False, None
    )
    for seed in range(given.runs):
        run = lab.trained(plan.recipe, seed)
        print(
            f"seed {seed}: validation accuracy {run.predictions('val').correct.mean():.4f}, {run.cost['seconds']:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
