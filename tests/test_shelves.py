"""Every law on every part: a new part is under test by lying on its shelf."""

from __future__ import annotations

import pytest

from snellen import testing
from snellen.shelf import (
    AUGMENTS,
    CATALOG_RULES,
    LOSSES,
    OPTIMIZERS,
    REMEDIES,
    RUN_RULES,
    SCHEDULES,
    SHELVES,
    TASKS,
    Shelf,
)
from snellen.values import Finding


@pytest.mark.parametrize("name", LOSSES.names())
def test_loss(name: str) -> None:
    testing.check_loss(name)


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_schedule(name: str) -> None:
    testing.check_schedule(name)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_optimizer(name: str) -> None:
    testing.check_optimizer(name)


@pytest.mark.parametrize("name", AUGMENTS.names())
def test_augment(name: str) -> None:
    testing.check_augment(name)


@pytest.mark.parametrize("name", TASKS.names())
def test_task(name: str) -> None:
    testing.check_task(name)


@pytest.mark.parametrize("name", RUN_RULES.names())
def test_run_rule(name: str) -> None:
    testing.check_rule(RUN_RULES, name)


@pytest.mark.parametrize("name", CATALOG_RULES.names())
def test_catalog_rule(name: str) -> None:
    testing.check_rule(CATALOG_RULES, name)


@pytest.mark.parametrize("name", REMEDIES.names())
def test_remedy(name: str) -> None:
    testing.check_remedy(name)


@pytest.mark.parametrize("shelf", SHELVES, ids=lambda shelf: shelf.name)
def test_every_part_is_what_its_file_is_named(shelf: Shelf) -> None:
    assert shelf.names(), f"the shelf {shelf.name} is empty"
    for name in shelf.names():
        assert callable(shelf.pick(name))
        assert isinstance(shelf.settings(name), dict)


def test_no_name_means_two_things() -> None:
    # Findings are looked up by rule name alone.
    assert not set(RUN_RULES.names()) & set(CATALOG_RULES.names())


def test_every_warning_of_a_rule_has_an_answer_where_one_is_promised() -> None:
    cured = {rule for name in REMEDIES.names() for rule in REMEDIES.module(name).CURES}
    promised = {"overfitting", "weak_class", "weak_condition", "rate_too_high", "gradient_unstable", "nonfinite"}
    assert promised | {"underfitting", "plateau", "leakage", "exact_duplicates", "near_duplicates"} <= cured


def test_overfitting_is_answered_in_the_stated_order() -> None:
    names = sorted(("mixup", "smaller_batch", "dropout", "augment"), key=lambda name: REMEDIES.module(name).ORDER)
    assert names == ["augment", "dropout", "smaller_batch", "mixup"]


@pytest.mark.parametrize("module", [REMEDIES.module(name) for name in REMEDIES.names()], ids=lambda m: m.__name__)
def test_order_follows_the_kind_of_change(module) -> None:
    # Data 0-99, the model's structure 100-199, training 200-299.
    name = module.__name__.rsplit(".", 1)[-1]
    shelf_order = {
        "model.": range(100, 200),
        "data.": range(100),
        "augment.parts": range(100),
        "optim.": range(200, 300),
    }
    for rule in module.CURES:
        finding = Finding(rule=rule, severity="warn", message="1", samples=("s0",), evidence=_evidence())
        remedy = REMEDIES.pick(name)(finding, _recipe().change(getattr(module, "APPLIES", {})))
        # A remedy that changes several sections at once belongs to none of them.
        alone = remedy is not None and len({key.split(".")[0] for key in remedy.patch}) == 1
        for key in remedy.patch if remedy is not None and alone else ():
            for prefix, orders in shelf_order.items():
                assert not key.startswith(prefix) or module.ORDER in orders, f"{name} ({module.ORDER}) changes {key}"


def _evidence() -> dict[str, object]:
    return {"class": "a", "condition": "brightness", "direction": "low", "kind": "low_rate"}


def _recipe():
    from snellen.recipe import Recipe

    return Recipe()
