"""Every optimiser of the shelf in the loop: stopped and resumed, together with others, at rates of its own by section."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm
import tiny
import torch

from snellen.recipe import Optim, Recipe
from snellen.shelf import OPTIMIZERS, using
from snellen.train import stages
from snellen.train.enter import enter
from snellen.train.heads import train_heads
from snellen.train.machine import Setting
from snellen.train.optimizer import optimizer_of
from snellen.values import SnellenError

RATES = {"sgd": 2e-2, "lars": 2e-2, "adagrad": 1e-2}
HEAD = [{"name": "head", "unfreeze": "head", "epochs": 3, "lr_scale": 5.0}]


def recipe(name: str, **patch: Any) -> Recipe:
    return tiny.recipe({"optim.name": name, "optim.lr": RATES.get(name, 2e-3), **patch})


def same(first: Any, second: Any, weights_of: Any, differ: Any, signals: Any) -> None:
    assert first.done
    assert second.done
    assert differ(weights_of(first), weights_of(second)) == []
    assert signals(first) == signals(second)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_stopped_and_resumed(name: str, trained, weights_of, differ, signals) -> None:
    """Five steps are no multiple of Lookahead's six, and lie in the middle of an epoch."""
    asked = recipe(name, stages=tiny.ALL)
    whole = trained(asked, "whole")
    assert not trained(asked, "part", stop_at=5).done
    same(trained(asked, "part"), whole, weights_of, differ, signals)


def test_a_plateau_is_resumed(trained, weights_of, differ, signals) -> None:
    """The rate falls after every epoch that is not better, and falls in the same places after a stop."""
    falling = {"name": "plateau", "settings": {"patience": 0, "threshold": 0.5}}
    asked = recipe("sgd", stages=[{"name": "all", "unfreeze": "all", "epochs": 5, "schedule": falling}])
    whole = trained(asked, "whole")
    assert [record["lr"] for record in whole.signals("rate")] == pytest.approx([0.02, 0.02, 0.01, 0.005, 0.0025])
    for step in (6, 11):
        trained(asked, f"part{step}", stop_at=step)
        same(trained(asked, f"part{step}"), whole, weights_of, differ, signals)


def test_scores_of_one_stage_do_not_reach_the_next(trained) -> None:
    falling = {"name": "plateau", "settings": {"patience": 0, "threshold": 0.5}}
    two = [{"name": name, "unfreeze": "all", "epochs": 3, "schedule": falling} for name in ("first", "second")]
    rates = [record["lr"] for record in trained(recipe("sgd", stages=two)).signals("rate")]
    assert rates == pytest.approx([0.02, 0.02, 0.01] * 2)


def test_heads_of_every_optimizer_together_are_those_alone(trained, cache) -> None:
    """With other batch sizes beside them, so that some arms rest while others step."""
    plateau = [{**HEAD[0], "schedule": {"name": "plateau", "settings": {"patience": 0}}}]
    patches: list[dict[str, Any]] = [{"stages": HEAD}, {"stages": HEAD, "train.batch": 5}, {"stages": plateau}]
    asked = [recipe(name, **patch, **{"augment.mixup": 0.0}) for name in OPTIMIZERS.names() for patch in patches]
    found = train_heads(asked, *tiny.material(), setting=Setting(), cache=cache)
    for number, one in enumerate(asked):
        alone = trained(one, f"alone{number}").predictions("val")
        together = found[one.id, one.seed]
        assert np.abs(together.probabilities - alone.probabilities).max() < 2e-4, one.optim.name


def test_culled_arms_train_no_further(cache) -> None:
    asked = [recipe("adamw", stages=HEAD, **{"optim.weight_decay": decay}) for decay in (0.0, 0.1, 0.2)]
    seen: list[tuple[int, list[str]]] = []

    def cull(epochs: int, standing: Any) -> list[Any]:
        seen.append((epochs, [key[0] for key in standing]))
        return [(asked[1].id, 0)] if epochs == 1 else []

    found = train_heads(asked, *tiny.material(), setting=Setting(), cache=cache, cull=cull)
    assert list(found) == [(one.id, one.seed) for one in asked]
    ids = [one.id for one in asked]
    assert seen == [(1, ids), (2, [ids[0], ids[2]]), (3, [ids[0], ids[2]])]
    whole = train_heads(asked[:1], *tiny.material(), setting=Setting(), cache=cache)
    assert np.allclose(whole[ids[0], 0].probabilities, found[ids[0], 0].probabilities, atol=1e-6)


def test_rates_by_section() -> None:
    model = timm.create_model("test_efficientnet", num_classes=3)
    optim = Optim(weight_decay=0.1, rates={"head": 10.0, "stage1": 0.1})
    groups = stages.groups(stages.freeze(model, "all"), optim, model=model)
    every = stages.sections(model)
    scale = {id(p): group["scale"] for group in groups for p in group["params"]}
    assert len(scale) == len(list(model.parameters()))
    assert {scale[id(p)] for p in every["head"]} == {10.0}
    assert {scale[id(p)] for p in every["stage1"]} == {0.1}
    assert {scale[id(p)] for p in every["stage3"]} == {1.0}


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "test_efficientnet"])
def test_layers_learn_more_slowly_the_deeper_they_lie(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=3)
    groups = stages.groups(stages.freeze(model, "all"), Optim(layer_decay=0.5), model=model)
    scale = {id(p): group["scale"] for group in groups for p in group["params"]}
    in_order = [min(scale[id(p)] for p in own) for own in stages.sections(model).values()]
    assert in_order == sorted(in_order)
    assert in_order[-1] == 1.0
    assert len(set(scale.values())) > 4, "sections only, not layers"
    # Only the top part trains: its layers keep their distances from the head.
    last = stages.groups(stages.freeze(model, "last"), Optim(layer_decay=0.5), model=model)
    assert all(scale[id(p)] == group["scale"] for group in last for p in group["params"])


def test_a_model_without_layers_of_its_own_has_its_sections() -> None:
    chosen = {"stage4": [torch.nn.Parameter(torch.ones(2, 2))], "head": [torch.nn.Parameter(torch.ones(2, 2))]}
    assert [group["scale"] for group in stages.groups(chosen, Optim(layer_decay=0.5))] == [0.5, 1.0]


def test_positions_do_not_decay() -> None:
    with torch.device("meta"):
        model = timm.create_model("vit_tiny_patch16_224", num_classes=3)
    groups = stages.groups(stages.freeze(model, "all"), Optim(weight_decay=0.1), model=model)
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert decays[id(model.pos_embed)] == decays[id(model.cls_token)] == 0.0
    assert decays[id(model.blocks[0].mlp.fc1.weight)] == 0.1


def test_the_loop_sets_every_groups_own_rate(job) -> None:
    work = job(tiny.recipe({"optim.rates.head": 10.0, "stages": tiny.ALL}))
    now = enter(work, 0)
    lr = now.set_rate(1e-3, 100)
    head = {id(p) for p in now.sections["head"]}
    for group in now.optimizer.param_groups:
        inside = {id(p) for p in group["params"]} <= head
        assert group["lr"] == pytest.approx(lr * (10.0 if inside else 1.0))


def test_lookahead_goes_around_any(tmp_path) -> None:
    (tmp_path / "optimizers").mkdir()
    (tmp_path / "optimizers" / "slow.py").write_text(
        '"""Mine."""\nimport torch\n\n\ndef slow(params, lr, weight_decay, *, share: float = 0.5):\n'
        "    return torch.optim.SGD(params, lr=lr * share)\n"
    )
    weights = torch.nn.Parameter(torch.ones(1))
    with using(tmp_path):
        for base in OPTIMIZERS.names():
            if base != "lookahead":
                settings = Recipe().change({"optim.name": "lookahead", "optim.settings.base": base}).resolve().optim
                assert type(optimizer_of(settings, [{"params": [weights]}], 1e-3)).__name__ == "Lookahead"


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"optim.settings.base": "adamm"}, "did you mean 'adam' or 'adamw'"),
        ({"optim.settings.base": "lookahead"}, "not around 'lookahead'"),
        ({"optim.settings.settings": {"betta1": 0.5}}, "'adamw' has no setting 'betta1'; did you mean 'beta1'"),
        ({"optim.rates.hed": 2.0}, "'stage1', 'stage2', 'stage3', 'stage4' or 'head'"),
        ({"optim.layer_decay": 0.0}, "greater than 0"),
        ({"stages.all.schedule": {"name": "one_cycle+plateau"}}, "a stage has one schedule.*waits for the metric"),
        ({"stages.all.schedule": {"name": "platau"}}, "did you mean 'plateau'"),
    ],
)
def test_what_cannot_be(patch: dict[str, Any], says: str) -> None:
    with pytest.raises(SnellenError, match=says):
        Recipe().change({"optim.name": "lookahead", **patch}).resolve()


def test_a_refused_setting_is_told() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))]}]
    with pytest.raises(
        SnellenError, match=r"optimizer lookahead refuses its settings \(k=0.*Invalid lookahead steps: 0"
    ):
        optimizer_of(Optim(name="lookahead", settings={"k": 0}), groups, 1e-3)
