"""What is measured on the network itself: dead units, both modes of batch-norm, exchanged channels, the size of steps."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from snellen.catalog import MissingSignal
from snellen.examine import diagnose
from snellen.train import look as module
from snellen.train.look import exchanged, few, look
from snellen.train.observe import predict
from snellen.train.step import copied, moved

ALL = {"stages": tiny.ALL, "augment.mixup": 0.0}


def norms(model: torch.nn.Module) -> list[torch.nn.Module]:
    return [item for item in model.modules() if isinstance(item, torch.nn.modules.batchnorm._BatchNorm)]


def test_dead_units_are_counted_in_their_section(job) -> None:
    work = job(tiny.recipe(ALL))
    before = look(work, 16)
    assert before.n == 16
    assert set(before.units) == {"stage1", "stage2", "stage3", "stage4"}
    # A bias of -100 in front of the activation: nothing gets through, in half of the channels of the stem.
    norm = work.model.bn1
    with torch.no_grad():
        norm.bias[: len(norm.bias) // 2] = -100.0
    after = look(work, 16)
    assert after.units == before.units
    assert after.dead["stage1"] >= before.dead["stage1"] + len(norm.bias) // 2
    assert {name: after.dead[name] - before.dead[name] for name in ("stage4",)} == {"stage4": 0}


def test_statistics_that_do_not_fit_are_seen_and_nothing_is_changed(job) -> None:
    work = job(tiny.recipe(ALL))
    # A head that has learned something: one of zeros answers alike whatever it is given.
    torch.manual_seed(0)
    torch.nn.init.normal_(work.model.get_classifier().weight)
    for module_ in norms(work.model):
        module_.running_mean.fill_(3.0)
        module_.running_var.fill_(0.01)
    before = {key: value.clone() for key, value in work.model.state_dict().items()}
    seen = look(work, 16)
    assert seen.stored is not None
    assert seen.batch is not None
    assert abs(seen.stored - seen.batch) > 0.1
    assert all(torch.equal(value, before[key]) for key, value in work.model.state_dict().items())


def test_without_batch_norm_that_trains_there_is_one_mode_only(job) -> None:
    work = job(tiny.recipe(ALL))
    for parameter in work.model.parameters():
        parameter.requires_grad_(False)
    assert look(work, 8).batch is None


def test_only_what_is_affordable_is_looked_at(job) -> None:
    work = job(tiny.recipe(ALL))
    # 29 images: a stage of 45 epochs is long enough for no eight images, one of 46 is.
    assert few(work, 45) == 0
    assert few(work, 46) == 8
    assert few(work, 10_000) == 16


def test_a_long_stage_records_it_once_and_a_short_one_not(trained) -> None:
    stages = [{"name": "all", "unfreeze": "all", "epochs": 46}]
    run = trained(tiny.recipe({**ALL, "stages": stages}))
    (units,), (modes,) = run.signals("units"), run.signals("modes")
    assert (units["epoch"], units["n"], modes["n"]) == (46, 8, 8)
    assert all(0 <= share <= 1 for share in units["dead"].values())
    assert "dead_units" not in {finding.rule for finding in diagnose(run) if not finding.looked}
    with pytest.raises(MissingSignal):
        trained(tiny.recipe(ALL), "short").signals("units")


def test_validation_with_exchanged_channels(job, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tiny.recipe({**ALL, "stages": [{"name": "all", "unfreeze": "all", "epochs": 46}]}))
    assert exchanged(work) is None
    monkeypatch.setattr(module, "LEAST_EXCHANGED", 5)
    torch.manual_seed(0)
    torch.nn.init.normal_(work.model.get_classifier().weight)
    rows, plain = exchanged(work), predict(work, work.validation)
    assert rows is not None
    assert set(rows.ids) <= set(work.validation.ids)
    places = [plain.ids.index(sample) for sample in rows.ids]
    assert not np.allclose(plain.probabilities[places], rows.probabilities, atol=1e-3)


def test_the_size_of_a_step() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    nothing = torch.nn.Parameter(torch.zeros(2))
    sections = {"stage1": [weight], "head": [nothing]}
    before = copied(sections)
    with torch.no_grad():
        weight += torch.tensor([0.3, 0.4])
        nothing += 1.0
    assert moved(sections, before) == pytest.approx({"stage1": 0.1, "head": 0.0})


def test_steps_are_measured_and_stored_by_section(trained) -> None:
    run = trained(tiny.recipe())
    records = run.signals("update")
    assert records[0]["stage"] == "head"
    assert set(records[-1]["groups"]) == {"stage1", "stage2", "stage3", "stage4", "head"}
    assert all(value > 0 for name, value in records[-1]["groups"].items() if name != "head")
