"""What each remedy writes into the recipe, and when it has nothing to write."""

from __future__ import annotations

from typing import Any

import pytest

from snellen.improve.prescribe import prescribe
from snellen.recipe import Recipe
from snellen.shelf import REMEDIES
from snellen.values import Finding, thaw

BARE = Recipe().change({"loss.settings.smoothing": 0.0, "model.dropout": 0.0})


def answer(name: str, recipe: Recipe = BARE, rule: str = "", samples: tuple[str, ...] = (), **evidence: Any) -> Any:
    rule = rule or REMEDIES.module(name).CURES[0]
    finding = Finding(rule=rule, severity="warn", message="1", evidence=evidence, samples=samples)
    remedy = REMEDIES.pick(name)(finding, recipe, **REMEDIES.settings(name))
    return None if remedy is None else thaw(remedy.patch)


def test_dropping_adds_to_what_is_dropped() -> None:
    recipe = BARE.change({"data.drop": ["x", "b"]})
    for name in ("drop_leaked", "drop_duplicates", "drop_conflicting", "drop_suspect_labels"):
        assert answer(name, recipe, samples=("a", "b", "a")) == {"data.drop": ["x", "b", "a"]}
        assert answer(name, recipe, samples=("b",)) is None


@pytest.mark.parametrize(
    ("optimizer", "lr", "lowered"),
    [("adamw", 2e-2, 2e-4), ("adamw", 3e-4, 3e-5), ("adamw", 5e-6, None), ("sgd", 0.5, 5e-3), ("sgd", 5e-3, 5e-4)],
)
def test_a_rate_comes_back_to_the_recommended_range(optimizer: str, lr: float, lowered: float | None) -> None:
    patch = answer("lower_lr", BARE.change({"optim.name": optimizer, "optim.lr": lr}))
    assert patch == (None if lowered is None else {"optim.lr": pytest.approx(lowered)})


def test_the_range_is_that_of_the_trunk() -> None:
    shares = dict.fromkeys(("stage1", "stage2", "stage3", "stage4"), 0.2)
    for own, lowered in ((shares, 1e-3), ({**shares, "stage4": 1.0}, 2e-4), ({"head": 0.2}, 2e-4)):
        patch = answer("lower_lr", BARE.change({"optim.name": "adamw", "optim.lr": 5e-2, "optim.rates": own}))
        assert patch == {"optim.lr": pytest.approx(lowered)}


@pytest.mark.parametrize(("lr", "raised"), [(1e-6, 1e-4), (1e-4, 3e-4), (3e-4, 5e-4), (5e-4, None), (1e-2, None)])
def test_a_rate_is_raised_within_the_range(lr: float, raised: float | None) -> None:
    patch = answer("raise_lr", BARE.change({"optim.lr": lr}))
    assert patch == (None if raised is None else {"optim.lr": pytest.approx(raised)})


@pytest.mark.parametrize(("now", "then"), [(0.0, 0.4), (0.2, 0.4), (0.4, 0.5), (0.5, None)])
def test_dropout_stays_within_the_stated_range(now: float, then: float | None) -> None:
    assert answer("dropout", BARE.change({"model.dropout": now})) == (None if then is None else {"model.dropout": then})


def test_regularisation_is_switched_on_once() -> None:
    for name, patch in {
        "mixup": {"augment.mixup": 0.4},
        "cutmix": {"augment.cutmix": 1.0},
        "label_smoothing": {"loss.settings.smoothing": 0.1},
        "weight_decay": {"optim.weight_decay": 0.05},
        "augment": {"augment.parts": [{"name": "flip"}, {"name": "crop"}, {"name": "brightness_contrast"}]},
    }.items():
        assert answer(name) == patch
        assert answer(name, BARE.change(patch)) is None


def test_a_loss_without_smoothing_is_left_alone() -> None:
    # An unnamed setting counts with its default: cross_entropy smooths by 0.1 when nothing is said.
    assert answer("label_smoothing", BARE.change({"loss": {"name": "cross_entropy"}})) is None
    assert answer("label_smoothing", BARE.change({"loss": {"name": "focal"}})) == {"loss.settings.smoothing": 0.1}


def test_the_batch_is_halved_down_to_eight() -> None:
    assert answer("smaller_batch") == {"train.batch": 16}
    assert answer("smaller_batch", BARE.change({"train.batch": 15})) is None


@pytest.mark.parametrize(
    ("condition", "direction", "parts"),
    [
        ("brightness", "low", ["brightness_contrast"]),
        ("contrast", "low", ["brightness_contrast"]),
        ("saturation", "high", ["hue_saturation"]),
        ("sharpness", "low", ["crop"]),
        ("sharpness", "high", ["gaussian_noise"]),
        ("meta_angle", "side", ["rotate", "shift", "zoom"]),
        ("meta_lighting", "dusk", ["brightness_contrast"]),
        ("source", "phone", ["brightness_contrast", "hue_saturation", "crop"]),
        ("annotator", "kim", None),
    ],
)
def test_augmentation_is_aimed_at_the_class_and_its_condition(condition: str, direction: str, parts: Any) -> None:
    asked = {"class": "b", "condition": condition, "direction": direction}
    patch = answer("aimed_augment", **asked)
    if parts is None:
        assert patch is None
        return
    assert [part["name"] for part in patch["augment.aimed"]] == parts
    assert all(part["classes"] == ["b"] for part in patch["augment.aimed"])
    again = BARE.change(patch)
    again.resolve()
    assert answer("aimed_augment", again, **asked) is None
    # Another class is aimed at beside the first.
    assert len(answer("aimed_augment", again, **{**asked, "class": "c"})["augment.aimed"]) == 2 * len(parts)


def test_broken_trainings() -> None:
    assert answer("clip") is None
    assert answer("clip", BARE.change({"optim.clip": None})) == {"optim.clip": 1.0}
    assert answer("clip", BARE.change({"optim.clip": 5.0})) == {"optim.clip": 1.0}
    assert answer("full_precision", precision="fp32") is None
    assert answer("full_precision", precision="bf16") == {"train.precision": "fp32"}
    unstable = {"rule": "gradient_unstable"}
    assert answer("freeze_norm", **unstable) is None
    assert answer("freeze_norm", BARE.change({"train.batch": 8}), **unstable) == {"train.freeze_norm": True}
    assert answer("freeze_norm", rule="broken_norm") == {"train.freeze_norm": True}
    high = {"rule": "rate_too_high", "sign": "harm"}
    assert answer("freeze_norm", **high) == {"train.freeze_norm": True}
    assert answer("freeze_norm", BARE.change({"optim.lr": 2e-2}), **high) is None
    assert answer("freeze_norm", rule="rate_too_high", sign="rising") is None


def test_too_little_training() -> None:
    assert answer("longer") == {"stages.2.epochs": 15}
    assert answer("reduce_lr") == {"optim.lr": pytest.approx(6e-5)}
    patch = answer("warm_restart")
    assert patch == {"stages.2.schedule": {"name": "cosine_restarts", "settings": {"cycles": 2}}}
    assert answer("warm_restart", BARE.change(patch)) is None
    assert answer("balanced_sampling") == {"train.sampling": "balanced"}
    assert answer("balanced_sampling", BARE.change({"train.sampling": "balanced"})) is None


def test_more_of_the_network_is_trained_step_by_step() -> None:
    head = {"name": "mine", "unfreeze": "head", "epochs": 8, "lr_scale": 10.0}
    for rule in ("frozen_too_much", "underfitting"):
        kept, added = answer("unfreeze_more", BARE.change({"stages": [head]}), rule)["stages"]
        assert {key: kept[key] for key in head} == head
        assert (added["unfreeze"], added["epochs"], added["lr_scale"]) == ("last", 8, pytest.approx(3.0))
    two = BARE.change({"stages": [kept, added]})
    assert answer("unfreeze_more", two) == {"stages.1.unfreeze": "all"}
    named = answer("unfreeze_more", BARE.change({"stages": [{"name": "last", "unfreeze": "head", "epochs": 2}]}))
    assert [stage["name"] for stage in named["stages"]] == ["last", "last 2"]
    assert answer("unfreeze_more", two.change({"stages.1.unfreeze": "all"})) is None


def test_a_remedy_says_on_which_score_it_will_be_judged() -> None:
    finding = Finding(rule="overfitting", severity="warn", message="1", samples=("a",))
    for name in ("dropout", "smaller_batch", "mixup", "augment", "cutmix", "weight_decay", "label_smoothing"):
        assert REMEDIES.pick(name)(finding, BARE).metric == "calibrated_log_loss"
    assert REMEDIES.pick("balanced_sampling")(finding, BARE).metric == "recall_macro"
    assert REMEDIES.pick("drop_leaked")(finding, BARE).metric is None


def test_a_constant_rate_falls_in_every_stage_that_has_one() -> None:
    assert answer("falling_rate") is None
    flat = BARE.change({"stages.head.schedule": {"name": "constant"}, "stages.all.schedule": {"name": "constant"}})
    patch = answer("falling_rate", flat)
    assert patch == {f"stages.{place}.schedule": {"name": "cosine"} for place in (0, 2)}
    assert flat.change(patch).id == BARE.id
    assert answer("falling_rate", flat.change(patch)) is None
    # A head that is trained alone before may well have a constant one.
    assert answer("falling_rate", BARE.change({"stages.head.schedule": {"name": "constant"}})) is None


def test_a_loss_of_pixels_alone_gets_the_overlap_back() -> None:
    assert answer("overlap_loss", BARE.change({"loss": {"name": "tversky", "settings": {}}})) is None
    spoiled = BARE.change({"loss": {"name": "pixel_cross_entropy", "settings": {}}})
    patch = answer("overlap_loss", spoiled)
    assert spoiled.change(patch).loss.name == "dice_focal"
    assert answer("overlap_loss", spoiled.change(patch)) is None


def test_outlines_are_weighted_once_and_what_the_loss_has_stays() -> None:
    assert answer("border_weights", BARE.change({"loss": {"name": "pixel_cross_entropy", "settings": {}}})) is None
    recipe = BARE.change({"loss": {"name": "dice_focal", "settings": {"gamma": 0.0, "weights": [1.0, 2.0]}}})
    patch = answer("border_weights", recipe)
    assert dict(recipe.change(patch).loss.settings) == {"gamma": 0.0, "weights": (1.0, 2.0), "border": 4.0}
    assert answer("border_weights", recipe.change(patch)) is None


def test_what_was_spoiled_is_restored_before_it_is_tuned() -> None:
    finding = Finding(rule="background_takes_all", severity="warn", message="1", samples=("a",))
    spoiled = Recipe().change(
        {"task": "segmentation", "metric": "miou", "loss": {"name": "pixel_cross_entropy", "settings": {}}}
    )
    assert prescribe([finding], spoiled)[0].remedy.name == "overlap_loss"


@pytest.mark.parametrize(("optimizer", "setting"), [("sgd", "momentum"), ("rmsprop", "momentum"), ("adamw", "beta1")])
def test_momentum_goes_back_to_the_optimisers_own(optimizer: str, setting: str) -> None:
    far = BARE.change({"optim.name": optimizer, "optim.settings": {setting: 0.999}})
    patch = answer("usual_momentum", far)
    assert patch == {f"optim.settings.{setting}": 0.9}
    assert answer("usual_momentum", far.change(patch)) is None
    assert answer("usual_momentum", BARE.change({"optim.name": optimizer, "optim.settings": {setting: 0.99}})) is None


def test_momentum_is_left_alone_where_there_is_none() -> None:
    assert answer("usual_momentum", BARE.change({"optim.name": "adagrad"})) is None


def test_the_batch_goes_back_to_what_is_usual() -> None:
    assert answer("usual_batch") is None
    assert answer("usual_batch", BARE.change({"train.batch": 600})) == {"train.batch": 32}


def test_a_focal_loss_is_loosened_to_its_usual_focusing() -> None:
    focal = BARE.change({"loss": {"name": "focal", "settings": {"gamma": 12.0}}})
    patch = answer("loosen", focal, settings={"loss.settings.gamma": 12.0})
    assert patch == {"loss.settings.gamma": 2.0}


def test_images_grow_to_the_size_of_evaluation_and_no_further() -> None:
    small = BARE.change({"data.size": 32, "data.eval_size": 48})
    assert answer("larger_images", small, "size_too_small") == {"data.size": 48}
    assert answer("larger_images", small.change({"data.eval_size": 32}), "size_too_small") is None


def test_masks_are_varied_in_the_condition_of_the_worst_images() -> None:
    asked = {"condition": "brightness", "direction": "low"}
    recipe = BARE.change(
        {"augment.parts": [{"name": "flip"}, {"name": "brightness_contrast", "settings": {"brightness": 0.2}}]}
    )
    patch = answer("condition_augment", recipe, **asked)
    assert [part["name"] for part in patch["augment.parts"]] == ["flip", "brightness_contrast"]
    assert patch["augment.parts"][1]["settings"]["brightness"] == 0.4
    assert answer("condition_augment", recipe.change(patch).resolve(), **asked) is None
    assert answer("condition_augment", recipe, condition="annotator", direction="anna") is None
