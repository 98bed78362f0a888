"""Training on masks: they follow the images, and a stopped training goes on bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_masks
import torch
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.masks import measure_masks
from snellen.data.pixels import Pixels
from snellen.improve.pair import pair
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import DECODERS
from snellen.ship.loaded import load
from snellen.tasks.segmentation import segmentation
from snellen.train.augment import augmenter
from snellen.train.job import samples_of, usable_for
from snellen.train.readers.masks import aim
from snellen.values import FrozenMap, SnellenError


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("masks")


def same(run: Run, whole: Run, weights_of, differ, signals) -> None:
    assert differ(weights_of(run), weights_of(whole)) == []
    assert signals(run) == signals(whole)
    for split in ("val", "train"):
        one, other = run.predictions(split), whole.predictions(split)
        assert one.ids == other.ids
        assert all(np.array_equal(one[name], other[name]) for name in other.columns)


def test_stopped_and_resumed(masks: Path, trained: Callable[..., Run], weights_of, differ, signals) -> None:
    given = {"material": tiny_masks.material(masks)}
    whole = trained(tiny_masks.recipe(), "whole", **given)
    assert {item["stage"] for item in whole.signals("loss")} == {"head", "last", "all"}
    assert set(whole.signals("overlap")[-1]["values"]) == {"background", "square", "bar"}
    for step in (2, 3, 3):
        part = trained(tiny_masks.recipe(), "part", stop_at=step, material=tiny_masks.material(masks))
        assert not part.done
    same(trained(tiny_masks.recipe(), "part", material=tiny_masks.material(masks)), whole, weights_of, differ, signals)


def test_it_learns_and_arms_are_paired_by_image(masks: Path, trained: Callable[..., Run]) -> None:
    stage = {"name": "all", "unfreeze": "all", "epochs": 10, "schedule": {"name": "constant"}}
    longer = {"stages": [stage], "train.ema": 0.0, "augment.parts": [], "optim.lr": 2e-2, "optim.clip": None}
    short = {**longer, "stages": [{**stage, "epochs": 1}], "optim.lr": 1e-6}
    arms = [
        trained(tiny_masks.recipe(patch), name, material=tiny_masks.material(masks))
        for name, patch in (("a", short), ("b", longer))
    ]
    before, after = (arm.predictions("val") for arm in arms)
    task = segmentation()
    for metric in ("miou", "dice", "boundary_f", "image_iou", "log_loss"):
        effect = pair([before], [after], metric=metric, level=0.95)
        assert effect.effect == pytest.approx(task.score(after, metric) - task.score(before, metric), abs=1e-6)
        assert effect.samples == tiny_masks.VAL
    assert task.score(after, "miou") > task.score(before, "miou") + 0.1
    assert task.score(after, "miou") > task.guess(after, arms[1].catalog, "miou")
    # The loaded model says what the training stored, and another question is refused.
    catalog, pixels = tiny_masks.material(masks)
    again = load(arms[1]).predict(catalog.of("val"), pixels)
    assert np.allclose(again["loss"], after["loss"], atol=1e-5)
    other = load(arms[1]).predict(catalog.of("train"), pixels)
    with pytest.raises(SnellenError, match="pair by sample"):
        pair([before], [other], metric="miou", level=0.95)
    moved = after.take(np.arange(6))
    moved.columns["wanted"][0] += 1
    with pytest.raises(SnellenError, match="different questions"):
        pair([before], [moved], metric="miou", level=0.95)


def test_masks_follow_the_images(masks: Path) -> None:
    catalog, pixels = tiny_masks.material(masks)
    task, recipe = (
        segmentation(),
        tiny_masks.recipe({"augment.parts": [{"name": n} for n in ("flip", "crop", "rotate")]}),
    )
    classes = task.classes(catalog)
    samples = samples_of(task, recipe, [catalog], classes, pixels, None)[0]
    # Images that are their masks: what the warp does to one it does to the other.
    shown = np.repeat(np.array(samples.truth.array)[..., None] * 100, 3, axis=3).astype(np.uint8)
    pixels.array[:] = shown
    turned = augmenter(recipe, classes, (0.0,) * 3, (1.0,) * 3)
    images, targets = samples.truth.batch(samples, np.arange(len(samples)), turned, seed=0, epoch=3)
    known = targets != 255
    said = (images[:, 0] * 255 / 100).round().long()
    assert (said == targets)[known].float().mean() > 0.93  # Bilinear pixels lie between classes at borders.
    assert not torch.equal(targets[0], torch.from_numpy(np.array(samples.truth.array[0])))
    plain = samples.truth.wanted(np.arange(3), tiny_masks.SIDE)
    assert np.array_equal(plain.numpy(), samples.truth.array[:3])


def test_balanced_crops_hold_the_rarest_class(masks: Path) -> None:
    catalog, pixels = tiny_masks.material(masks)
    task = segmentation()
    parts = {"augment.parts": [{"name": "crop", "settings": {"low": 0.2}}]}
    found = {}
    for sampling in ("uniform", "balanced"):
        recipe = tiny_masks.recipe({**parts, "train.sampling": sampling})
        samples = samples_of(task, recipe, [catalog], task.classes(catalog), pixels, None)[0]
        chosen = np.flatnonzero(samples.targets == 2)
        assert len(chosen) == 6
        cut = augmenter(recipe, task.classes(catalog), (0.0,) * 3, (1.0,) * 3)
        targets = [samples.truth.batch(samples, chosen, cut, seed=0, epoch=epoch)[1] for epoch in range(6)]
        found[sampling] = float(np.mean([(target == 2).flatten(1).any(dim=1).float().mean() for target in targets]))
    assert found["balanced"] == 1.0
    assert found["uniform"] < 0.95


def test_aiming_leaves_whole_images_alone() -> None:
    geometry = torch.eye(3).repeat(2, 1, 1)
    mask = np.zeros((2, 8, 8), dtype=np.uint8)
    aim(geometry, mask, np.zeros(2, dtype=np.int64), np.asarray([0.5, 0.9]))
    assert torch.equal(geometry, torch.eye(3).repeat(2, 1, 1))


def _with_masks(folder: Path, masks: list[Image.Image], names: dict[str, str] | None, *, splits: str) -> Catalog:
    folder.mkdir(parents=True)
    rows = []
    for place, (mask, split) in enumerate(zip(masks, splits, strict=True)):
        mask.save(folder / f"{place}.png")
        rows.append(
            {"id": f"s{place}", "content": f"c{place}", "path": f"{place}.jpg", "root": str(folder), "mask": f"{place}.png"}
            | {"split": {"t": "train", "v": "val"}[split], "width": 16, "height": 16}
        )  # fmt: skip
    about = {"task": "segmentation", **({"classes": names} if names else {})}
    return measure_masks(Catalog.of_rows(rows).with_about(about))


def _mask(*ids: int, mode: str = "L", side: int = 16) -> Image.Image:
    values = np.zeros((side, side), dtype=np.uint16 if mode == "I;16" else np.uint8)
    for place, number in enumerate(ids):
        values[2 * place : 2 * place + 2, :8] = number
    made = Image.fromarray(values)
    if mode == "P":
        made.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10, 10, 10, 200])
    return made


def test_masks_of_all_kinds(tmp_path: Path) -> None:
    names = {"0": "background", "1": "cat", "2": "dog", "300": "cow"}
    kinds = [_mask(1), _mask(2, mode="P"), _mask(300, mode="I;16"), _mask(1, side=20), _mask(9), _mask(1)]
    catalog = _with_masks(tmp_path / "各种 masks", kinds, names, splits="tttttv")
    task = segmentation()
    assert task.fit(catalog).tolist() == [True, True, True, False, False, True]
    with pytest.raises(SnellenError, match=r"2 of 6 images cannot be used .*max_bad"):
        usable_for(tiny_masks.recipe(), catalog)
    usable = usable_for(tiny_masks.recipe({"data.max_bad": 0.5}), catalog)
    classes = task.classes(usable)
    assert classes == ("background", "cat", "dog", "cow")
    pixels = Pixels(np.zeros((6, 16, 16, 3), np.uint8), FrozenMap({f"c{i}": i for i in range(6)}))
    samples = samples_of(task, tiny_masks.recipe(), [usable], classes, pixels, tmp_path / "cache")[0]
    assert [sorted(np.unique(mask).tolist()) for mask in samples.truth.array] == [[0, 1], [0, 2], [0, 3], [0, 1]]
    assert samples.targets.tolist() == [1, 2, 3, 1]


def test_a_class_that_training_lacks_is_not_scored(tmp_path: Path) -> None:
    names = {"0": "background", "1": "cat", "2": "dog", "255": "ignore"}
    catalog = _with_masks(tmp_path / "m", [_mask(1), _mask(1, 255), _mask(1, 2)], names, splits="ttv")
    task = segmentation()
    classes = task.classes(catalog)
    assert classes == ("background", "cat")
    pixels = Pixels(np.zeros((3, 16, 16, 3), np.uint8), FrozenMap({f"c{i}": i for i in range(3)}))
    samples = samples_of(task, tiny_masks.recipe(), [catalog], classes, pixels, None)[0]
    assert [np.unique(mask).tolist() for mask in samples.truth.array] == [[0, 1], [0, 1, 255], [0, 1, 255]]


def test_one_class_is_no_segmentation(tmp_path: Path) -> None:
    catalog = _with_masks(tmp_path / "m", [_mask(0), _mask(0)], {"0": "background", "1": "cat"}, splits="tv")
    with pytest.raises(SnellenError, match="at least two classes in its masks"):
        segmentation().classes(catalog)


@pytest.mark.parametrize("name", DECODERS.names())
def test_a_decoder_trains_and_takes_any_size(name: str) -> None:
    recipe = tiny_masks.recipe({"model.decoder": {"name": name}, "model.dropout": 0.0})
    model = segmentation().model(recipe, ("a", "b", "c"))
    output = model(torch.rand(2, 3, 45, 50))
    assert output.shape == (2, 3, 45, 50)
    target = torch.randint(0, 3, (2, 45, 50))
    segmentation().loss(recipe)(output, target).sum().backward()
    assert all(parameter.grad is not None for parameter in list(model.get_classifier().parameters())[-2:])


def test_refusals(masks: Path) -> None:
    task = segmentation()
    with pytest.raises(SnellenError, match="a timm network and a decoder"):
        task.model(Recipe().change({"task": "segmentation"}), ("a", "b"))
    with pytest.raises(SnellenError, match=r"cannot be the encoder|not take"):
        task.model(tiny_masks.recipe({"model.name": "vit_tiny_patch16_224"}), ("a", "b"))
    with pytest.raises(SnellenError, match="did you mean 'miou'"):
        task.score(task.rows(["a"], np.zeros(1), task.predict(*_pair()), ("a", "b")), "miuo")


def _pair() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(1, 2, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long)
