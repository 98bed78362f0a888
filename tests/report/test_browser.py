"""The page in a real browser: charts are drawn, nothing is asked of the network, no name runs as a script."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snellen.case import Case
from snellen.report import page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome is on the path"),
]


class Visit:
    """One opened page and everything that went wrong on it."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1280, scheme: str = "light") -> None:
        self.wrong: list[str] = []
        self._context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self._context.new_page()
        self.page.on("console", lambda message: self.wrong.append(f"console {message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)
        self.page.goto(path.as_uri())
        self.until("document.querySelectorAll('.plot:not(:has(.main-svg))').length === 0")

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"request: {request.url}")

    def until(self, expression: str) -> None:
        """Wait for an expression; asked from here, because the page's policy forbids the browser to evaluate text."""
        for _ in range(200):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{expression} did not become true")

    def close(self) -> None:
        self._context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_draws_and_stays_quiet(
    whole: Case, browser: Any, tmp_path: Path, lang: str, width: int, scheme: str
) -> None:
    visit = Visit(browser, page.write(whole, lang=lang, out=tmp_path / "r.html"), width=width, scheme=scheme)
    charts = visit.page.locator(".plot")
    assert charts.count() == 10
    for place in range(charts.count()):
        box = charts.nth(place).locator("svg.main-svg").first.bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["height"] > 100
    assert visit.page.locator("img").count() > 40
    # Nothing is wider than the screen, so a phone does not scroll sideways.
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.wrong == []
    visit.close()


def test_hovering_a_hostile_name_runs_nothing(whole: Case, browser: Any, tmp_path: Path) -> None:
    visit = Visit(browser, page.write(whole, out=tmp_path / "r.html"))
    for name in ("counts", "recall", "confusion"):
        plot = visit.page.locator(f'[data-figure="{name}"]')
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box is not None
        seen = set()
        for step in range(12):
            visit.page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + 40 + step * (box["height"] - 90) / 12)
            visit.page.wait_for_timeout(60)
            seen.update(plot.locator(".hoverlayer").all_text_contents())
        assert any("<" in text for text in seen), name
    assert visit.page.evaluate("document.querySelectorAll('main img[src=\"x\"], main script, svg script').length") == 0
    assert visit.wrong == []
    visit.close()


def test_colours_follow_the_scheme_and_paper_is_light(whole: Case, browser: Any, tmp_path: Path) -> None:
    visit = Visit(browser, page.write(whole, out=tmp_path / "r.html"))
    colour = "document.querySelector('[data-figure=\"loss\"] .xtick text').style.fill"
    light = visit.page.evaluate(colour)
    visit.page.emulate_media(color_scheme="dark")
    visit.until(f"{colour} !== {light!r}")
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert visit.page.evaluate(colour) == light
    assert visit.page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    assert visit.wrong == []
    visit.close()


def test_a_script_that_got_in_would_not_run(whole: Case, browser: Any, tmp_path: Path) -> None:
    # The policy is the second lock: here the first one, escaping, is broken on purpose.
    text = page.render(whole).replace(
        "<main>", "<main><script>window.broken = 1</script><img src=x onerror='broken = 2'>"
    )
    (tmp_path / "r.html").write_text(text, encoding="utf-8")
    visit = Visit(browser, tmp_path / "r.html")
    assert visit.page.evaluate("window.broken") is None
    assert len([line for line in visit.wrong if "Content Security Policy" in line]) >= 2
    visit.close()


def test_an_audited_case(audited: Case, browser: Any, tmp_path: Path) -> None:
    visit = Visit(browser, page.write(audited, out=tmp_path / "r.html"), width=390)
    assert visit.page.locator("svg.main-svg").count() >= 1
    visit.page.locator("nav a[href='#reproduce']").click()
    visit.until("document.querySelector('nav a.here').hash === '#reproduce'")
    assert visit.wrong == []
    visit.close()
