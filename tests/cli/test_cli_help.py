"""What it costs to ask the command line, and what it says of itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import call

from snellen.cli import app

VERBS = tuple(str(command.name) for command in app.registered_commands)


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "snellen", "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in imported
    heavy = {
        "torch", "timm", "sklearn", "plotly", "pyarrow", "numpy", "scipy", "PIL", "onnx", "onnxruntime", "pydantic",
    }  # fmt: skip
    assert not imported & heavy
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", done.stdout)
    assert "Examples:" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = call(verb, "--help")
    assert done.exit_code == 0
    assert f"Example: snellen {verb}" in done.stdout


def test_the_package_offers_the_verbs_without_loading_them() -> None:
    text = "import snellen, sys; print(snellen.__version__, 'torch' in sys.modules, sorted(snellen.__all__))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert "False" in done.stdout
    assert "'run'" in done.stdout


def test_the_version() -> None:
    import snellen

    done = call("--version")
    assert (done.exit_code, done.stdout) == (0, f"snellen {snellen.__version__}\n")


def test_what_a_command_does_is_not_cut_off_in_the_overview() -> None:
    done = subprocess.run([sys.executable, "-m", "snellen", "--help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "COLUMNS": "80"})  # fmt: skip
    listed = done.stdout.partition("Commands:")[2].splitlines()
    assert len(listed) > 20
    assert not [line for line in listed if line.endswith("...")]


def test_no_words_is_help() -> None:
    done = call()
    assert done.exit_code == 2
    assert "Usage" in done.stdout + done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_output_that_could_not_be_written_is_no_success() -> None:
    text = "import sys; from snellen.entry import leave; sys.stdout = open('/dev/full', 'w'); print('x'); leave(0)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 120
    assert "could not be written" in done.stderr
