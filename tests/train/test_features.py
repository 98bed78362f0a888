"""Cached features of the frozen trunk are what the trunk gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import tiny
import torch
from torch import nn

from snellen.ship.loaded import load
from snellen.train.enter import enter, plain_features, view_features
from snellen.train.features import Head, cached, digest, embed, trunk_digest
from snellen.train.machine import Setting
from snellen.train.source import PixelSource


@pytest.mark.parametrize(
    "name",
    [
        "test_efficientnet",
        "test_resnet",
        "test_vit",
        "test_convnext",
        "test_mambaout",
        "mobilenetv3_small_050",
        "mobilenetv2_050",
    ],
)
def test_head_on_features_is_the_model(name: str) -> None:
    """Also where the head has a convolution or a norm of its own, which stay with the trunk."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=3, **({"img_size": 32} if "vit" in name else {})).eval()
    images = torch.randn(4, 3, 32, 32)
    found = embed(model, [images[:3], images[3:]], Setting())
    assert found.dtype == np.float32
    with torch.no_grad():
        assert torch.allclose(Head(model, dropout=0.3).eval()(torch.from_numpy(found)), model(images), atol=1e-3)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_the_head_stage_has_the_recipes_dropout(name: str, job) -> None:
    """Wherever the family keeps its rate: a vision transformer has no attribute for it."""
    work = job(tiny.recipe({"model.name": name, "model.dropout": 0.35}))
    assert enter(work, 0).net.dropout.p == pytest.approx(0.35)


def test_half_precision_of_the_network_does_not_reach_the_augmentation(job) -> None:
    """A batch that is made while the network computes in bfloat16 is the batch that is made otherwise."""
    source = PixelSource((work := job(tiny.recipe())).training, work.augmenter, 0)
    chosen = np.arange(8)
    with torch.autocast("cpu", torch.bfloat16):
        inside = source.batch(chosen, 0)
    assert torch.equal(inside, source.batch(chosen, 0))


def test_every_stage_trains_in_bfloat16(trained) -> None:
    """Also where augmented views are cached for the head and for the last stages."""
    run = trained(tiny.recipe({"train.precision": "bf16", "augment.mixup": 0.0}), setting=Setting("bf16"))
    assert run.done
    assert [record["stage"] for record in run.signals("loss")] == ["head"] * 2 + ["last"] * 2 + ["all"] * 3


def test_cached_views_are_the_trunk_run_again(job) -> None:
    work = job(tiny.recipe({"augment.parts": []}))
    views = view_features(work)
    assert len(views) == 1  # Without augmentation one view says all.
    model: nn.Module = work.model.eval()
    (images,) = work.training.plain(tiny.SIDE, *work.normal)
    with torch.no_grad():
        again = model.forward_head(model.forward_features(images), pre_logits=True).numpy()
    assert np.abs(views[0] - again).max() < 1e-3
    assert np.abs(plain_features(work, work.training, tiny.SIDE) - again).max() < 1e-3


def test_views_differ_by_augmentation_and_not_by_seed(job) -> None:
    views = view_features(job(tiny.recipe()))
    assert views.shape[0] == 2
    assert not np.allclose(views[0], views[1])
    # A trunk that starts from noise is another one for every seed; one from a file is not: then seeds share the views.
    assert not np.array_equal(view_features(job(tiny.recipe({"seed": 1}), "other")), views)


def test_seeds_share_the_views_of_one_trunk(job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    tensors = {key: value.contiguous() for key, value in job(tiny.recipe()).model.state_dict().items()}
    save_file(tensors, tmp_path / "weights.safetensors")
    patch = {"model.weights": str(tmp_path / "weights.safetensors")}
    first = view_features(job(tiny.recipe(patch), "first"))

    def embed_again(*_: object) -> None:
        raise AssertionError("computed twice")

    second = job(tiny.recipe({**patch, "seed": 1}), "second")
    monkeypatch.setattr("snellen.train.enter.embed", embed_again)
    assert np.array_equal(view_features(second), first)


def test_the_trunks_digest_is_of_all_but_the_classifier() -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", num_classes=3)
    before = trunk_digest(model)
    with torch.no_grad():
        model.classifier.weight += 1
    assert trunk_digest(model) == before
    with torch.no_grad():
        model.bn2.running_mean += 1e-3
    assert trunk_digest(model) != before


def test_cached_arrays_are_made_once(tmp_path: Path) -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.arange(6.0).reshape(2, 3)

    name = digest({"a": 1, "b": ("x", "y")})
    first, second = (cached(tmp_path, name, make) for _ in range(2))
    assert len(made) == 1
    assert np.array_equal(first, second)
    assert not list(tmp_path.glob("*.tmp"))
    assert digest({"b": ("x", "y"), "a": 1}) == name != digest({"a": 2, "b": ("x", "y")})


def test_a_head_trained_alone_answers_as_the_whole_model(trained) -> None:
    """Its last answers come from the features that are at hand; the kept weights, loaded anew, give the same."""
    run = trained(tiny.recipe({"stages": [{"name": "head", "unfreeze": "head", "epochs": 2}]}))
    catalog, pixels = tiny.material()
    for split in ("val", "train"):
        stored = run.predictions(split)
        whole = load(run).predict(catalog.take(catalog.rows(stored.ids)), pixels)
        np.testing.assert_allclose(stored.probabilities, whole.probabilities, atol=1e-5)
