from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pretended import FINDING, MADE, REMEDY, RULE, Pretended

from snellen.improve import heal as module
from snellen.improve.lab import Lab
from snellen.recipe import Recipe
from snellen.run import Predictions, Run
from snellen.shelf import using

CLASSES = ("blue", "green", "red", "white")
SHARES = (0.4, 0.3, 0.2, 0.1)


def record(
    runs: int, samples: int, *, seed: int = 0, spread: float = 0.05, gain: float = 0.0, start: int = 0
) -> list[Predictions]:
    """Recorded runs of one recipe: logits = what the sample is like + what the seed did + the rest; about 80 % right.

    `spread` is the seeds' own (logits; 0.05 makes 0.8 points of accuracy, 0.25 four), `gain` what a better recipe adds
    to the target's logit; runs `start` onwards, so that two calls with one seed give two arms on the same samples.
    """
    place = np.random.default_rng(seed)
    targets = place.choice(len(CLASSES), size=samples, p=SHARES)
    right = np.eye(len(CLASSES))[targets]
    sample = place.normal(0, 1.2, (samples, len(CLASSES))) + 2.6 * right
    ids = tuple(f"sample{number}" for number in range(samples))
    found = []
    for number in range(start, start + runs):
        random = np.random.default_rng((seed, number))
        skill = random.normal(0, spread) + gain
        rest = random.normal(0, 0.6, sample.shape) + random.normal(0, spread, len(CLASSES))
        logits = sample + rest + skill * right
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found.append(Predictions(ids, targets, probabilities, CLASSES))
    return found


@pytest.fixture(scope="session")
def recorded() -> Callable[..., list[Predictions]]:
    return record


@pytest.fixture
def remedies(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """remedies("good", "useless"): put these on the shelf, to be tried in this order."""
    folder = tmp_path / "parts"
    (folder / "rules" / "run").mkdir(parents=True)
    (folder / "remedies").mkdir()
    (folder / "rules" / "run" / "fault.py").write_text(RULE)

    def put(*names: str) -> None:
        for order, name in enumerate(names):
            setting, value = MADE[name]
            text = REMEDY.format(name=name, order=order, setting=setting, value=value)
            (folder / "remedies" / f"{name}.py").write_text(text)

    with using(folder):
        yield put


@pytest.fixture
def pretended(tmp_path: Path, recorded: Callable[..., list[Predictions]], monkeypatch: pytest.MonkeyPatch) -> Pretended:
    made = Pretended(tmp_path / "case", recorded, (FINDING,))

    def trained(lab: Lab, recipe: Recipe, seed: int, *, title: str = "", folder: str = "") -> Run:
        return made.trained(lab, recipe, seed, title=title, folder=folder)

    def validation(lab: Lab, recipe: Recipe, seed: int, *, title: str = "", folder: str = "") -> Predictions:
        return made.trained(lab, recipe, seed).predictions("val")

    monkeypatch.setattr(Lab, "trained", trained)
    monkeypatch.setattr(Lab, "validation", validation)
    # The rules look at what is pretended too: the fault stays until the test says otherwise.
    monkeypatch.setattr(module, "diagnose", lambda run: made.findings)
    return made
