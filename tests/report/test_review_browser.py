"""The review page in a real browser: keys, drawings, progress, hostile names, and no request to anywhere else."""

from __future__ import annotations

import importlib.util
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import make_review
import pytest

from snellen.case import Case
from snellen.data.review import apply_review
from snellen.report.review import ReviewServer
from snellen.report.review_desk import Desk

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
    """A server with one page of it open in the browser, and everything that went wrong on it."""

    def __init__(
        self, browser: Any, case: Case, *, width: int = 1280, scheme: str = "light", lang: str = "en", sample: int = 200
    ) -> None:
        self.wrong: list[str] = []
        self.server = ReviewServer(Desk(case, lang=lang, sample=sample))
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self._context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page = self._context.new_page()
        self.page.on("console", lambda message: self.wrong.append(f"console {message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)
        self.page.goto(self.server.address)

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.server.address, "data:")):
            self.wrong.append(f"request: {request.url}")

    def until(self, expression: str) -> None:
        """Wait for an expression; asked from here, because the page's policy forbids the browser to evaluate text."""
        for _ in range(200):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"{expression} did not become true; {self.wrong}")

    def shows(self, place: int | str) -> None:
        """Wait until an item (or the end) is on the screen and the page listens."""
        self.until(f"document.body.dataset.shown === '{place}'")
        self.page.wait_for_timeout(30)

    def press(self, key: str, then: int | str | None = None) -> None:
        self.page.keyboard.press(key)
        if then is not None:
            self.shows(then)

    def text(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).inner_text().split())

    def answers(self) -> list[str]:
        return self.server.desk.answers()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def close(self) -> None:
        self._context.close()
        self.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """visit(case, width=1280, scheme="light", lang="en", sample=200) -> Visit; at the end nothing may have gone wrong. The folder is
    asked for here too, so that it goes after the server that still shows images of it."""
    opened: list[Visit] = []

    def begin(case: Case, **given: Any) -> Visit:
        opened.append(Visit(browser, case, **given))
        return opened[-1]

    yield begin
    for each in opened:
        each.close()
    assert [line for each in opened for line in each.wrong] == []


def test_keys_answer_and_progress_is_kept(visit: Callable[..., Visit], tmp_path: Path) -> None:
    case = make_review.classification(tmp_path)
    first = visit(case, sample=6)
    first.shows(0)
    assert first.text("#question") == "Is this label right?"
    assert first.text("#count") == "0 of 9 answered"
    first.press("Enter", 1)
    first.press("n", 2)
    first.press("y", 3)
    first.press("s", 4)
    assert first.answers()[:4] == ["right", "wrong", "right", "skip"]
    assert first.text("#estimate .share") == "33.3 % 95 % interval 6.1 % to 79.2 %"
    first.press("b", 3)
    assert "skipped" in first.text("#now")
    first.press("ArrowRight", 4)
    first.press("ArrowLeft", 3)
    first.press("y", 4)
    assert first.text("#estimate .counts") == "1 wrong of 4 random samples judged"
    first.press("r")
    first.page.keyboard.type("PLA")
    first.press("Enter", 5)
    assert first.server.desk.journal.read()[-1]["labels"] == [make_review.PLAIN]
    first.stop()
    # Closed and opened anew, it goes on where it was.
    again = visit(case, sample=6)
    again.shows(5)
    assert again.text("#count") == "5 of 9 answered"
    assert again.text("#estimate .share b") == "40.0 %"
    again.press("y", 6)
    again.press("n", 7)
    assert again.text("#title") == again.server.desk.asked.parts[2].title
    assert again.page.locator("[data-answer=accept]").is_visible()
    again.press("a", 8)
    again.press("y", "end")
    assert "snellen apply" in again.text("#end pre")
    assert again.text("#counted").startswith("Wrong labels")
    corrected, changes = apply_review(case.catalog, again.server.desk.journal.read())
    assert len(changes["dropped"]) == 2
    assert corrected.column("target").tolist()[0] == make_review.PLAIN
    for path in case.catalog.paths()[:-1]:
        assert path.is_file()


def test_hostile_names_are_text(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit(make_review.classification(tmp_path))
    seen = set()
    for n in range(11):
        page.shows(n)
        seen.update(page.page.locator("#facts .chip").all_inner_texts())
        page.press("r")
        seen.update(page.page.locator("#classes li").all_inner_texts())
        page.press("Escape")
        page.press("ArrowRight")
    assert {make_review.SCRIPT, make_review.IMAGE, "two⏎lines", make_review.PLAIN} <= seen
    page.shows("end")
    assert (
        page.page.evaluate("document.querySelectorAll('main script, img[src=x], #panel b b, #panel i i').length") == 0
    )


def test_a_new_class_is_typed(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit(make_review.classification(tmp_path))
    page.shows(0)
    page.press("r")
    page.page.keyboard.type("<u>brand new")
    assert page.page.locator("#classes li").all_inner_texts() == ["New class “<u>brand new”"]
    page.press("Enter", 1)
    page.press("b", 0)
    assert page.text("#now") == "Your answer: relabelled <u>brand new."
    page.press("r")
    assert "<u>brand new" in page.page.locator("#classes li").all_inner_texts()


def test_boxes_are_drawn_where_they_are(visit: Callable[..., Visit], tmp_path: Path) -> None:
    case = make_review.detection(tmp_path)
    page = visit(case)
    page.shows(0)
    page.page.locator("#bar button").nth(1).click()
    page.shows(3)
    assert page.text("#what") == "shifted"
    assert page.text("#question") == "Is the marked object right?"
    assert page.page.locator("#drawn .object").count() == 3
    picture = page.page.locator("#picture").bounding_box()
    scale = picture["width"] / make_review.WIDTH
    for selector, (x0, y0, x1, y1) in {
        ".focus .box": (10, 10, 40, 40),
        ".suggested:not(.under)": (0, 10, 30, 40),
    }.items():
        box = page.page.locator(f"#drawn {selector}").bounding_box()
        assert box["x"] + box["width"] / 2 == pytest.approx(picture["x"] + (x0 + x1) / 2 * scale, abs=1.5)
        assert box["y"] + box["height"] / 2 == pytest.approx(picture["y"] + (y0 + y1) / 2 * scale, abs=1.5)
        assert box["width"] == pytest.approx((x1 - x0) * scale, abs=8)
    assert (
        page.page.evaluate("getComputedStyle(document.querySelector('#drawn .suggested:not(.under)')).strokeDasharray")
        != "none"
    )
    page.press("+")
    assert page.page.locator("#picture").bounding_box()["width"] == pytest.approx(1.5 * picture["width"], rel=0.01)
    page.press("0")
    page.press("z")
    assert page.page.locator("#picture").bounding_box()["width"] > picture["width"]
    page.press("h")
    assert not page.page.locator("#drawn .focus .box").is_visible()
    page.press("h")
    page.press("a", 4)
    assert page.page.locator("#drawn polygon").count() == 1
    page.press("n", 5)
    assert "nothing is annotated" in page.text("#question")
    assert not page.page.locator("[data-answer=accept]").is_visible()
    page.press("r")
    page.page.keyboard.type("dog")
    page.press("Enter", "end")
    changes = apply_review(case.catalog, page.server.desk.journal.read())[1]
    assert {kind: len(told) for kind, told in changes.items() if told} == {
        "objects_removed": 1, "objects_moved": 1, "objects_added": 1}  # fmt: skip


def test_an_object_is_picked(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit(make_review.detection(tmp_path))
    n = [item.sample for item in page.server.desk.asked.items].index("s0")
    for place in range(n + 1):
        page.shows(place)
        if place < n:
            page.press("ArrowRight")
    page.press("ArrowDown")
    page.press("ArrowDown")
    assert page.page.locator("#drawn .picked").count() == 1
    assert page.text("[data-answer=wrong] small") == "the object is taken out"
    page.press("n")
    page.until("!document.getElementById('aside').hidden")
    assert page.text("#aside") == "Said of single objects: dog: wrong"
    assert page.server.desk.journal.read()[-1]["object"] == {"key": "b", "place": 1}
    # A click picks as well.
    box = page.page.locator("#drawn .object").first.locator(".box").bounding_box()
    page.page.mouse.click(box["x"] + 4, box["y"] + box["height"] / 2)
    assert page.page.locator("#drawn .picked").count() == 1
    page.press("Escape")
    assert page.page.locator("#drawn .picked").count() == 0
    page.press("Enter", n + 1)
    assert page.text("#estimate .counts") == "1 wrong of 1 random samples judged"


def test_masks_and_keypoints(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit(make_review.segmentation(tmp_path / "masks"))
    told = {}
    for n, item in enumerate(page.server.desk.asked.items):
        page.shows(n)
        told[item.sample] = page.text("#facts")
        there = page.page.evaluate(
            "!document.getElementById('overlay').hidden && document.getElementById('overlay').naturalWidth"
        )
        assert bool(there) == (item.sample != "s2")
        page.press("ArrowRight")
    assert make_review.IMAGE in told["s0"]
    assert "unknown id 9" in told["s0"]
    assert "30 × 30" in told["s1"]
    points = visit(make_review.keypoints(tmp_path / "points"))
    points.shows(0)
    assert points.page.locator("#drawn circle").count() == 2  # The third was not given.
    assert points.page.locator("#drawn circle[fill=none]").count() == 1
    assert points.page.locator("#facts .chip").all_inner_texts()[-3:] == ["nose", "ear", make_review.IMAGE]


def test_several_labels_are_chosen(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit(make_review.multilabel(tmp_path))
    n = [item.sample for item in page.server.desk.asked.items].index("s0")
    for place in range(n):
        page.shows(place)
        page.press("ArrowRight")
    page.shows(n)
    page.press("r")
    for name in ("sand", "sea"):
        page.page.keyboard.type(name)
        page.press("Enter")
    page.press("Enter", n + 1)
    assert set(page.server.desk.journal.read()[-1]["labels"]) == {"sky", "sand"}
    if n == 0:
        page.press("s", 2)
    assert page.text("[data-answer=accept]") == "a Accept adds sand"
    page.press("a", "end")


@pytest.mark.parametrize(
    ("lang", "width", "scheme"), [("zh", 390, "dark"), ("en", 390, "light"), ("zh", 1280, "light")]
)
def test_it_fits_a_narrow_window(
    visit: Callable[..., Visit], tmp_path: Path, lang: str, width: int, scheme: str
) -> None:
    page = visit(make_review.classification(tmp_path), lang=lang, width=width, scheme=scheme)
    page.shows(0)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.page.locator("#answers button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 800
        assert button.locator("b").evaluate("node => node.scrollWidth <= node.parentElement.clientWidth")
    page.page.locator("[data-answer=right]").click()
    page.shows(1)
    assert page.answers()[0] == "right"
    assert ("已回答" in page.text("#count")) == (lang == "zh")


def test_when_the_server_is_gone_nothing_is_lost_unsaid(browser: Any, tmp_path: Path) -> None:
    page = Visit(browser, make_review.classification(tmp_path))
    page.shows(0)
    page.stop()
    page.press("y")
    page.until("!document.getElementById('failed').hidden")
    assert page.text("#failed").startswith("Not saved:")
    assert page.page.evaluate("document.body.dataset.shown") == "0"
    page._context.close()


def test_a_script_that_got_in_would_not_run(browser: Any, tmp_path: Path) -> None:
    page = Visit(browser, make_review.classification(tmp_path))
    page.shows(0)
    page.page.evaluate(
        "() => { const node = document.createElement('script'); node.textContent = 'window.broken = 1'; document.body.append(node); }"
    )
    assert page.page.evaluate("window.broken") is None
    assert any("Content Security Policy" in line for line in page.wrong)
    page.close()
