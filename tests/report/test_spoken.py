"""What the command line says in the language of the report: the summary at the end, and what is said during the work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from snellen import show, store
from snellen.case import Case
from snellen.report.progress_words import FIELD, _translated, speaker
from snellen.report.words import TEXT, Words
from snellen.validation import _advice
from snellen.values import Finding, to_json

HOUSE = Path(show.__file__).parent
CHINESE = store.read_json(TEXT / "progress.zh-CN.json")


def told(case: Case, capsys: pytest.CaptureFixture[str], lang: str, width: int = 100) -> str:
    final = case.read("final")
    answer = {
        "run": str(case.folder), "report": "report.html", "seconds": 61.0, "peak_bytes": 2**30,
        "findings": [to_json(finding) for finding in case.audit], "verdicts": [to_json(verdict) for verdict in case.verdicts],
        "test": final["test"], "leak": final.get("leak", {}), "gates": final["gates"],
        "artifacts": [{"format": "onnx", "path": "model.onnx", "latency_ms": 1.5}],
        "planted": {"exact_leak": {"planted": 12, "found": 11}},
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        show.answer(answer, json=False, lang=lang, hint="review")
    return capsys.readouterr().out


def test_the_summary_is_in_the_language_of_the_report(whole: Case, capsys: pytest.CaptureFixture[str]) -> None:
    english, chinese = told(whole, capsys, "en"), told(whole, capsys, "zh")
    assert "what was seen" in english
    assert "judge the findings by hand: snellen review" in english
    words = Words.load("zh")
    flat = "".join(chinese.split())
    for finding in whole.audit:
        if finding.severity != "info":
            assert "".join(words.finding(finding).split()) in flat or finding.rule in flat
            # The name that `snellen explain` takes stays beside the Chinese one.
            assert words.label("rules", finding.rule) in flat
    for english_only in ("what was seen", "severity", "gate ", "report:", "Remedies", "95 % interval", "planted"):
        assert english_only in english
        assert english_only not in chinese


@pytest.mark.parametrize("width", [60, 72, 80, 91, 100])
def test_wide_characters_cost_no_words(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """rich's default cuts a word off with an ellipsis where a wide character stands at the end of a line."""
    monkeypatch.setenv("COLUMNS", str(width))
    message = "1 images are there under more than one label, for instance as 花 朵 and 鸟. Keep the right label of each, or drop both."
    from rich.console import Console

    from snellen.show import _findings

    _findings(Console(), [{"rule": "conflicting_labels", "severity": "warn", "message": message, "samples": []}])
    out = capsys.readouterr().out
    assert "…" not in out
    for word in message.split():
        assert word in re.sub(r"\s+", " ", out) or word in out.replace("\n", "").replace(" ", "")
    assert all(cell_len(line) <= width for line in out.splitlines())


def said(tree: ast.AST) -> Iterator[str]:
    """Titles and notices as they stand in the source, what is filled in as {}."""
    for node in ast.walk(tree):
        found = []
        if isinstance(node, ast.Dict):
            found = [
                v
                for k, v in zip(node.keys, node.values, strict=True)
                if isinstance(k, ast.Constant) and k.value in ("title", "notice")
            ]
        if isinstance(node, ast.Call):
            found += [item.value for item in node.keywords if item.arg == "title"]
            if isinstance(node.func, ast.Name) and node.func.id in ("tell", "notice"):
                found += node.args[:1]
        for value in found:
            if isinstance(value, ast.Constant) and value.value:
                yield value.value
            elif isinstance(value, ast.JoinedStr):
                yield "".join(map(filled, value.values))


def filled(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    # One of two words, or none: the second is taken.
    one_of = isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.IfExp)
    return str(getattr(part.value.orelse, "value", "7")) if one_of else "7"


def test_everything_said_during_the_work_has_a_chinese_sentence() -> None:
    rooms = [
        "survey.py",
        "prepare.py",
        "verbs.py",
        "soup.py",
        "temper.py",
        "ending.py",
        "experiments.py",
        "improve",
        "train",
        "data",
        "ship",
    ]
    files = [
        path for room in rooms for path in ([HOUSE / room] if room.endswith(".py") else (HOUSE / room).rglob("*.py"))
    ]
    english = {text for path in files for text in said(ast.parse(path.read_text("utf-8")))}
    assert len(english) > 20
    without = sorted(text for text in english if re.search("[a-z]{3}", text) and _translated(text, "zh-CN") == text)
    assert not without


def test_templates_of_both_languages_have_the_same_gaps() -> None:
    for english, chinese in CHINESE.items():
        assert sorted(re.findall(FIELD, english)) == sorted(re.findall(FIELD, chinese)), english


def test_the_least_open_template_is_taken() -> None:
    say = speaker("zh")
    assert say("one more run for the average, seed 3") == "为权重平均再训练一次，种子 3"
    assert say("lower_lr: with, seed 1") == "lower_lr：采用，种子 1"
    assert say("adamw:1e-4, seed 1") == "adamw:1e-4，种子 1"
    assert say("something new") == "something new"
    assert speaker("en")("read") == "read"


def test_diagnose_speaks_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {"total": 10, "count": 2, "methods": 5, "needed": 2, "path": "a.png", "strangest": ["votes", "dbscan"]}
    found = Finding(rule="outlier_images", severity="warn", message="2 of 10 images are strange.", evidence=numbers)
    show.findings([found], json=False, lang="zh")
    flat = "".join(capsys.readouterr().out.split())
    assert "交叉验证的投票、聚类之外" in flat
    assert "strange." not in flat


def test_what_validate_answers_is_told_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    apart = {"effect": -0.2, "low": -0.3, "high": -0.1}
    shift = {"limit": 1.0, "statistics": {"distance": 1.9, "low": 1.8, "high": 2.0}, "features": None}
    left = {"cannot be used": 2, "of a class that the model does not know": 3}
    given = {
        "metric": "accuracy", "own": {"value": 0.9, "n": 50}, "change": apart, "samples": 40, "left_out": left, "shift": shift,
        "adapted": {**apart, "n": 40}, "files": ["a/validation.json"],
    }  # fmt: skip
    far = {"low": 1.8}
    for holds in (True, False):
        for better in (None, {"low": 0.1}):
            for found in ({"limit": 1.0, "statistics": None}, {"limit": 1.0, "statistics": far}):
                advice = _advice(holds, found, better)
                show.validated({**given, "advice": advice}, json=False, lang="zh")
                lines = capsys.readouterr().out.splitlines()
                assert len(lines) == 7
                assert lines[-1] == "a/validation.json"
                assert all(re.search("[一-鿿]", line) for line in lines[:-1]), lines
                assert "-0.2000 [-0.3000, -0.1000]" in lines[2]
    show.written(
        {"samples": 4, "answers": {"猫": 3}, "left_out": {"unreadable": 1}, "files": []}, json=False, lang="zh"
    )
    assert capsys.readouterr().out.splitlines() == ["样本数：4", "回答：3 × 猫", "排除：1 × unreadable"]
