"""The review page's HTML: one file with its style and script, named by their hashes in the policy that it is sent with."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from typing import Any

import jinja2
from markupsafe import Markup

from snellen import store
from snellen.report.page import TEMPLATES, inert_json
from snellen.report.review_desk import Desk
from snellen.report.words import TEXT, visible

SCRIPTS = ("review_stage.js", "review.js")


def render(desk: Desk) -> str:
    """The page of one review in the desk's language. What it asks about is fetched by it, not written into it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    texts: dict[str, Any] = store.read_json(TEXT / f"review.{desk.words.lang}.json")
    name = visible(desk.case.folder.resolve().name)
    given = {
        "texts": texts,
        "command": visible(f"snellen apply {shlex.quote(str(desk.case.folder))}"),
        "journal": visible(str(desk.journal.path)),
    }
    return str(
        environment.get_template("review.html").render(
            lang=desk.words.lang,
            t=texts,
            title=texts["title"].replace("{name}", name),
            style=Markup((TEMPLATES / "review.css").read_text(encoding="utf-8")),
            script=Markup("".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)),
            given=Markup(inert_json(given)),
        )
    )


def policy(page: str) -> str:
    """The content security policy of a page made by `render`: its own style and script, data and images of this address."""
    own = {kind: _hash(re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.S)) for kind in ("style", "script")}
    return (
        f"default-src 'none'; script-src {own['script']}; style-src {own['style']}; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(texts: list[str]) -> str:
    (text,) = texts
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
