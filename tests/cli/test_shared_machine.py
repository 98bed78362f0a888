"""On a machine that others use, threads that wait are told to sleep, and what the user has set stays."""

from __future__ import annotations

import os

import psutil
import pytest

from snellen import entry


@pytest.mark.parametrize(("busy", "given", "expected"), [(80.0, None, "3000"), (5.0, None, None), (80.0, "7", "7")])
def test_waiting_threads_sleep_where_the_machine_is_shared(
    busy: float, given: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: busy)
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")
    if given is None:
        monkeypatch.delenv("GOMP_SPINCOUNT")
    else:
        monkeypatch.setenv("GOMP_SPINCOUNT", given)
    entry._make_room()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
