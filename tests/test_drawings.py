"""The drawings of the schedules in docs/ are those of the schedules."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from snellen.shelf import SCHEDULES

DOCS = Path(__file__).parents[1] / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the documentation is not beside the tests")


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_the_drawing_is_the_schedule(name: str) -> None:
    drawn = runpy.run_path(str(DOCS / "plot_schedules.py"))["svg"](name)
    path = DOCS / "schedules" / f"{name}.svg"
    assert path.is_file(), "python docs/plot_schedules.py draws it"
    assert path.read_text(encoding="utf-8") == drawn, "python docs/plot_schedules.py draws it anew"
    assert f"schedules/{name}.svg" in (DOCS / "schedules.md").read_text(encoding="utf-8")


def test_no_drawing_is_left_over() -> None:
    assert {path.stem for path in (DOCS / "schedules").glob("*.svg")} == set(SCHEDULES.names())
