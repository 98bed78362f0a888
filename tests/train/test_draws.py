"""What a sample draws depends on seed, epoch, sample and place, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from snellen.catalog import Catalog
from snellen.train.draws import keys, seed_of, uniforms
from snellen.train.enter import batches, view_features
from snellen.train.mix import mix

IDS = tuple(f"s{i}" for i in range(2000))


def test_uniforms_are_uniform() -> None:
    draws = uniforms(0, 0, keys(IDS), 5)
    assert draws.shape == (2000, 5)
    assert draws.dtype == np.float32
    assert draws.min() >= 0
    assert draws.max() < 1
    # 3 standard errors of a mean of 10 000, and of a bin of 1/16 of them.
    assert abs(draws.mean() - 0.5) < 3 * (1 / 12 / draws.size) ** 0.5
    counts = np.histogram(draws, bins=16, range=(0, 1))[0] / draws.size
    assert np.abs(counts - 1 / 16).max() < 4 * (1 / 16 * 15 / 16 / draws.size) ** 0.5


@pytest.mark.parametrize(
    ("first", "second"), [((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 1), (1, 0)), ((2**62, 0), (0, 0))]
)
def test_seeds_and_epochs_are_unrelated(first: tuple[int, int], second: tuple[int, int]) -> None:
    one, two = (uniforms(*at, keys(IDS), 1)[:, 0] for at in (first, second))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.1
    assert len(np.intersect1d(one, two)) < 20


def test_places_are_unrelated() -> None:
    table = np.corrcoef(uniforms(0, 0, keys(IDS), 6).T) - np.eye(6)
    assert np.abs(table).max() < 0.1


def test_a_draw_does_not_know_its_neighbours() -> None:
    whole = uniforms(3, 7, keys(IDS), 4)
    assert np.array_equal(uniforms(3, 7, keys(IDS[100:103]), 4), whole[100:103])
    assert np.array_equal(uniforms(3, 7, keys(IDS[::-1]), 4), whole[::-1])
    # More parts in the recipe leave the draws of those before as they are.
    assert np.array_equal(uniforms(3, 7, keys(IDS), 2), whole[:, :2])


def test_the_generator_is_the_same_on_every_machine() -> None:
    golden = uniforms(1, 2, keys(["a", "b"]), 2)
    assert keys(["a"])[0] == 0x40F89E395B66422F
    assert (
        golden.tolist() == uniforms(1, 2, np.asarray([0x40F89E395B66422F, keys(["b"])[0]], dtype=np.uint64), 2).tolist()
    )


def test_seed_of_tells_numbers_apart() -> None:
    seeds = [seed_of(*numbers) for numbers in ((0,), (0, 1), (1, 0), (0, 11), (0, 1, 1), (1, 1))]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_every_sample_once_in_an_order_of_its_own(job) -> None:
    work = job(tiny.recipe())
    plans = [np.concatenate(batches(work, stage, epoch)).tolist() for stage in (0, 1) for epoch in (0, 1)]
    assert all(sorted(plan) == list(range(tiny.TRAIN)) for plan in plans)
    assert len({tuple(plan) for plan in plans}) == 4
    assert [len(chosen) for chosen in batches(work, 0, 0)] == [8, 8, 8, 5]


def test_a_last_batch_of_one_joins_the_one_before(job) -> None:
    work = job(tiny.recipe(), material=tiny.material(train=25, val=5))
    assert [len(chosen) for chosen in batches(work, 0, 0)] == [8, 8, 9]


def test_dropped_samples_leave_the_order_of_the_others(job) -> None:
    drop = ["s003", "s010", "s011"]
    whole, part = job(tiny.recipe()), job(tiny.recipe({"data.drop": drop}), "part")
    order = [whole.training.ids[i] for i in np.concatenate(batches(whole, 2, 1))]
    rest = [part.training.ids[i] for i in np.concatenate(batches(part, 2, 1))]
    assert rest == [sample for sample in order if sample not in drop]
    assert part.validation.ids == whole.validation.ids


def test_dropped_samples_share_the_cached_features(job) -> None:
    whole, part = job(tiny.recipe()), job(tiny.recipe({"data.drop": ["s003"]}), "part")
    features = view_features(whole)
    assert features.shape[:2] == (2, tiny.TRAIN)
    kept = [place for place, sample in enumerate(whole.training.ids) if sample != "s003"]
    assert np.array_equal(view_features(part), features[:, kept])


def test_only_training_samples_are_dropped(job) -> None:
    work = job(tiny.recipe({"data.drop": ["s003", "s030"]}))
    assert "s003" not in work.training.ids
    assert "s030" in work.validation.ids


def uneven() -> tuple[Catalog, object]:
    """20 blue images, 8 green ones, 4 red ones."""
    catalog, pixels = tiny.material(train=32, val=6)
    targets = ["blue"] * 20 + ["green"] * 8 + ["red"] * 4 + list(tiny.CLASSES) * 2
    return catalog.with_columns({"target": targets}), pixels


def test_balanced_sampling_draws_each_class_equally_often(job) -> None:
    work = job(tiny.recipe({"train.sampling": "balanced"}), material=uneven())
    plans = [np.concatenate(batches(work, 0, epoch)) for epoch in range(200)]
    assert {len(plan) for plan in plans} == {32}
    counts = np.bincount(work.training.targets[np.concatenate(plans)]) / (200 * 32)
    # 4 standard errors.
    assert np.abs(counts - 1 / 3).max() < 4 * (2 / 9 / 6400) ** 0.5
    assert np.array_equal(plans[5], np.concatenate(batches(work, 0, 5)))
    assert not np.array_equal(plans[5], plans[6])


def test_uniform_sampling_keeps_the_shares(job) -> None:
    work = job(tiny.recipe(), material=uneven())
    assert np.bincount(work.training.targets[np.concatenate(batches(work, 0, 0))]).tolist() == [20, 8, 4]


@pytest.mark.parametrize(
    "augment", [{"augment.mixup": 0.4}, {"augment.cutmix": 1.0}, {"augment.mixup": 0.4, "augment.cutmix": 1.0}]
)
def test_mixes_keep_the_share_of_every_image(augment: dict[str, float]) -> None:
    """Each image is one number: what an image is made of can be read off, and must be what its target says."""
    recipe = tiny.recipe({"augment.mixup": 0.0, **augment})
    images = torch.arange(6.0)[:, None, None, None].expand(6, 3, 16, 16).contiguous()
    values = set()
    for seed in range(20):
        mixed, shares = mix(images, torch.arange(6), 6, recipe.augment, seed)
        assert torch.allclose(shares.sum(dim=1), torch.ones(6))
        assert torch.allclose(mixed.mean(dim=(1, 2, 3)), shares @ torch.arange(6.0), atol=1e-5)
        values.add(round(float(shares.max()), 4))
    assert len(values) > 5
    same, hard = mix(images, torch.arange(6), 6, tiny.recipe({"augment.mixup": 0.0}).augment, 0)
    assert same is images
    assert hard.tolist() == list(range(6))
