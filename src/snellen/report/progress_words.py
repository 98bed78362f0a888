"""What is said while the work goes on, in another language: a sentence is recognised by the template that it was made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from snellen import store
from snellen.report.words import TEXT

FIELD = r"\{(\w+)\}"


def speaker(lang: str) -> Callable[[str], str]:
    """English sentence → the same in this language; what it has no template for stays English."""
    return (lambda text: text) if lang == "en" else (lambda text: _translated(text, f"{lang}-CN"))


def _translated(text: str, lang: str) -> str:
    for pattern, template in _templates(lang):
        if found := pattern.fullmatch(text):
            return template.format(**found.groupdict())
    return text


@cache
def _templates(lang: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Whole sentences before those with gaps, and of those the longest first: the least open one fits best."""
    known = store.read_json(TEXT / f"progress.{lang}.json")
    order = sorted(known, key=lambda text: (len(re.findall(FIELD, text)) > 0, -len(re.sub(FIELD, "", text))))
    return tuple(
        (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(text)), re.DOTALL), known[text]) for text in order
    )
