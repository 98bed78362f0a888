"""Derived: a run whose weights were made of other runs' weights, without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from snellen import store
from snellen.improve.lab import Lab
from snellen.run import Run
from snellen.ship.loaded import load
from snellen.train.job import usable_for


def derived(lab: Lab, first: Run, name: str, make: Callable[[], Mapping[str, Tensor]], about: Mapping[str, Any]) -> Run:
    """The run `name` of the case with the weights that `make` gives: recipe and signals are those of the first run, predictions
    its own. `about` says in the run's cost what it was made of. What is there already is taken as it is, so that the name
    must tell what it was made of too."""
    made = Run(first.folder.with_name(name))
    if made.done:
        return made
    Run.create(made.folder, first.recipe, first.catalog, first.environment)
    made.journal.rewind(lambda record: False)  # What a crash left.
    made.journal.append(*first.journal.read())
    store.write_tensors(made.checkpoint("best"), dict(make()), {})
    loaded = load(made)
    usable = usable_for(loaded.recipe, lab.catalog)
    for split in ("val", "train"):
        part = usable.take(usable.rows(first.predictions(split).ids))
        made.write_predictions(split, loaded.predict(part, lab.pixels))
    made.finish({**first.cost, "derived": True, **about})
    return made
