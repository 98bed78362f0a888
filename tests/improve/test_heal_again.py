"""Healing that is resumed comes to the same end, and several findings of one rule are each answered."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from pretended import MADE, RECIPE, Pretended

from snellen.improve.heal import heal
from snellen.values import Finding

EACH = '''
"""A remedy of the test, for what the finding says."""
from snellen.values import Remedy

CURES = ("fault",)
SOURCE = "a test"
SAFETY = "safe"
ORDER = 0
SCREENS = False


def each(finding, recipe):
    if "setting" not in finding.evidence:
        return None
    patch = {"optim.settings": {**recipe.optim.settings, finding.evidence["setting"]: finding.evidence["value"]}}
    return Remedy(name="each", finding="fault", patch=patch, reason="r", source=SOURCE)
'''


def test_time_that_is_over_changes_no_verdict(pretended: Pretended, remedies) -> None:
    remedies("useless", "good")
    first = heal(pretended.lab(), RECIPE, ())
    trained = list(pretended.trained_runs)
    again = heal(pretended.lab(deadline=time.monotonic() - 5), RECIPE, ())
    assert again.recipe == first.recipe
    assert again.recipe.optim.settings["beta1"] == 0.7
    assert again.verdicts == first.verdicts
    assert pretended.trained_runs == trained


def test_each_finding_of_a_rule_has_its_turn(pretended: Pretended, remedies, tmp_path: Path) -> None:
    (tmp_path / "parts" / "remedies" / "each.py").write_text(EACH)
    pretended.findings = tuple(
        Finding(
            rule="fault", severity="warn", message=name, evidence={"setting": MADE[name][0], "value": MADE[name][1]}
        )
        for name in ("useless", "good")
    )
    healed = heal(pretended.lab(), RECIPE, ())
    # What helps is found behind what does not, and looks are paid for once each.
    assert healed.recipe.optim.settings["beta1"] == 0.7
    assert len({verdict.candidate for verdict in healed.verdicts}) == len(healed.verdicts) == 2
