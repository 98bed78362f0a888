"""snellen list: every shelf, one line for each part."""

from __future__ import annotations

import json
import re
from pathlib import Path

from commands import call

from snellen.shelf import LOSSES


def test_list_shows_every_shelf() -> None:
    done = call("list")
    assert done.exit_code == 0
    for word in ("losses", "focal", "rules/run", "overfitting", "remedies", "mixup", "schedules", "cosine"):
        assert word in done.stdout


def test_list_has_one_line_for_each_part_with_its_source() -> None:
    lines = call("list", "losses").stdout.splitlines()
    assert lines[0] == "losses"
    assert [line.split()[0] for line in lines[1:]] == sorted(LOSSES.names())
    (focal,) = [line for line in lines if line.startswith("  focal ")]
    assert "gamma=2.0" in focal
    assert focal.endswith(
        'Focal loss: easy samples weigh less.  [SPEC L1; Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 4]'
    )


def test_list_shows_the_users_parts(elsewhere: Path) -> None:
    (elsewhere / "parts" / "losses").mkdir(parents=True)
    (elsewhere / "parts" / "losses" / "mine.py").write_text(
        '"""My own loss."""\n\n\ndef mine(*, depth: int = 3): ...\n'
    )
    done = call("list", "losses", "--parts", "parts")
    assert re.search(r"mine\s+depth=3\s+My own loss\.", done.stdout)


def test_list_as_json() -> None:
    told = json.loads(call("list", "schedules", "--json").stdout)
    assert list(told) == ["schedules"]
    cosine = next(part for part in told["schedules"] if part["name"] == "cosine")
    assert cosine["about"].startswith("Half a cosine from the peak down to the floor")
    assert cosine["source"]
    assert (cosine["settings"], cosine["required"]) == ({"floor": 0.0}, [])
    every = json.loads(call("list", "--json").stdout)
    assert all(part["about"] for parts in every.values() for part in parts)
