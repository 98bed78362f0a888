"""Write the map of requirements to parts at the end of features.md, from what the parts say of themselves.

python docs/map_features.py
"""

from __future__ import annotations

from pathlib import Path

from snellen import store
from snellen.described import by_requirement

FEATURES = Path(__file__).parent / "features.md"
HEAD = "## Parts by requirement\n\nMade by `python docs/map_features.py` from the files of the shelves; a test compares.\n\n"


def mapped(text: str) -> str:
    """The page with its map made anew."""
    return text.partition("## Parts by requirement")[0].rstrip() + "\n\n" + HEAD + by_requirement() + "\n"


if __name__ == "__main__":
    store.write_text(FEATURES, mapped(FEATURES.read_text(encoding="utf-8")))
