"""The page: whole, inert, self-contained, in both languages, and honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from snellen.case import Case
from snellen.report import page, words
from snellen.report.words import Words, shorten, visible
from snellen.run import Predictions, Run
from snellen.shelf import RUN_RULES
from snellen.values import Finding, SnellenError, Verdict


class Reader(HTMLParser):
    """What a browser would make of the page: elements with attributes, and the text outside scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(whole: Case) -> str:
    return page.render(whole)


SECTIONS = [*page.BEFORE, "scores", *page.BETWEEN, "gradcam", *page.AFTER]


def _own(text: str) -> str:
    """The page without plotly's own source."""
    return text.replace(get_plotlyjs(), "")


def _figures(text: str) -> dict[str, dict]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def test_write_makes_one_file_and_returns_it(whole: Case, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*") if path.name != "report.html"}
    assert page.write(whole, out=tmp_path / "deep" / "mine.html") == tmp_path / "deep" / "mine.html"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["mine.html"]
    assert page.write(whole) == whole.folder / "report.html"
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())


def test_every_section_is_there_and_linked(text: str) -> None:
    reader = Reader(text)
    assert [item["id"] for item in reader.all("section")] == SECTIONS
    assert {f"#{name}" for name in SECTIONS} <= {item.get("href") for item in reader.all("a")}
    assert "absent" not in {item.get("class") for item in reader.all("p")} - {None} or text.count('class="absent"') == 1


def test_every_chart_has_its_figure(text: str) -> None:
    places = [item["data-figure"] for item in Reader(text).all("div") if "data-figure" in item]
    assert sorted(places) == sorted(_figures(text))
    expected = {"counts", "loss", "accuracy", "gradient", "rate", "recall", "confusion", "reliability", "forest0"}
    assert expected <= set(places)


def test_plotly_is_there_once_and_nothing_is_fetched(text: str) -> None:
    assert text.count(get_plotlyjs()) == 1
    own = _own(text)
    assert "http://" not in own
    assert "https://" not in own
    reader = Reader(own)
    assert all("src" not in item for item in reader.all("script"))
    assert not reader.all("link") + reader.all("iframe") + reader.all("object") + reader.all("base")
    assert all((item["src"] or "").startswith("data:image/jpeg;base64,") for item in reader.all("img"))
    assert not re.search(r"url\((?!#)", own)
    assert "@import" not in own


def test_the_policy_allows_the_two_scripts_and_no_others(text: str) -> None:
    policy = next(item["content"] for item in Reader(text).all("meta") if item.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes


def test_no_name_becomes_markup(text: str, maker) -> None:
    reader = Reader(_own(text))
    assert len(reader.all("script")) == 3
    assert not [item for _, item in reader.elements if any(name.startswith("on") for name in item)]
    assert not [tag for tag, _ in reader.elements if tag == "i" and "</i>" in tag]
    shown = "".join(reader.texts)
    for name in maker.HOSTILE:
        assert visible(name) in shown
    assert "studio <i>one</i>" in shown


def test_names_in_figures_are_inert(text: str, maker) -> None:
    raw = re.search(r'id="figures">(.*?)</script>', text, re.S)
    assert raw is not None
    assert not set("<>&") & set(raw[1])
    ticks = _figures(text)["counts"]["layout"]["yaxis"]["ticktext"]
    assert len(ticks) == 10
    assert not [tick for tick in ticks if "<" in tick or "$" in tick.replace("&#36;", "")]
    hovers = _figures(text)["counts"]["data"][0]["text"]
    assert "&lt;img src=x onerror=alert(1)&gt;" in hovers


def test_inert_json_reads_back_and_cannot_close_its_element() -> None:
    value = {"a": "</script><!--\u2028&", "b": [1.5, None], "c": "\ud800"}
    made = page.inert_json(value)
    assert not set("<>&\u2028") & set(made)
    assert json.loads(made) == {**value, "c": "?"}


def test_visible_shows_what_would_hide() -> None:
    assert visible("a\nb\tc\x00") == "a⏎b␉c␀"
    assert visible("\u202egpj.exe\ud800") == "\ufffdgpj.exe?"
    assert shorten("0123456789", 7) == "0123…89"
    assert shorten("中文", 7) == "中文"


def test_a_case_that_was_only_audited(audited: Case) -> None:
    text = page.render(audited)
    reader = Reader(text)
    # No section says of a training that there was none.
    assert [item["id"] for item in reader.all("section")] == list(page.LOOKED)
    assert {f"#{name}" for name in page.LOOKED} <= {item.get("href") for item in reader.all("a")}
    assert set(_figures(text)) == {"counts"}
    # The one that is there is for readers without scripts.
    assert text.count('class="absent"') == 1
    shown = "".join(reader.texts)
    assert "Data audited, nothing trained" in shown
    assert "Image classification" in shown
    assert "Unusable files" in shown
    assert "None" not in "".join(reader.texts)


def test_an_empty_folder_is_a_page_too(tmp_path: Path) -> None:
    text = page.render(Case(tmp_path / "nothing"))
    assert _figures(text) == {}
    assert "Nothing examined yet" in text


@pytest.mark.parametrize(
    "gone",
    [
        "final.json",
        "plan.json",
        "remedies.json",
        "ledger.jsonl",
        "gradcam.json",
        "catalog.parquet",
        "audit.json",
        "runs",
    ],
)
def test_any_file_may_be_missing(whole: Case, tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "case"
    shutil.copytree(whole.folder, folder)
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for lang in ("en", "zh"):
        assert "<section" in page.render(Case(folder), lang=lang)


def test_a_run_in_its_first_minutes(whole: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    shutil.copytree(whole.folder, folder)
    run = folder / "runs" / json.loads((folder / "final.json").read_text())["run"]
    shutil.rmtree(run / "predictions")
    for name in ("DONE", "findings.json", "environment.json", "signals.jsonl"):
        (run / name).unlink()
    (folder / "final.json").unlink()
    text = page.render(Case(folder))
    assert "loss" not in _figures(text)


def test_non_finite_numbers_are_gaps(whole: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    shutil.copytree(whole.folder, folder)
    case = Case(folder)
    run = Run(folder / "runs" / case.read("final")["run"])
    at = {"stage": "all", "epoch": 23, "step": 999}
    run.record("loss", {**at, "train": float("nan"), "val": float("inf"), "running": float("nan")})
    run.record("nonfinite", {**at, "what": "loss", "samples": ["s0-0"], "tensor": "head.<b>weight</b>"})
    final = case.read("final")
    final["test"]["auc"] = {"value": None, "low": None, "high": None, "n": 15}
    final["test"]["ece"] = {"value": "nan", "low": "nan", "high": "nan", "n": 15}
    final["artifacts"][0]["parity"]["max_abs"] = "inf"
    case.write("final", final)
    text = page.render(case)
    assert _figures(text)["loss"]["data"][0]["y"][-1] is None
    assert "A non-finite loss stopped the training at step 999 in head.&lt;b&gt;weight" in text


@pytest.mark.parametrize(
    ("lang", "says"), [("en", "back to the weights of epoch 22 (accuracy 0.81)"), ("zh", "已退回第 22 轮的权重")]
)
def test_what_the_autopilot_did_is_told_beside_the_curves(lang: str, says: str, whole: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    shutil.copytree(whole.folder, folder)
    case = Case(folder)
    run = Run(folder / "runs" / case.read("final")["run"])
    at = {"stage": "<b>all</b>", "epoch": 23, "step": 999}
    run.record("nonfinite", {**at, "what": "loss", "samples": ["s0-0"], "tensor": ""})
    finding = {"rule": "nonfinite", "severity": "warn", "message": "1"}
    remedy = {"name": "lower_lr", "finding": "nonfinite", "patch": {"optim.lr": 3e-5}}
    act = {"action": "back", "finding": finding, "remedy": remedy, "before": {"optim.lr": 3e-4}, "to": 22}
    run.record("autopilot", {**at, **act, "score": 0.81, "metric": "accuracy"})
    run.write_findings((*run.findings, *RUN_RULES.pick("autopilot")(run)))
    text = page.render(case, lang=lang)
    told = _own(text).partition('<section id="training">')[2].partition("</section>")[0]
    assert says in told
    assert "optim.lr 0.0003 → 3e-05" in told
    assert "&lt;b&gt;all" in told
    assert "stopped the training" not in told


def test_the_numbers_of_the_verdict(text: str) -> None:
    shown = " ".join("".join(Reader(_own(text)).texts).split())
    assert "93.4%" in shown
    assert "95% interval 90.8% to 95.8%, n = 372" in shown
    assert "Adopted: Mixup (+2.4 points, interval +0.7 to +4.2)." in shown
    assert "Also tried: 2 rejected, 2 undecided." in shown
    assert "8 min 04 s" in shown
    assert "9 of the 341 samples of validation are in the training data too" in shown
    assert "with them: 93.4%; without them: 92.1%" in shown
    assert "All 2 samples of test are in the training data too" in shown
    assert "set by you" in shown
    assert "20 samples" in shown
    assert "uniform" in shown
    assert "balanced" in shown


def test_many_classes_leave_a_note(maker, tmp_path: Path) -> None:
    import numpy as np

    case = maker.make_case(tmp_path)
    run = Run(case.folder / "runs" / case.read("final")["run"])
    names = tuple(f"class {i:03d}" for i in range(100))
    rng = np.random.default_rng(0)
    rows = Predictions(tuple(map(str, range(300))), rng.integers(0, 100, 300), rng.dirichlet(np.ones(100), 300), names)
    run.write_predictions("test", rows)
    text = page.render(case)
    assert len(_figures(text)["confusion"]["data"][0]["z"]) == 40
    assert "60 classes with fewer confusions are not drawn." in text


def test_an_overlay_outside_the_case_is_not_read(whole: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    shutil.copytree(whole.folder, folder)
    shutil.copy(folder / "gradcam" / "0.jpg", tmp_path / "secret.jpg")
    case = Case(folder)
    case.write("gradcam", [{"id": "x", "path": "../secret.jpg", "target": "a", "predicted": "b", "right": False}])
    assert "overlay missing" in page.render(case)


def test_chinese_page(whole: Case) -> None:
    text = page.render(whole, lang="zh")
    assert '<html lang="zh-CN">' in text
    shown = "".join(Reader(_own(text)).texts)
    for heading in ("训练方案及其理由", "措施及其证据", "如何复现", "混淆矩阵"):
        assert heading in shown
    assert "6 张验证图像的召回率为 33.0%" in shown
    assert "图像少、预算小：选用轻量模型。" in shown
    assert "更差：区间完全在零以下。" in shown
    assert "not looked at" not in shown.lower()


def test_the_languages_have_the_same_keys() -> None:
    english, chinese = (set(Words.load(lang).texts) for lang in ("en", "zh"))
    assert english <= chinese
    own = words.flatten(json.loads((words.TEXT / "zh-CN.json").read_text()))
    open_ended = (
        "findings.",
        "variants.",
        "reasons.",
        "remedy_reasons.",
        "gate_messages.",
        "states.",
        "steps.",
        "remedies.",
        "planted.",
    )
    assert {key for key in own if not key.startswith(open_ended)} <= english | {"costs", "steps"}
    plain = words.flatten(json.loads((words.TEXT / "en.json").read_text()))
    assert {key for key, value in plain.items() if value != {}} <= set(own)
    for key in set(own) & set(plain):
        if plain[key] != {} and not key.startswith("findings."):
            assert words._fields(own[key]) == words._fields(plain[key]), key


def test_an_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(SnellenError, match="'fr'; there are: en, zh"):
        Words.load("fr")


def test_a_finding_without_fitting_evidence_keeps_its_message() -> None:
    finding = Finding(rule="weak_class", severity="warn", message="English stays.", evidence={"class": "a"})
    assert Words.load("zh").finding(finding) == "English stays."
    other = Finding(rule="a_new_rule", severity="info", message="Told in English.")
    assert Words.load("zh").finding(other) == "Told in English."


def test_durations_and_effects() -> None:
    en = Words.load("en")
    assert [en.seconds(value) for value in (3.21, 48.0, 252.0, 3905.0, None)] == [
        "3.2 s", "48 s", "4 min 12 s", "1 h 05 min", "–"
    ]  # fmt: skip
    assert en.effect("accuracy", -0.012) == "−1.2"
    assert en.effect("log_loss", 0.034) == "+0.034"
    assert en.score("accuracy", "nan") == "–"


def test_a_verdict_that_was_never_tried(whole: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    shutil.copytree(whole.folder, folder)
    case = Case(folder)
    verdict = Verdict(
        remedy="cutmix", finding="overfitting", metric="log_loss", baseline="0", candidate="1", effect=None, low=None,
        high=None, level=0.95, samples=0, seeds=0, looks=0, seconds=0.0, decision="undecided", reason="no time left",
    )  # fmt: skip
    case.enter(verdict)
    text = page.render(case)
    assert "1 not tried: the budget was used up." in text
    assert "no time left" in text
