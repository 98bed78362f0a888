"""The losses against their formulas, and what they do to a training: heads, centres, resuming, export."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F

from snellen.parts.losses.triplet import mined
from snellen.recipe import Recipe
from snellen.shelf import LOSSES
from snellen.ship.export import Deployed, to_onnx
from snellen.ship.loaded import load
from snellen.ship.parity import parity
from snellen.train.heads import train_heads
from snellen.train.machine import Setting
from snellen.values import SnellenError

OWN_HEAD = ("arcface", "center", "triplet", "supcon", "multi_similarity")
COUNTS = (100, 10, 1)


def some(n: int = 12, d: int = 6, k: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(n, d, generator=generator), torch.randint(0, k, (n,), generator=generator)


def recipe(loss: str, patch: dict[str, Any] | None = None, **settings: Any) -> Recipe:
    own = {"loss": {"name": loss, "settings": settings}, "augment.mixup": 0.0}
    return tiny.recipe({**own, **(patch or {})})


def test_effective_numbers_weigh_the_classes() -> None:
    logits, target = some()
    loss = LOSSES.build("class_balanced", {"beta": 0.9, "smoothing": 0.1})(COUNTS)
    weights = np.asarray([0.1 / (1 - 0.9**m) for m in COUNTS])
    weights *= 3 / weights.sum()
    wanted = F.cross_entropy(
        logits[:, :3], target, weight=torch.tensor(weights, dtype=torch.float32), label_smoothing=0.1, reduction="none"
    )
    assert torch.allclose(loss(logits[:, :3], target), wanted, atol=1e-6)
    plain = LOSSES.build("class_balanced", {"beta": 0.0, "gamma": 2.0, "smoothing": 0.0})(COUNTS)
    assert torch.allclose(plain(logits[:, :3], target), LOSSES.build("focal", {})(logits[:, :3], target), atol=1e-6)


def test_weights_by_hand() -> None:
    logits, target = some()
    loss = LOSSES.build("class_balanced", {"weights": [1, 0, 2], "smoothing": 0.0})(COUNTS)
    plain = F.cross_entropy(logits[:, :3], target, reduction="none")
    assert torch.allclose(loss(logits[:, :3], target), plain * torch.tensor([1.0, 0.0, 2.0])[target])
    with pytest.raises(ValueError, match="2 weights; expected 3"):
        LOSSES.build("class_balanced", {"weights": [1, 2]})(COUNTS)


def test_center_adds_the_distance_to_the_own_centre() -> None:
    features, target = some()
    head = LOSSES.module("center").head(torch.nn.Linear(6, 3), rate=10.0)
    with torch.no_grad():
        head.centres.copy_(torch.arange(18.0).reshape(3, 6) / 50)
    loss = LOSSES.build("center", {"weight": 0.5, "smoothing": 0.0})
    wanted = F.cross_entropy(head.linear(features), target, reduction="none")
    wanted = wanted + 0.25 * ((features - 10 * head.centres[target]) ** 2).sum(dim=1)
    assert torch.allclose(loss(head.train()(features), target), wanted, atol=1e-4)
    assert torch.equal(head.eval()(features), head.linear(features))


def test_arcface_turns_the_own_angle() -> None:
    features, target = some()
    head = LOSSES.module("arcface").head(torch.nn.Linear(6, 3), scale=30.0)
    output = head.train()(features)
    cosines = F.cosine_similarity(features[:, None], head.weight[None], dim=2)
    assert torch.allclose(output, 30 * cosines, atol=1e-4)
    assert torch.allclose(head.eval()(features), output, atol=1e-5)
    angles = cosines.clamp(-1 + 1e-6, 1 - 1e-6).acos()
    own = angles.gather(1, target[:, None])
    last = math.pi - 0.5
    moved = torch.where(own < last, (own + 0.5).cos(), own.cos() - 0.5 * math.sin(last))
    wanted = F.cross_entropy((30 * cosines).scatter(1, target[:, None], 30 * moved), target, reduction="none")
    assert torch.allclose(LOSSES.build("arcface", {})(output, target), wanted, atol=1e-3)
    soft = LOSSES.build("arcface", {"margin": 0.0})(output, target)
    assert torch.allclose(soft, F.cross_entropy(output, target, reduction="none"), atol=1e-3)


def semi_hard(points: torch.Tensor, target: torch.Tensor, margin: float) -> list[float]:
    """Schroff et al., §3.2, written out."""
    found = []
    for anchor in range(len(points)):
        apart = [float(((points[anchor] - other) ** 2).sum()) for other in points]
        positives = [i for i in range(len(points)) if i != anchor and target[i] == target[anchor]]
        negatives = [i for i in range(len(points)) if target[i] != target[anchor]]
        losses = []
        for positive in positives if negatives else ():
            farther = [apart[i] for i in negatives if apart[i] > apart[positive]]
            negative = min(farther) if farther else max(apart[i] for i in negatives)
            losses.append(max(0.0, apart[positive] - negative + margin))
        found.append(sum(losses) / len(losses) if losses else 0.0)
    return found


@pytest.mark.parametrize("classes", [1, 3, 12])
def test_triplets_are_mined_semi_hard(classes: int) -> None:
    features, target = some()
    points = F.normalize(features)
    target = target if classes == 3 else torch.arange(12) % classes
    assert mined(points, target, 0.2).tolist() == pytest.approx(semi_hard(points, target, 0.2), abs=1e-5)


@pytest.mark.parametrize("name", ["supcon", "multi_similarity"])
def test_a_batch_without_pairs_leaves_cross_entropy(name: str) -> None:
    pytest.importorskip("pytorch_metric_learning")
    features, _ = some(n=3)
    output, target = torch.cat([features[:, :3], features], dim=1), torch.arange(3)
    each = LOSSES.build(name, {"smoothing": 0.0})((1, 1, 1))(output, target)
    assert each.shape == (3,)
    if name == "supcon":
        assert torch.allclose(each, F.cross_entropy(features[:, :3], target, reduction="none"))


# In the head stage, the last stages and all layers.
@pytest.mark.parametrize("step", [3, 11, 22])
@pytest.mark.parametrize("loss", ["center", "arcface", "triplet"])
def test_stopped_and_resumed(loss: str, step: int, trained, weights_of, differ, signals) -> None:
    whole = trained(recipe(loss), f"whole-{loss}")
    assert not trained(recipe(loss), stop_at=step).done
    part = trained(recipe(loss))
    assert differ(weights_of(part), weights_of(whole)) == []
    assert signals(part) == signals(whole)


def test_centres_are_learnt_stored_and_averaged(trained, weights_of) -> None:
    run = trained(recipe("center", {"train.ema": 0.0}, weight=0.5, rate=100.0))
    name = next(key for key in weights_of(run) if key.endswith("centres"))
    assert weights_of(run)[name].abs().max() > 0


@pytest.mark.parametrize("loss", OWN_HEAD)
def test_a_trained_run_loads_and_exports(loss: str, trained, tmp_path: Path) -> None:
    if loss in ("supcon", "multi_similarity"):
        pytest.importorskip("pytorch_metric_learning")
    catalog, pixels = tiny.material()
    run = trained(recipe(loss, {"stages": tiny.ALL, "train.batch": 15}), material=(catalog, pixels))
    loaded = load(run)
    rows = loaded.predict(run.catalog.of("val"), pixels)
    assert np.abs(rows.probabilities - run.predictions("val").probabilities).max() < 1e-6
    assert np.abs(rows.probabilities - 1 / 3).max() > 0.001, "nothing was learnt"
    if loss != "arcface":
        return
    given = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    path = to_onnx(loaded.model, size=tiny.SIDE, classes=tiny.CLASSES, path=tmp_path / "模型 m.onnx", about={}, **given)
    images = loaded.images(run.catalog.of("val"), pixels)
    assert parity(Deployed(loaded.model, **given), path, images)["max_abs"] < 1e-4


def test_heads_with_losses_of_their_own_train_together(trained, cache: Path) -> None:
    stages = [{"name": "head", "unfreeze": "head", "epochs": 3, "lr_scale": 5.0}]
    patch = {"stages": stages, "optim.lr": 3e-2, "metric": "log_loss"}
    losses: tuple[tuple[str, dict[str, Any]], ...] = (
        ("cross_entropy", {}), ("center", {"weight": 0.1}), ("arcface", {}), ("arcface", {"margin": 0.1}),
        ("triplet", {}), ("triplet", {"margin": 0.5}), ("class_balanced", {"beta": 0.9}),
    )  # fmt: skip
    recipes = [recipe(name, patch, **settings) for name, settings in losses]
    recipes.append(recipe("class_balanced", {**patch, "data.drop": ["s003", "s006"]}, beta=0.9))
    found = train_heads(recipes, *tiny.material(), setting=Setting(), cache=cache)
    for number, one in enumerate(recipes):
        alone = trained(one, f"alone{number}").predictions("val")
        assert np.abs(found[one.id, 0].probabilities - alone.probabilities).max() < 1e-4, one.loss


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"loss": {"name": "triplet"}, "augment.mixup": 0.4}, "part 'triplet' cannot be used with augment.mixup = 0.4: a trip"),
        ({"loss": {"name": "arcface"}, "augment.cutmix": 1.0}, "the margin belongs to one class.*set augment.cutmix=0"),
        ({"loss": {"name": "center"}, "augment.mixup": 0.1}, "no class whose centre"),
        ({"loss": {"name": "class_balanced"}, "train.sampling": "balanced"}, "over-correct; set train.sampling=uniform"),
        ({"loss": {"name": "archface"}}, "no losses part is named 'archface'; did you mean 'arcface'"),
        ({"loss": {"name": "arcface", "settings": {"margn": 1.0}}}, "no setting 'margn'; did you mean 'margin'"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_with_the_reason(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(SnellenError, match=words):
        Recipe().change(patch).resolve()


def test_a_classifier_that_is_not_linear_is_refused(trained, tmp_path: Path) -> None:
    from test_heads import MODEL

    from snellen.shelf import using

    (tmp_path / "parts" / "models").mkdir(parents=True)
    (tmp_path / "parts" / "models" / "small.py").write_text(MODEL)
    with using(tmp_path / "parts"), pytest.raises(SnellenError, match="no single linear layer \\(Sequential\\)"):
        trained(recipe("arcface", {"model.name": "small"}))


@pytest.mark.parametrize("gamma", [0.5, 4 / 3, 2.0])
@pytest.mark.parametrize("name", ["focal", "class_balanced", "tversky", "dice_focal"])
def test_a_perfect_answer_has_a_slope(name: str, gamma: float) -> None:
    """A power below one of exactly nothing has none."""
    pixels = name in ("tversky", "dice_focal")
    output = torch.tensor([[40.0, -40.0], [-40.0, 40.0]])
    output = (output[:, :, None, None].expand(2, 2, 4, 4) if pixels else output).clone().requires_grad_()
    target = torch.tensor([0, 1])[:, None, None].expand(2, 4, 4) if pixels else torch.tensor([0, 1])
    plain = {"smoothing": 0.0} if "smoothing" in LOSSES.settings(name) else {}
    made = LOSSES.build(name, {"gamma": gamma, **plain})
    loss = made((5, 5)) if LOSSES.constant(name, "NEEDS") == ("counts",) else made
    value = loss(output, target)
    value.sum().backward()
    assert output.grad is not None
    assert bool(torch.isfinite(output.grad).all())
    assert float(value.detach().abs().max()) < 0.05
