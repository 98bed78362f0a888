"""One pass of the frozen network serves the audit and the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import tiny
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from snellen.ship.loaded import load
from snellen.train import enter as enter_room
from snellen.train import kept_features
from snellen.train.enter import enter, plain_features, view_features
from snellen.train.features import embed, trunk_digest
from snellen.train.folded import folded
from snellen.train.kept_features import keep, kept
from snellen.train.loop import train
from snellen.train.machine import Setting
from snellen.train.once import Keeping, features
from snellen.train.source import Samples

LAST = [{"name": "last", "unfreeze": "last", "epochs": 3}]
ONE = {"train.views": 1, "augment.mixup": 0.0, "stages": LAST}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of its own: what an audit's pass keeps differs in its last bits from what a training computes for itself."""
    return tmp_path / "kept"


def everything(work) -> Samples:  # type: ignore[no-untyped-def]
    """All images of the tiny material, as an audit sees them: before they are divided."""
    catalog, pixels = tiny.material()
    return Samples.of(catalog, np.zeros(len(catalog), np.int64), pixels)


def passed(work) -> np.ndarray:  # type: ignore[no-untyped-def]
    keeping = Keeping(work.cache, work.recipe.model.name)
    return features(work.model, everything(work), work.setting, size=tiny.SIDE, keeping=keeping)


@pytest.mark.parametrize(
    "name", ["test_efficientnet", "test_resnet", "mobilenetv2_050", "tf_mobilenetv3_small_minimal_100"]
)
def test_a_folded_network_gives_what_the_network_gives(name: str) -> None:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # Statistics as after some training, not those of an empty network.
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    images = torch.randn(3, 3, 32, 32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    quick = folded(model, images)
    assert quick is not model
    left = [sum(isinstance(module, nn.BatchNorm2d) for module in net.modules()) for net in (model, quick)]
    assert left[1] <= 1 < left[0]  # One may stand behind a whole sequence.
    found = [embed(net, [images], Setting()) for net in (model, quick)]
    assert np.abs(found[0] - found[1]).max() <= 1e-3 * np.abs(found[0]).max()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("sides", [(64, 64), (61, 61), (64, 61), (37, 50)])
def test_padding_is_folded_whatever_the_sides(sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0", num_classes=3).eval()
    images = torch.randn(2, 3, *sides)
    quick = folded(model, images)
    copying = [sum(isinstance(module, Conv2dSame) for module in net.modules()) for net in (model, quick)]
    assert copying == [5, 0]
    with torch.no_grad():
        found, expected = quick.forward_features(images), model.forward_features(images)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_what_cannot_be_folded_stays() -> None:
    transformer = timm.create_model("test_vit", num_classes=3, img_size=32)
    assert folded(transformer, torch.randn(1, 3, 32, 32)) is transformer

    class Twice(nn.Module):
        """Norm and convolution are neighbours, but another thing happens between them."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
            nn.init.normal_(self.norm.running_mean)

        def forward_features(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.norm(self.conv(x).relu()))

    model = Twice()
    assert folded(model, torch.randn(2, 3, 8, 8)) is model


def test_what_is_kept_is_found_by_sample(tmp_path: Path) -> None:
    rows = np.arange(12.0).reshape(4, 3)
    keep(tmp_path, {"a": 1}, ("x", "y", "z", "w"), rows)
    array, places = kept(tmp_path, {"a": 1}, ("w", "y"))  # type: ignore[misc]
    assert np.array_equal(array[places], rows[[3, 1]])
    assert kept(tmp_path, {"a": 1}, ("w", "v")) is None
    assert kept(tmp_path, {"a": 2}, ("w",)) is None


def test_the_head_reads_what_the_audit_has_seen(job, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tiny.recipe(ONE), "seen")
    found = passed(work)
    assert found.dtype == np.float32
    monkeypatch.setattr("snellen.train.enter.embed", lambda *_: pytest.fail("computed twice"))
    views = view_features(work)
    places = {sample: place for place, sample in enumerate(everything(work).ids)}
    assert np.array_equal(views, found[[places[sample] for sample in work.training.ids]][None])
    validated = plain_features(work, work.validation, tiny.SIDE)
    assert np.array_equal(validated, found[[places[sample] for sample in work.validation.ids]])


def test_one_view_is_what_evaluation_sees(job) -> None:
    """Also where the recipe augments: one crop of each image in every epoch would say less."""
    work = job(tiny.recipe({**ONE, "seed": 6, "data.eval_size": 48}), "plain")
    (images,) = work.training.plain(48, *work.normal)
    assert np.abs(view_features(work)[0] - embed(work.model, [images], work.setting)).max() < 1e-4


def test_under_a_trunk_that_was_not_trained_only_the_head_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny.recipe({"stages": [{"name": "head", "unfreeze": "head", "epochs": 2}], "train.views": 1})
    catalog, pixels = tiny.material()
    cache = tmp_path / "cache"
    run = train(recipe, catalog, pixels, tmp_path / "runs" / "one", setting=Setting(), cache=cache)
    loaded = load(run)
    whole = loaded.predict(catalog, pixels)
    samples = Samples.of(catalog, np.zeros(len(catalog), np.int64), pixels)
    features(loaded.model, samples, Setting(), size=tiny.SIDE, keeping=Keeping(cache, recipe.model.name))
    monkeypatch.setattr("snellen.ship.loaded.outputs", lambda *_: pytest.fail("computed twice"))
    assert np.abs(loaded.predict(catalog, pixels).probabilities - whole.probabilities).max() < 1e-4


def test_rows_of_an_older_array_are_never_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    about = {"trunk": "0"}
    keep(tmp_path, about, ("a", "b"), np.zeros((2, 3), np.float32))
    with monkeypatch.context() as patch:
        patch.setattr(kept_features.store, "write_json", crash)
        with pytest.raises(KeyboardInterrupt):
            keep(tmp_path, about, ("c", "a", "b"), np.ones((3, 3), np.float32))
    assert kept(tmp_path, about, ("a", "b")) is None


def test_the_trunk_is_hashed_once_for_a_stage_and_anew_for_the_next(job, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counted(model: nn.Module) -> str:
        hashed.append(trunk_digest(model))
        return hashed[-1]

    for place in (enter_room, kept_features):
        monkeypatch.setattr(place, "trunk_digest", counted)
    work = job(tiny.recipe())
    first = enter(work, 0)
    first.rows(work.validation)
    assert len(hashed) == 1
    with torch.no_grad():
        next(iter(work.model.parameters())).mul_(1.5)
    second = enter(work, 0)
    assert len(set(hashed)) == 2
    chosen = np.arange(4)
    assert not torch.equal(first.source.batch(chosen, 0), second.source.batch(chosen, 0))
