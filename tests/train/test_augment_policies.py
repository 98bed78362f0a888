"""Policies: the published tables and chances, one sample's operations in their order, nothing shared between samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import LEVEL, applied, drawn, eight_bit, golden, made
from torch import Tensor
from torchvision import transforms
from torchvision.transforms.v2 import functional as V

from snellen.parts.augments import _policy
from snellen.parts.augments.autoaugment import POLICY, autoaugment
from snellen.parts.augments.randaugment import randaugment
from snellen.parts.augments.trivialaugment import trivialaugment
from snellen.recipe import Recipe
from snellen.shelf import AUGMENTS
from snellen.train.augment import augmenter, recoloured
from snellen.train.draws import keys

POLICIES = [name for name in AUGMENTS.names() if AUGMENTS.module(name).KIND == "policy"]
TORCHVISION = {"Color": "saturation"}


def words(name: str) -> str:
    """ShearX → shear_x."""
    found = "".join(f"_{sign.lower()}" if sign in "XY" else sign for sign in name)
    return TORCHVISION.get(name, found.lower())


def test_there_are_three() -> None:
    assert POLICIES == ["autoaugment", "randaugment", "trivialaugment"]


def test_autoaugment_has_the_published_policy() -> None:
    published = [
        tuple((words(name), chance, magnitude or 0) for name, chance, magnitude in pair)
        for pair in transforms.AutoAugment().policies
    ]
    assert list(POLICY) == published


@pytest.mark.parametrize(("name", "bins"), [("RandAugment", 31), ("TrivialAugmentWide", 31), ("AutoAugment", 10)])
def test_strengths_are_torchvisions(name: str, bins: int) -> None:
    side = 224
    about = getattr(transforms, name)()
    space = (
        about._augmentation_space(bins)
        if bins == 31 and "Wide" in name
        else about._augmentation_space(bins, (side, side))
    )
    mine = {"TrivialAugmentWide": _policy.WIDE}.get(name, _policy.STANDARD)
    for operation, (magnitudes, signed) in space.items():
        if operation == "Invert":
            continue
        assert (words(operation) in _policy.SIGNED) == signed
        top = float(magnitudes[-1]) if magnitudes.ndim else 0.0
        expected = {"Posterize": 8 - top, "Solarize": 1 - top / 255}.get(operation, top)
        scale = side if operation.startswith("Translate") else 1
        assert mine[words(operation)] * scale == pytest.approx(expected)
        if operation == "Posterize":
            levels = torch.arange(bins) / (bins - 1)
            assert torch.equal((8 - mine["posterize"] * levels).round(), magnitudes.float())
    assert {words(operation) for operation in space} - {"invert"} <= set(mine)


@pytest.mark.parametrize("name", POLICIES)
def test_rows_are_ascending_and_within_the_batch(name: str) -> None:
    u = torch.rand(40, AUGMENTS.module(name).DRAWS, generator=torch.Generator().manual_seed(0))
    changes = AUGMENTS.build(name, {})(u)
    assert changes.geometry.shape == (40, 3, 3)
    assert changes.colour.shape == (40, 3, 4)
    assert changes.pixels
    for rows, _ in changes.pixels:
        assert (rows.diff() > 0).all()
        assert int(rows.min()) >= 0
        assert int(rows.max()) < 40


def test_every_operation_is_drawn_equally_often() -> None:
    n = 28_000
    u = torch.rand(n, 16, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(_policy.pick(u[:, 0], 14), minlength=14)
    # Five standard deviations of a count.
    assert (counts - n / 14).abs().max() < 5 * (n / 14) ** 0.5
    assert _policy.pick(torch.tensor([1 - 2.0**-24]), 14).item() == 13
    amount = _policy.amounts(_policy.STANDARD, torch.full((n,), 5), torch.ones(n), u[:, 1])
    assert set(amount.tolist()) == {-30.0, 30.0}
    assert abs(float(amount.mean())) < 5 * 30 / n**0.5


def test_trivialaugment_draws_all_strengths_of_one_operation() -> None:
    u = torch.rand(5_000, 3, generator=torch.Generator().manual_seed(0))
    geometry = trivialaugment(among=("shear_x",))(u).geometry[:, 0, 1]
    found = geometry.unique()
    assert len(found) == 61  # 31 strengths, two directions, and 0 has none
    assert torch.allclose(found.diff(), torch.full((60,), 0.99 / 30), atol=1e-6)


def test_autoaugment_keeps_the_published_chances() -> None:
    n = 30_000
    changes = autoaugment()(torch.rand(n, 5, generator=torch.Generator().manual_seed(0)))
    turned = (changes.geometry != torch.eye(3)).flatten(1).any(dim=1).float().mean()
    chance = sum(1 - np.prod([1 - c for name, c, _ in pair if name in _policy.GEOMETRY]) for pair in POLICY) / len(
        POLICY
    )
    assert abs(float(turned) - chance) < 5 * (0.25 / n) ** 0.5


def test_autoaugments_sure_operations_always_happen_and_the_others_by_chance() -> None:
    which = (torch.arange(25) + 0.5) / 25
    for u, wanted in ((0.9999, lambda chance: chance == 1.0), (0.0, lambda chance: chance > 0.0)):
        drawn_ = torch.stack([which, *(torch.full((25,), value) for value in (u, u, 0.9, 0.9))], dim=1)
        changes = autoaugment()(drawn_)
        found = torch.bincount(torch.cat([rows for rows, _ in changes.pixels]), minlength=25)
        # A first colour is a matrix, a second one is an operation in its place.
        first, second = _policy.PIXELS, {*_policy.PIXELS, *_policy.COLOUR}
        assert found.tolist() == [
            int(wanted(a[1]) and a[0] in first) + int(wanted(b[1]) and b[0] in second) for a, b in POLICY
        ]


def test_operations_happen_in_the_order_drawn() -> None:
    """Equalising and brightening do not commute: both orders, in one batch, as torchvision's one after the other."""
    names = ("equalize", "brightness")
    amount = torch.tensor([0.5, 0.5])
    changes = _policy.together(names, [(torch.tensor([0, 1]), amount), (torch.tensor([1, 0]), amount)])
    image = eight_bit(golden())
    expected = [V.adjust_brightness(V.equalize(image), 1.5), V.equalize(V.adjust_brightness(image, 1.5))]
    images = torch.stack([image, image]) / 255
    images = recoloured(images, changes.colour)
    for rows, operation in changes.pixels:
        images[rows] = operation(images[rows])
    for given, wanted in zip(images, expected, strict=True):
        # Cut and rounded differently before it is equalised, a value moves by a level's share of pixels.
        assert ((given - wanted / 255).abs() > 4 * LEVEL).float().mean() < 0.01
    assert (images[0] - images[1]).abs().max() > 0.1


def test_three_layers_are_torchvisions_one_after_the_other() -> None:
    among = ["brightness", "saturation", "contrast", "sharpness", "autocontrast"]
    part = {"name": "randaugment", "settings": {"ops": 3, "magnitude": 15, "among": among}}
    ids = [f"s{i}" for i in range(12)]
    given = applied(made(part), golden().repeat(12, axis=0), ids)
    for row, name in enumerate(ids):
        assert torch.allclose(given[row], by_hand(drawn(6, name), among), atol=2e-3)


def by_hand(draws: list[float], among: list[str]) -> Tensor:
    image = eight_bit(golden()) / 255
    for place in (0, 2, 4):
        name = among[int(draws[place] * len(among))]
        factor = 1 + 0.45 * (-1 if draws[place + 1] < 0.5 else 1)
        function = V.autocontrast if name == "autocontrast" else getattr(V, f"adjust_{name}")
        image = function(image) if name == "autocontrast" else function(image, factor)
    return image


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_joins_the_one_warp(name: str) -> None:
    """A crop before it: the warp of both is the product of both, and a sample without geometry keeps the crop alone."""
    parts = [{"name": "crop"}, {"name": name}]
    both, ids = made(*parts), [f"s{i}" for i in range(30)]
    one = made(parts[0])
    none = np.zeros(30, np.int64)
    crop = one.draw(none, seed=0, epoch=0, keys=keys(ids)).geometry
    two = both.draw(none, seed=0, epoch=0, keys=keys(ids))
    u = torch.tensor([drawn(4 + AUGMENTS.module(name).DRAWS, i)[4:] for i in ids], dtype=torch.float32)
    alone = AUGMENTS.build(name, {})(u)
    assert torch.allclose(two.geometry, crop @ alone.geometry, atol=1e-6)
    assert (two.geometry == crop).flatten(1).all(dim=1).any()


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_can_be_aimed(name: str) -> None:
    recipe = Recipe().change({"augment.aimed": [{"name": name, "classes": ["b"]}], "data.size": 96}).resolve()
    augment = augmenter(recipe, ("a", "b"), (0.0,) * 3, (1.0,) * 3)
    targets = np.arange(24) % 2
    ids = [f"s{i}" for i in range(24)]
    pixels = golden().repeat(24, axis=0)
    given = augment(pixels, targets, seed=0, epoch=0, keys=keys(ids))
    same = (given == eight_bit(golden()) / 255).flatten(1).all(dim=1).numpy()
    assert same[targets == 0].all()
    assert not same[targets == 1].all()
    everyone = applied(made({"name": name}), pixels, ids)
    assert torch.equal(given[targets == 1], everyone[targets == 1])


@pytest.mark.parametrize("settings", [{"ops": 0}, {"ops": 9}, {"magnitude": 31}, {"among": ["blurr"]}, {"among": []}])
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|there are"):
        randaugment(**settings)  # type: ignore[arg-type]
