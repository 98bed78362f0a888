"""Changes of the advice: each is one change, judged on images that neither training nor the backtest has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import numpy as np

from advice_variants import VARIANTS, _ground
from backtest import ground_of
from snellen.recipe import Recipe

# What each may change; a changed name of a key would change nothing.
CHANGES = {
    "rate_x2": {"stages.2.lr_scale"}, "rate_x4": {"stages.2.lr_scale"}, "no_average": {"train.ema"},
    "no_smoothing": {"loss.settings.smoothing"}, "no_clip": {"optim.clip"}, "moving_norm": {"train.freeze_norm"},
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_one_thing(name: str) -> None:
    recipe = Recipe().change({"optim.clip": 1.0, "train.freeze_norm": True})
    assert set(recipe.diff(VARIANTS[name](recipe))) == CHANGES[name]


def test_what_judges_is_seen_by_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(60):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    mine, theirs = _ground(tmp_path / "data", 16, 40, 20), ground_of(tmp_path / "data", 16, 40)
    assert set(mine.catalog.ids) == set(theirs.catalog.ids)
    assert not set(mine.held.ids) & {*theirs.catalog.ids, *theirs.held.ids}
    assert 16 <= len(mine.held) <= 24
