"""All measurements: runs every script of this folder that needs no arguments, and says how to run the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALONE = ("aa_simulated.py",)
WITH_DATA = {
    "record.py": "DATA FOLDER        records runs of one recipe",
    "aa.py": "FOLDER/runs         how often the proof adopts a recipe against itself",
    "sabotage.py": "DATA                three spoiled trainings, healed and not, at equal compute",
}


def main() -> int:
    """Exit code 1 where a script failed."""
    failed = [name for name in ALONE if subprocess.run([sys.executable, str(HERE / name)], check=False).returncode]
    print("With data of your own:")
    for name, words in WITH_DATA.items():
        print(f"  python bench/{name} {words}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
