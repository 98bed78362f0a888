"""Every rule's findings and every remedy are told in Chinese: the templates fit what the rules really give."""

from __future__ import annotations

import pytest

from snellen.report.words import Words
from snellen.shelf import CATALOG_RULES, REMEDIES, RUN_RULES, Shelf
from snellen.testing import findings_of

RULES = [(shelf, name) for shelf in (CATALOG_RULES, RUN_RULES) for name in shelf.names()]


@pytest.mark.parametrize(("shelf", "name"), RULES, ids=[name for _, name in RULES])
def test_a_rule_speaks_chinese(shelf: Shelf, name: str) -> None:
    words = Words.load("zh")
    assert f"rules.{name}" in words.texts
    for case in shelf.module(name).FIRES:
        for finding in findings_of(shelf, name, case):
            said = words.finding(finding)
            assert said != finding.message, finding.evidence
            assert any("\u4e00" <= letter <= "\u9fff" for letter in said)
            assert "nan" not in said


@pytest.mark.parametrize("name", REMEDIES.names())
def test_a_remedy_has_a_chinese_name_and_reason(name: str) -> None:
    texts = Words.load("zh").texts
    assert f"remedies.{name}" in texts
    assert f"remedy_reasons.{name}" in texts
