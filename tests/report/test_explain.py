"""Every rule has a page; the run rules' pages are told in Chinese; the report leads to them."""

from __future__ import annotations

import html
import json
import re

import pytest
from typer.testing import CliRunner

from snellen.case import Case
from snellen.cli import app
from snellen.report import page
from snellen.report.explain import explained
from snellen.report.words import TEXT
from snellen.shelf import CATALOG_RULES, REMEDIES, RUN_RULES
from snellen.values import SnellenError

EVERY = (*RUN_RULES.names(), *CATALOG_RULES.names())


@pytest.mark.parametrize("rule", EVERY)
def test_a_page_says_what_why_and_where_from(rule: str) -> None:
    told = explained(rule)
    sections = {item["name"]: item["lines"] for item in told["sections"]}
    assert {"what", "why", "remedies", "source"} <= set(sections)
    assert all(line.strip() for lines in sections.values() for line in lines)
    shelf = RUN_RULES if rule in RUN_RULES.names() else CATALOG_RULES
    assert told["settings"] == shelf.settings(rule)
    assert [f"{key} = {value!r}" for key, value in told["settings"].items()] == sections.get("settings", [])[
        : len(told["settings"])
    ]


def test_remedies_stand_in_the_order_of_trial() -> None:
    names = [item["name"] for item in explained("overfitting")["remedies"]]
    assert names == sorted(names, key=lambda name: REMEDIES.constant(name, "ORDER"))
    assert names.index("dropout") < names.index("smaller_batch") < names.index("mixup")


CHINESE = json.loads((TEXT / "pages.zh-CN.json").read_text("utf-8"))


def test_chinese_pages_are_of_rules_and_nearly_all_rules_have_one() -> None:
    assert set(CHINESE) <= set(EVERY)
    # A rule that is new is explained in English until its page is written.
    assert len(CHINESE) >= 0.9 * len(EVERY)


@pytest.mark.parametrize("rule", CHINESE)
def test_rules_are_explained_in_chinese(rule: str) -> None:
    chinese, english = explained(rule, lang="zh"), explained(rule)
    for own, other in zip(chinese["sections"], english["sections"], strict=True):
        assert own["title"] != other["title"]
        if own["name"] in ("what", "why", "problems"):
            assert own["lines"] != other["lines"]
            assert all(any("\u4e00" <= letter <= "\u9fff" for letter in line) for line in own["lines"])


def test_the_command_line_explains() -> None:
    done = CliRunner().invoke(app, ["explain", "overfitting"])
    assert done.exit_code == 0
    assert "gap = 0.3" in done.stdout
    assert "dropout" in done.stdout
    chinese = CliRunner().invoke(app, ["explain", "overfitting", "--lang", "zh"])
    assert "过拟合" in chinese.stdout
    told = json.loads(CliRunner().invoke(app, ["explain", "leakage", "--json"]).stdout)
    assert told["rule"] == "leakage"


@pytest.mark.parametrize("name", ["overfiting", "", "<b>"])
def test_a_rule_that_is_not_there(name: str) -> None:
    with pytest.raises(SnellenError, match="no rule is named"):
        explained(name)


def test_the_report_leads_to_the_pages_of_its_rules(whole: Case) -> None:
    text = page.render(whole)
    led = set(re.findall(r'href="#rule-(\w+)"', text))
    assert led
    assert all(f'id="rule-{rule}"' in text for rule in led)
    assert explained(min(led))["sections"][0]["lines"][0][:40] in html.unescape(text)
    assert "这些发现背后的规则" in page.render(whole, lang="zh")
