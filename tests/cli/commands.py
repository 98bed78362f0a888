"""How the tests of the command line call it: inside this process, as a program, and to be refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from snellen.cli import app

# A training of four epochs on small images.
SMALL = ("--set", "data.size=64", "--stages", "head=2,last=1,all=1")


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def program(*words: str | Path, **given: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snellen", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **given)


def refused(done: Result, says: str) -> None:
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    flat = " ".join(done.stderr.split())
    assert re.search(says, flat), flat
    assert flat.count("snellen: ") + flat.count("Error") == 1, "more than one message"
