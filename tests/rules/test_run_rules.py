"""What the run rules say, number by number, where the laws only ask whether they speak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snellen.catalog import Catalog
from snellen.rules import curves
from snellen.rules.conditions import looks
from snellen.shelf import RUN_RULES
from snellen.testing import catalog_of, findings_of, recorded


def loss(train: float, val: float, **more: Any) -> dict[str, Any]:
    return {"meter": "loss", "train": train, "val": val, **more}


def test_the_gap_is_the_median_of_the_last_three_epochs_of_the_last_stage() -> None:
    signals = [loss(0.1, 3.0), loss(0.2, 0.6), loss(0.2, 0.65), loss(0.2, 9.0)]
    (finding,) = findings_of(RUN_RULES, "overfitting", {"signals": signals})
    assert finding.evidence["gap"] == pytest.approx(0.45)
    assert (finding.evidence["grade"], finding.severity) == ("likely", "warn")
    (worse,) = findings_of(RUN_RULES, "overfitting", {"signals": [loss(0.2, 0.71)]})
    assert worse.evidence["severe"] is True
    assert "0.51 above" in worse.message
    assert "severe" in worse.message


def test_a_weak_class_names_its_wrong_images_most_sure_first() -> None:
    right, wrong = [0.0, 1.0, 0.0], [[0.6 + i / 20, 0.4 - i / 20, 0.0] for i in range(6)]
    case = {
        "signals": [{"meter": "recall", "values": {"a": 1.0, "b": 0.25, "c": 1.0}, "counts": dict.fromkeys("abc", 8)}],
        "predictions": {
            "val": {"classes": ["a", "b", "c"], "targets": [1] * 8, "probabilities": [*wrong, right, right]},
        },
    }
    (finding,) = findings_of(RUN_RULES, "weak_class", case)
    assert finding.samples == tuple(f"val{i}" for i in (5, 4, 3, 2, 1, 0))
    expected = {"class": "b", "recall": 0.25, "mean": 0.75, "n": 8, "train_count": 3}
    assert {key: finding.evidence[key] for key in expected} == expected


def test_a_condition_is_named_with_its_direction_and_samples() -> None:
    case = RUN_RULES.module("weak_condition").FIRES[0]
    (finding,) = findings_of(RUN_RULES, "weak_condition", case)
    assert (finding.evidence["condition"], finding.evidence["direction"]) == ("brightness", "low")
    assert finding.evidence["p"] < finding.evidence["p_corrected"] < 0.05
    assert len(finding.samples) == 12


def test_a_class_that_is_all_wrong_is_compared_with_its_training_images() -> None:
    n = 12
    dark, light = [0.1 + i / 100 for i in range(n)], [0.6 + i / 100 for i in range(n)]
    case = {
        "signals": [{"meter": "recall", "values": {"a": 1.0, "b": 0.0, "c": 1.0}, "counts": dict.fromkeys("abc", n)}],
        "catalog": {"target": ["b"] * n * 2, "split": ["val"] * n + ["train"] * n, "brightness": dark + light},
        "predictions": {
            "val": {"classes": ["a", "b", "c"], "targets": [1] * n, "probabilities": [[0.9, 0.1, 0.0]] * n}
        },
    }
    (finding,) = findings_of(RUN_RULES, "weak_condition", case)
    assert (finding.evidence["against"], finding.evidence["direction"]) == ("training", "low")


def test_conditions_that_are_noise_are_found_at_most_at_the_stated_rate() -> None:
    draws = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        values = {name: draws.random(24) for name in ("brightness", "contrast", "saturation", "sharpness")}
        values["meta_angle"] = draws.choice(["front", "side"], 24)
        catalog = catalog_of({"catalog": {name: list(column) for name, column in values.items()}})
        seen = looks(catalog.take(range(12)), catalog.take(range(12, 24)))
        found += seen[0].corrected < 0.05
    assert found <= 16  # 5 % of 200, and two standard errors.


def test_holm() -> None:
    assert curves.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert curves.holm([]) == []


def test_steps_are_counted_within_the_last_stage() -> None:
    records = [{"stage": "head", "step": 4}, {"stage": "head", "step": 8}, {"stage": "last", "step": 10}]
    assert curves.steps_of_last(records) == 2
    assert curves.steps_of_last(records[:2]) == 8
    (finding,) = findings_of(RUN_RULES, "too_few_steps", RUN_RULES.module("too_few_steps").FIRES[0])
    assert (finding.evidence["each"], finding.evidence["steps"], finding.evidence["batch"]) == (1.0, 3, 600)


def test_a_momentum_is_measured_by_the_steps_that_it_remembers() -> None:
    first, second = RUN_RULES.module("momentum_too_high").FIRES
    (finding,) = findings_of(RUN_RULES, "momentum_too_high", first)
    assert finding.evidence["memory"] == pytest.approx(1000)
    assert (finding.evidence["setting"], finding.evidence["steps"]) == ("momentum", 60)
    (finding,) = findings_of(RUN_RULES, "momentum_too_high", second)
    assert finding.evidence["setting"] == "beta1"


def test_a_rate_that_never_falls_names_the_section_that_still_moves() -> None:
    (finding,) = findings_of(RUN_RULES, "rate_never_falls", RUN_RULES.module("rate_never_falls").FIRES[0])
    assert (finding.evidence["section"], finding.evidence["share"]) == ("stage4", 1.0)
    assert "100% of its peak" in finding.message


def test_the_larger_of_both_sizes_counts() -> None:
    (finding,) = findings_of(RUN_RULES, "size_too_small", RUN_RULES.module("size_too_small").FIRES[1])
    assert (finding.evidence["shown"], finding.evidence["side"]) == (48, 200.0)


def test_a_focal_loss_is_named_with_its_focusing() -> None:
    case = RUN_RULES.module("over_regularised").FIRES[4]
    (finding,) = findings_of(RUN_RULES, "over_regularised", case)
    assert dict(finding.evidence["settings"]) == {"loss.settings.gamma": 12.0}


def test_a_severe_rate_is_one_at_guessing() -> None:
    case = {"signals": [loss(4.0, 4.0, running=4.0)], "recipe": {"optim.lr": 0.02}}
    (finding,) = findings_of(RUN_RULES, "rate_too_high", case)
    assert finding.evidence["severe"] is True
    assert finding.evidence["guessing"] == pytest.approx(np.log(2))
    assert finding.evidence["lr"] == 0.02


def test_a_stopped_run_is_blocked_with_its_batch() -> None:
    case = RUN_RULES.module("nonfinite").FIRES[0]
    (finding,) = findings_of(RUN_RULES, "nonfinite", case)
    assert (finding.severity, finding.samples, finding.evidence["step"]) == ("block", ("s1", "s2"), 41)


def test_recorded_fills_what_a_case_leaves_out(tmp_path: Path) -> None:
    run = recorded({"signals": [loss(1.0, 1.1), loss(0.9, 1.0)], "cost": {"stopped": ""}}, tmp_path / "run")
    assert [(item["stage"], item["epoch"], item["step"]) for item in run.signals("loss")] == [
        ("all", 1, 10),
        ("all", 2, 20),
    ]
    assert run.cost == {"seconds": 1.0, "epochs": 2, "stopped": ""}
    assert run.catalog.classes == ("a", "b")


def test_ids_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(RUN_RULES.module("memorised").FIRES[0], tmp_path / "run")
    copied: list[Catalog] = []
    copy = Catalog.ids.fget
    monkeypatch.setattr(Catalog, "ids", property(lambda catalog: copied.append(catalog) or copy(catalog)))
    (finding,) = RUN_RULES.pick("memorised")(run)
    assert len(finding.samples) == 12
    assert len(copied) == 1
