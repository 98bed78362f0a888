"""Explain: a rule's page, out of its docstring and its remedies; in Chinese out of `text/pages.zh-CN.json`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from snellen import store
from snellen.report.words import TEXT, Words
from snellen.shelf import CATALOG_RULES, REMEDIES, RUN_RULES, Shelf, hint
from snellen.values import SnellenError

# The sections of a rule's docstring, in order, and what they are called in text/*.json under "explain".
SECTIONS = {"What it does": "what", "Why it matters": "why", "Known problems": "problems", "Source": "source"}
Page = dict[str, Any]


def explained(rule: str, *, lang: str = "en") -> Page:
    """The page of a rule: {"rule", "title", "shelf", "lang", "sections": [{"name", "title", "lines"}], "settings", "remedies"}.

    Raises SnellenError for a name that no rule has (with the nearest), or another language than en and zh.
    """
    words, shelf = Words.load(lang), _shelf(rule)
    told = _own(rule, words.lang) or _sections(shelf, rule)
    texts = {**told, "source": _sections(shelf, rule)["source"]}
    sections = [(name, [texts[name]]) for name in ("what", "why", "problems") if texts.get(name)]
    settings = shelf.settings(rule)
    sections += [("settings", _settings(shelf, rule, settings, words))] if settings else []
    remedies = _remedies(rule, words)
    sections += [("remedies", [_line(item) for item in remedies] or [words("explain.none")])]
    sections += [("source", [texts["source"]])]
    return {
        "rule": rule, "title": words.label("rules", rule), "shelf": shelf.name, "lang": words.lang,
        "sections": [{"name": n, "title": words(f"explain.{n}"), "lines": lines} for n, lines in sections],
        "settings": settings, "remedies": remedies,
    }  # fmt: skip


def pages(rules: Sequence[str], *, lang: str) -> list[Page]:
    """The pages of the rules that are on a shelf, each once; a finding may be of a rule that its author took with him."""
    known = {*RUN_RULES.names(), *CATALOG_RULES.names()}
    return [explained(rule, lang=lang) for rule in dict.fromkeys(rules) if rule in known]


def _shelf(rule: str) -> Shelf:
    for shelf in (RUN_RULES, CATALOG_RULES):
        if rule in shelf.names():
            return shelf
    names = (*RUN_RULES.names(), *CATALOG_RULES.names())
    raise SnellenError(f"no rule is named {rule!r}{hint(rule, names)}")


def _sections(shelf: Shelf, rule: str) -> Mapping[str, str]:
    """The text of each section of the module's docstring, as one paragraph."""
    doc = ast.get_docstring(ast.parse(shelf.file(rule).read_text(encoding="utf-8"))) or ""
    parts = re.split(rf"^({'|'.join(SECTIONS)})$", doc, flags=re.MULTILINE)
    found = dict.fromkeys(SECTIONS.values(), "")
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        found[SECTIONS[title]] = " ".join(text.split())
    return found


@cache
def _translated(lang: str) -> Mapping[str, Mapping[str, str]]:
    path = TEXT / f"pages.{lang}.json"
    return dict(store.read_json(path)) if path.is_file() else {}


def _own(rule: str, lang: str) -> Mapping[str, str]:
    return _translated(lang).get(rule, {})


def _settings(shelf: Shelf, rule: str, settings: Mapping[str, Any], words: Words) -> list[str]:
    """Each threshold with its default; in English also what the function's docstring says of them."""
    lines = [f"{key} = {value!r}" for key, value in settings.items()]
    doc = " ".join(shelf.doc(rule).split())
    return [*lines, doc] if "`" in doc and words.lang == "en" else lines


def _remedies(rule: str, words: Words) -> list[dict[str, str]]:
    """What cures the rule's finding, in the order in which it is tried."""
    cures = [name for name in REMEDIES.names() if rule in (REMEDIES.constant(name, "CURES") or ())]
    chinese = words.lang.startswith("zh")
    return [
        {
            "name": name,
            "title": words.label("remedies", name),
            "what": words.texts.get(f"remedy_reasons.{name}", "") if chinese else _first(REMEDIES, name),
            "source": str(REMEDIES.constant(name, "SOURCE") or ""),
        }
        for name in sorted(cures, key=lambda name: REMEDIES.constant(name, "ORDER") or 0)
    ]


def _first(shelf: Shelf, name: str) -> str:
    doc = ast.get_docstring(ast.parse(shelf.file(name).read_text(encoding="utf-8"))) or ""
    return doc.split("\n", 1)[0]


def _line(item: Mapping[str, str]) -> str:
    return f"{item['name']}: {item['what'] or item['title']} ({item['source']})"
