"""Cases that the report's tests share: made once, read many times."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from snellen.case import Case


def _maker() -> ModuleType:
    # Tests are no package; the file beside this one is loaded by its path.
    spec = importlib.util.spec_from_file_location("snellen_report_make_case", Path(__file__).with_name("make_case.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """The module that makes cases, with the names it uses."""
    return _maker()


@pytest.fixture(scope="session")
def whole(maker: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A case whose path has ended."""
    return maker.make_case(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def audited(maker: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A case that was only audited."""
    return maker.make_audited(tmp_path_factory.mktemp("audited"))
