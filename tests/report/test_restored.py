"""The sections of restored images: scores beside the simple method's, pictures for the slider, names that stay inert."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.opening import with_defaults
from snellen.recipe import Recipe
from snellen.report import page
from snellen.rows import Statistics
from snellen.run import Run
from snellen.shelf import TASKS
from snellen.tasks._image_scores import disagreement

HOSTILE = "<img src=x onerror=alert(1)>.png"
VIEWS = ("given", "plain", "restored", "wanted", "difference")


def rows_of(ids: tuple[str, ...]) -> Statistics:
    chance, n = np.random.default_rng(0), len(ids)
    base = {"psnr": chance.normal(28, 2, n), "psnr_y": chance.normal(29, 2, n), "ssim": chance.uniform(0.7, 0.9, n), "feature_distance": chance.uniform(0.1, 0.3, n)}  # fmt: skip
    better = {"psnr": 1.2, "psnr_y": 1.3, "ssim": 0.04, "feature_distance": -0.05}
    columns = {name: values + better[name] + chance.normal(0, 0.01, n) for name, values in base.items()}
    columns |= {f"baseline_{name}": values for name, values in base.items()} | {
        "loss": np.full(n, 0.5),
        "share": np.full(n, 0.6),
    }
    return Statistics("denoising", ids, columns, (), tuple(name for name in columns if name.startswith("baseline_")))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    made = Case(tmp_path_factory.mktemp("case") / "case")
    paths = [HOSTILE, *(f"中文 {i}.png" for i in range(1, 6))]
    catalog = Catalog.of_rows([{"id": f"s{i}", "path": path, "split": "test"} for i, path in enumerate(paths)])
    catalog = catalog.with_about({"task": "images"})
    catalog.save(made.folder / "catalog.parquet")
    recipe = with_defaults(Recipe().change({"task": "denoising"}), {})
    run = Run.create(made.run(recipe.id, 0).folder, recipe.change({"degrade.baseline": {"name": "dct"}}), catalog, {})
    run.record("loss", {"stage": "all", "epoch": 1, "step": 1, "train": 0.6, "val": 0.6, "running": 0.1})
    rows = rows_of(catalog.ids)
    run.write_predictions("test", rows)
    run.finish({"seconds": 1.0, "epochs": 1, "steps": 1})
    made.write("final", {"run": run.folder.name, "test": TASKS.pick("denoising")().measure(rows), "gates": []})
    _pictures(made, rows)
    return made


def _pictures(case: Case, rows: Statistics) -> None:
    (case.folder / "before_after").mkdir()
    for kind in VIEWS:
        Image.new("RGB", (8, 8), (200, VIEWS.index(kind), 0)).save(case.folder / "before_after" / f"s0-{kind}.png")
    Image.new("RGB", (8, 8)).save(case.folder.parent / "secret.png")
    paths = {kind: f"before_after/s0-{kind}.png" for kind in VIEWS}
    scores = {name: float(values[0]) for name, values in rows.columns.items()}
    entry = {"id": "s0", "why": "worst", "scale": 1, "paths": paths, "scores": scores}
    outside = {**entry, "id": "s1", "paths": {**paths, "wanted": "../secret.png"}}
    gaps, correlations = disagreement({"psnr": rows["psnr"].tolist(), "ssim": rows["ssim"].tolist()})
    ranks = [
        {"id": sample, "gap": float(gap), "psnr": 1.0, "ssim": float("nan")}
        for sample, gap in zip(rows.ids, gaps, strict=True)
    ]
    case.write("before_after", {"images": [entry, outside], "correlations": correlations, "ranks": ranks, "n": 6})


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_is_whole_and_inert(case: Case, lang: str) -> None:
    text = page.render(case, lang=lang)
    own = text[: text.index('id="figures"')]
    assert 'id="gains"' in own
    assert 'id="restored"' in own
    assert "<img src=x" not in own
    assert "&lt;img src=x" in own
    sections = re.findall(r'<section id="(?:gains|restored)">.*?</section>', own, flags=re.DOTALL)
    assert len(sections) == 2
    assert not any("{" in section for section in sections)
    assert not re.findall(r'(?:src|href)="https?:', own)


def test_every_view_is_embedded_pixel_for_pixel(case: Case) -> None:
    text = page.render(case)
    file = base64.b64encode((case.folder / "before_after" / "s0-restored.png").read_bytes()).decode()
    assert file in text
    assert len(re.findall(r"data-compare>", text)) == 2
    # A file outside of the case is not read.
    assert base64.b64encode((case.folder.parent / "secret.png").read_bytes()).decode() not in text
    assert len(re.findall(r'data-view="wanted"', text)) == 1


def test_gains_stand_beside_the_scores(case: Case) -> None:
    text = page.render(case)
    assert "PSNR (dB, RGB)" in text
    assert re.search(r"<b>\+1\.\d\d</b><small class=\"muted\">\+1\.\d\d – \+1\.\d\d</small>", text)
    assert "Gain of every image" in text
    assert "dct" in text


def test_a_case_without_pictures_says_so(case: Case, tmp_path: Path) -> None:
    bare = Case(tmp_path / "bare")
    case.catalog.save(bare.folder / "catalog.parquet")
    recipe = with_defaults(Recipe().change({"task": "denoising"}), {})
    Run.create(bare.run(recipe.id, 0).folder, recipe, case.catalog, {})
    assert "there are no pictures" in page.render(bare)
