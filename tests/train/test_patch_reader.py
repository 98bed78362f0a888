"""Patches made worse on the fly: by seed, epoch and sample alone; fixed at evaluation; of any image; learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.opening import with_defaults
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import TASKS
from snellen.ship.loaded import load
from snellen.tasks._patches import DRAWS, patches, whole_multiple
from snellen.train.augment import Augmenter
from snellen.train.job import samples_of
from snellen.train.loop import Interrupted, train
from snellen.train.machine import Setting
from snellen.values import SnellenError

NETWORKS: dict[str, dict[str, Any]] = {
    "super_resolution": {"model.settings": {"channels": 8, "blocks": 4}},
    "denoising": {
        "model.settings": {"channels": 8, "levels": 1, "blocks": 1},
        "degrade.baseline": {"name": "median", "settings": {"strength": 3}},
    },
}
tasks = pytest.mark.parametrize("task", NETWORKS)


def recipe_of(task: str, **changes: Any) -> Recipe:
    plain = with_defaults(Recipe().change({"task": task}), {})
    small = {
        "data.size": 16,
        "data.eval_size": 32,
        "train.batch": 2,
        "train.layout": "contiguous",
        "degrade.patches": 4,
    }
    return plain.change({**small, **NETWORKS[task], **changes}).resolve()


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, Pixels]:
    """Ten images of waves and edges, of two shapes, one smaller than any patch."""
    folder, chance = tmp_path_factory.mktemp("waves"), np.random.default_rng(0)
    for place in range(10):
        height, width = [(48, 64), (72, 50)][place % 2] if place else (11, 13)
        y, x = np.mgrid[:height, :width] / 6
        waves = [
            np.sin(x * chance.uniform(0.3, 1) + y * chance.uniform(0.3, 1) + chance.uniform(0, 6)) for _ in range(3)
        ]
        edge = 60 * (x + y > chance.uniform(4, 9))
        pixels = (
            np.stack([110 + 40 * np.tanh(8 * wave) + edge for wave in waves], axis=-1).clip(0, 255).astype(np.uint8)
        )
        path = folder / ("train" if place < 6 else "val") / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    cache = tmp_path_factory.mktemp("cache")
    return open_pixels(read([folder], task="images"), size=32, cache=cache)


def truth_of(recipe: Recipe, material: tuple[Catalog, Pixels], split: str = "train") -> Any:
    catalog, pixels = material
    task = TASKS.pick(recipe.task)()
    return samples_of(task, recipe, [catalog.usable().of(split)], (), pixels, None)[0]


def augmenter(size: int = 16) -> Augmenter:
    return Augmenter((), size, (0.0,) * 3, (1.0,) * 3)


@tasks
def test_a_sample_does_not_depend_on_its_neighbours(task: str, material: tuple[Catalog, Pixels]) -> None:
    samples = truth_of(recipe_of(task), material)

    def drawn(chosen: list[int], **key: int) -> tuple[torch.Tensor, torch.Tensor]:
        found: tuple[torch.Tensor, torch.Tensor] = samples.truth.batch(samples, np.asarray(chosen), augmenter(), **key)
        return found

    given, wanted = drawn([0, 3, 5], seed=1, epoch=2)
    scale = wanted.shape[-1] // given.shape[-1]
    assert given.shape == (12, 3, 16, 16)
    assert wanted.shape == (12, 3, 16 * scale, 16 * scale)
    alone = drawn([3], seed=1, epoch=2)
    assert torch.allclose(alone[0], given[4:8], atol=1 / 254)
    assert torch.equal(alone[1], wanted[4:8])
    assert torch.equal(drawn([0, 3, 5], seed=1, epoch=2)[0], given)
    for other in ({"seed": 2, "epoch": 2}, {"seed": 1, "epoch": 3}):
        assert not torch.equal(drawn([0, 3, 5], **other)[1], wanted)


@tasks
def test_evaluation_asks_every_recipe_the_same(task: str, material: tuple[Catalog, Pixels]) -> None:
    asked = []
    for changes in ({"seed": 0}, {"seed": 5, "data.size": 24, "optim.lr": 1e-3}):
        samples = truth_of(recipe_of(task, **changes), material, "val")
        given = list(samples.plain(32, (0.0,) * 3, (1.0,) * 3))
        asked.append((given, [samples.truth.wanted(np.asarray([i]), 32) for i in range(len(samples))]))
    assert len(asked[0][0]) == 4
    for part in (0, 1):
        assert all(torch.equal(a, b) for a, b in zip(asked[0][part], asked[1][part], strict=True))
    part = samples.take(np.asarray([2]))
    assert torch.equal(next(iter(part.plain(32, (), ()))), asked[0][0][2])


def test_patches_are_cut_and_turned() -> None:
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    u = np.zeros((8, DRAWS), dtype=np.float32)
    u[:, 2] = np.arange(8) / 8
    found = (patches([image] * 8, u, side=10) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    corner = image[:10, :10]
    assert np.array_equal(found[0], corner)
    wanted = {np.rot90(side, turns).tobytes() for side in (corner, corner[:, ::-1]) for turns in range(4)}
    assert {patch.tobytes() for patch in found} == wanted
    last = patches([image], np.asarray([[0.999, 0.999, 0.0]]), side=10)[0] * 255
    assert np.array_equal(last.round().byte().permute(1, 2, 0).numpy(), image[10:, 20:])
    assert patches([image[:1, :1]], u[:1], side=10).shape == (1, 3, 10, 10)


@pytest.mark.parametrize(("shape", "found"), [((9, 8), (8, 8)), ((4, 4), (4, 4)), ((1, 1), (4, 4)), ((3, 9), (4, 12))])
def test_sides_become_multiples(shape: tuple[int, int], found: tuple[int, int]) -> None:
    assert whole_multiple(np.zeros((*shape, 3), dtype=np.uint8), 4).shape[:2] == found


def test_a_huge_image_is_asked_about_by_its_middle(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8000, 3), dtype=np.uint8)
    for place, split in enumerate(("train", "val")):
        (tmp_path / "images" / split).mkdir(parents=True)
        Image.fromarray(pixels + place).save(tmp_path / "images" / split / "a.png")
    material = open_pixels(read([tmp_path / "images"], task="images"), size=16, cache=tmp_path / "cache")
    samples = truth_of(recipe_of("super_resolution"), material, "val")
    given, wanted = samples.truth.asked(0)
    assert wanted.shape == (1, 2, 3, 12, 1024)
    assert given.shape == (1, 3, 6, 512)
    assert np.array_equal((wanted[0, 0] * 255).round().byte().permute(1, 2, 0).numpy(), (pixels + 1)[:, 3488:4512])


@tasks
def test_it_learns_and_its_rows_say_so(task: str, material: tuple[Catalog, Pixels], tmp_path: Path) -> None:
    catalog, pixels = material
    stages = [{"name": "all", "unfreeze": "all", "epochs": 12, "warmup": 1.0}]
    recipe = recipe_of(
        task,
        **{
            "stages": stages,
            "optim.lr": 5e-3,
            "optim.weight_decay": 0.0,
            "train.ema": 0.8,
            "train.batch": 1,
            "degrade.patches": 8,
        },
    )
    run = train(recipe, catalog, pixels, tmp_path / "run", setting=Setting(), cache=tmp_path / "cache")
    records = run.signals("restored")
    assert len(records) == 12
    # Enlarging begins as the simple method; denoising as the noisy image, far below it.
    assert records[-1]["gain"] > (0 if task == "super_resolution" else records[0]["gain"] + 1)
    rows = run.predictions("val")
    assert rows.task == task
    assert (rows["psnr"] - rows["baseline_psnr"]).mean() == pytest.approx(run.cost["score"], abs=1e-5)
    assert np.allclose(rows["share"], np.exp(-rows["loss"]))
    again = train(recipe, catalog, pixels, tmp_path / "again", setting=Setting(), cache=tmp_path / "cache")
    assert np.array_equal(again.predictions("val")["psnr"], rows["psnr"])
    assert isinstance(again, Run)


@tasks
def test_a_critic_is_trained_and_resumed(
    task: str, material: tuple[Catalog, Pixels], tmp_path: Path, weights_of: Any, differ: Any
) -> None:
    catalog, pixels = material
    recipe = recipe_of(
        task,
        loss={"name": "adversarial", "settings": {"width": 4, "features": 0.0}},
        stages=[{"name": "all", "unfreeze": "all", "epochs": 3, "warmup": 0.0}],
    )
    places = {"setting": Setting(), "cache": tmp_path / "cache"}
    whole = train(recipe, catalog, pixels, tmp_path / "whole", **places)
    learnt = {name: value for name, value in weights_of(whole).items() if name.startswith("critic.")}
    assert len(learnt) == 8
    assert learnt["critic.6.weight"].abs().sum() > 0
    steps = iter(range(100))
    with pytest.raises(Interrupted):
        train(recipe, catalog, pixels, tmp_path / "part", stop=lambda: next(steps) == 4, **places)
    part = train(recipe, catalog, pixels, tmp_path / "part", **places)
    assert differ(weights_of(part), weights_of(whole)) == []
    assert differ(load(whole).model.state_dict(), weights_of(whole)) == []


def test_a_network_that_cannot_do_it_is_refused() -> None:
    with pytest.raises(SnellenError, match="there are: edsr, residual_unet"):
        TASKS.pick("denoising")().model(recipe_of("denoising").change({"model.name": "resnet18"}), ())
    changed = recipe_of("super_resolution").change({"model.name": "residual_unet", "model.settings": {}})
    with pytest.raises(SnellenError, match="does not enlarge 2 times"):
        TASKS.pick("super_resolution")().model(changed, ())
