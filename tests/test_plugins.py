"""Adding a loss, a rule, a remedy and a schedule takes one new file each and no edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from snellen import testing
from snellen.recipe import Recipe
from snellen.shelf import LOSSES, REMEDIES, RUN_RULES, SCHEDULES, using
from snellen.values import SnellenError

LOSS = '''
"""PolyLoss: cross-entropy plus a multiple of what is missing from certainty (Leng et al. 2022)."""
import torch.nn.functional as F


def poly1(*, epsilon: float = 1.0):
    def loss(output, target):
        shares = F.one_hot(target, output.shape[1]).to(output.dtype) if target.ndim == 1 else target
        missing = 1 - (shares * output.softmax(dim=1)).sum(dim=1)
        return F.cross_entropy(output, target, reduction="none") + epsilon * missing

    return loss
'''

SCHEDULE = '''
"""The full rate, then a part of it."""


def half(*, factor: float = 0.5, at: float = 0.5):
    return lambda progress: 1.0 if progress < at else factor
'''

RULE = '''
"""What it does
Says how many epochs were recorded.

Why it matters
It shows where a rule goes.

Known problems
None.

Source
The test of plug-ins.
"""
from snellen.values import Finding

FIRES = ({"signals": [{"meter": "probe", "epochs": 3}]},)
SILENT = ({"signals": [{"meter": "probe", "epochs": 0}]},)


def always(run, *, least: int = 1):
    seen = run.signals("probe")[-1]["epochs"]
    if seen < least:
        return []
    return [Finding(rule="always", severity="info", message=f"{seen} epochs", evidence={"epochs": seen})]
'''

REMEDY = '''
"""Train with poly1."""
from snellen.values import Remedy

CURES = ("always",)
SOURCE = "The test of plug-ins."
SAFETY = "trade-off"
ORDER = 250
SCREENS = True


def mine(finding, recipe, *, epsilon: float = 2.0):
    if recipe.loss.name == "poly1":
        return None
    patch = {"loss": {"name": "poly1", "settings": {"epsilon": epsilon}}}
    reason = f"after {finding.evidence['epochs']} epochs"
    return Remedy(name="mine", finding=finding.rule, patch=patch, reason=reason, source=SOURCE, safety=SAFETY)
'''


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    for name, text in (
        ("losses/poly1", LOSS),
        ("schedules/half", SCHEDULE),
        ("rules/run/always", RULE),
        ("remedies/mine", REMEDY),
    ):
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    return folder


def test_parts_are_listed_only_while_their_folder_is_used(parts: Path) -> None:
    mine = {LOSSES: "poly1", SCHEDULES: "half", RUN_RULES: "always", REMEDIES: "mine"}
    with using(parts):
        assert all(name in shelf.names() for shelf, name in mine.items())
    assert not any(name in shelf.names() for shelf, name in mine.items())


def test_parts_hold_the_laws(parts: Path) -> None:
    with using(parts):
        testing.check_loss("poly1")
        testing.check_schedule("half")
        testing.check_rule(RUN_RULES, "always")
        testing.check_remedy("mine")


def test_a_recipe_takes_them_and_checks_their_settings(parts: Path) -> None:
    patch = {"loss": {"name": "poly1"}, "stages.all.schedule": {"name": "half", "settings": {"at": 0.25}}}
    with using(parts):
        recipe = Recipe().change(patch).resolve()
        assert dict(recipe.loss.settings) == {"epsilon": 1.0}
        schedule = SCHEDULES.build("half", recipe.stages[2].schedule.settings)
        assert [schedule(0.2), schedule(0.3)] == [1.0, 0.5]
        with pytest.raises(SnellenError, match=r"no setting 'epsilom'; did you mean 'epsilon'\?"):
            Recipe().change({"loss": {"name": "poly1", "settings": {"epsilom": 2.0}}}).resolve()
    with pytest.raises(SnellenError, match="no losses part is named 'poly1'"):
        Recipe().change(patch).resolve()


def test_the_loss_is_computed(parts: Path) -> None:
    import torch

    with using(parts):
        loss = LOSSES.build("poly1", {"epsilon": 3.0})
    # Even odds between two classes: log 2, and three times the missing half.
    assert loss(torch.zeros(1, 2), torch.tensor([1])).item() == pytest.approx(0.6931472 + 1.5)


def test_a_rule_finds_and_a_remedy_answers(parts: Path, tmp_path: Path) -> None:
    with using(parts):
        run = testing.recorded({"signals": [{"meter": "probe", "epochs": 3}]}, tmp_path / "run")
        (finding,) = RUN_RULES.pick("always")(run, **RUN_RULES.settings("always"))
        run.write_findings([finding])
        assert run.findings == (finding,)
        remedy = REMEDIES.pick("mine")(finding, run.recipe, **REMEDIES.settings("mine"))
        changed = run.recipe.change(remedy.patch)
        assert run.recipe.diff(changed)["loss.name"] == ("cross_entropy", "poly1")
        assert REMEDIES.pick("mine")(finding, changed) is None


def test_a_part_may_not_hide_one_of_the_house(tmp_path: Path) -> None:
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses" / "focal.py").write_text("def focal(): ...\n")
    with using(tmp_path), pytest.raises(SnellenError, match="has the name of"):
        LOSSES.names()


def test_a_part_is_named_after_its_file(tmp_path: Path) -> None:
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses" / "other.py").write_text("def another(): ...\n")
    with using(tmp_path), pytest.raises(SnellenError, match="must define 'other'"):
        LOSSES.pick("other")


def test_open_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses" / "loose.py").write_text("def loose(**anything): ...\n")
    with using(tmp_path), pytest.raises(SnellenError, match="named one by one"):
        LOSSES.settings("loose")


def test_two_versions_of_one_file_are_two_parts(tmp_path: Path) -> None:
    file = tmp_path / "schedules" / "flat.py"
    file.parent.mkdir()
    for level in (0.5, 1.0):
        file.write_text(f"def flat():\n    return lambda progress: {level}\n")
        with using(tmp_path):
            assert SCHEDULES.build("flat", {})(0.1) == level
