"""Tasks from image to image: scores beside the simple method's, intervals, advice, and what is not defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from snellen.advise import of_recipe
from snellen.budget import Cost
from snellen.catalog import Catalog
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.opening import with_defaults
from snellen.recipe import Recipe
from snellen.rows import Statistics
from snellen.shelf import FILTERS, TASKS
from snellen.values import QUESTION, SnellenError

NAMES = ("super_resolution", "denoising")
tasks = pytest.mark.parametrize("name", NAMES)
COST = Cost(((64, 0.004), (128, 0.016)), 0.9, 0.3)


def rows_of(name: str, gains: list[float]) -> Statistics:
    psnr = 28 + np.arange(len(gains), dtype=float)
    columns = {
        "loss": np.ones(len(gains)), "psnr": psnr + gains, "baseline_psnr": psnr, "ssim": np.asarray([np.nan, *[0.9] * (len(gains) - 1)]),
        "baseline_ssim": np.full(len(gains), 0.8), "feature_distance": np.full(len(gains), 0.1), "baseline_feature_distance": np.full(len(gains), 0.3),
    }  # fmt: skip
    ids = tuple(f"s{i}" for i in range(len(gains)))
    return Statistics(name, ids, columns, (), tuple(key for key in columns if key.startswith("baseline_")))


@tasks
def test_scores_and_gains(name: str) -> None:
    task, rows = TASKS.pick(name)(), rows_of(name, [1.0, 2.0, 3.0, 2.0])
    assert task.score(rows, "psnr_gain") == pytest.approx(2.0)
    assert task.score(rows, "psnr") == pytest.approx(31.5)
    assert task.score(rows, "feature_distance") == pytest.approx(-0.1)
    assert task.score(rows, "feature_distance_gain") == pytest.approx(0.2)
    assert task.guess(rows, None, "psnr_gain") == 0
    assert task.guess(rows, None, "psnr") == pytest.approx(29.5)
    measured = task.measure(rows)
    gain = measured["psnr_gain"]
    # Student's t with three degrees of freedom.
    reach = 3.182446 * np.std([1, 2, 3, 2], ddof=1) / 2
    assert (gain["low"], gain["high"], gain["n"]) == (
        pytest.approx(2 - reach, abs=1e-5),
        pytest.approx(2 + reach, abs=1e-5),
        4,
    )
    # The gain of every image is surer than the score: images differ, what is gained on them less so.
    assert measured["psnr"]["high"] - measured["psnr"]["low"] > gain["high"] - gain["low"]


@tasks
def test_an_image_without_a_score_weighs_nothing(name: str) -> None:
    task, rows = TASKS.pick(name)(), rows_of(name, [1.0, 2.0, 3.0])
    values, weights = task.paired(rows, "ssim")
    assert float((values * weights).mean()) == pytest.approx(0.9)
    assert task.measure(rows)["ssim"]["n"] == 2
    with pytest.raises(SnellenError, match="not defined for any"):
        task.score(rows.take(np.asarray([0])), "ssim")
    with pytest.raises(SnellenError, match="did you mean 'psnr_gain'"):
        task.score(rows, "psnr_gian")
    assert task.measure(rows.take(np.asarray([1])))["psnr"]["low"] is None


def test_a_broken_answer_is_not_clipped_into_a_good_one() -> None:
    wanted = torch.rand(1, 3, 16, 16)
    found = TASKS.pick("denoising")().predict(
        torch.full((1, 3, 16, 16), torch.nan), torch.stack([wanted, wanted], dim=1)
    )
    assert np.isnan(found["loss"]).all()


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder, chance = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for place in range(12):
        path = folder / ("train" if place < 8 else "val") / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        coarse = chance.integers(60, 190, (6, 7, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((84, 72), Image.Resampling.BICUBIC).save(path)
    return open_pixels(read([folder], task="images"), size=32, cache=tmp_path_factory.mktemp("cache"))[0]


def advised(name: str, catalog: Catalog, budget: float | None, **given: object) -> Recipe:
    task = TASKS.pick(name)()
    base = with_defaults(Recipe().change({"task": name, **of_recipe(given)}), given)
    sizes = task.sizes(catalog, 72.0, COST, budget, base=base, given=given)
    recipe: Recipe = task.advise(catalog, COST, budget, base=base, given=given, sizes=sizes, leaked=()).recipe
    return recipe.resolve()


@tasks
def test_advice(name: str, catalog: Catalog) -> None:
    recipe = advised(name, catalog, 900.0)
    assert recipe.task == name
    assert recipe.metric == "psnr_gain"
    assert [stage.unfreeze for stage in recipe.stages] == ["all"]
    assert recipe.train.batch * recipe.degrade.patches == 16
    # Patches fit into the images, at the low resolution.
    assert recipe.data.size * recipe.degrade.scale <= 72
    long, short = (advised(name, catalog, budget) for budget in (240.0, 120.0))
    assert long.stages[0].epochs * long.train.passes > 1.5 * short.stages[0].epochs * short.train.passes
    # The average looks back over a share of the steps.
    assert long.train.ema > short.train.ema
    asked = [advised(name, catalog, budget, epochs=7) for budget in (None, 900.0)]
    assert [stage.epochs for recipe in asked for stage in recipe.stages] == [7, 7]
    # The average looks back over a share of the steps that are really taken.
    assert asked[0].train.ema < advised(name, catalog, None).train.ema
    own = advised(name, catalog, None, **{"optim.lr": 5e-4, "train.batch": 4})
    assert (own.optim.lr, own.train.batch, own.degrade.patches) == (5e-4, 4, 4)


def test_the_filter_to_beat_is_part_of_the_question(catalog: Catalog) -> None:
    recipe = advised("denoising", catalog, None)
    assert recipe.degrade.baseline is not None
    assert recipe.degrade.baseline.name in FILTERS.names()
    # It is also where the network begins, where it is worth anything.
    assert recipe.model.settings["start"] > 10
    own = advised("denoising", catalog, None, **{"model.settings": {"channels": 8}})
    assert "start" not in own.model.settings
    assert "degrade.baseline" in QUESTION
    assert advised("super_resolution", catalog, None).degrade.baseline is None


def test_no_image_to_train_on(catalog: Catalog) -> None:
    task = TASKS.pick("denoising")()
    base = with_defaults(Recipe().change({"task": "denoising"}), {})
    with pytest.raises(SnellenError, match="no training images"):
        task.advise(catalog.of("val"), COST, None, base=base, given={}, sizes=(32, 64), leaked=())
