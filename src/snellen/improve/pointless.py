"""Remedies that drop samples and could not be told from the recipe without them, or not be compared with it."""

from __future__ import annotations

import numpy as np

from snellen.improve.lab import Lab
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.values import SnellenError


def pointless(lab: Lab, recipe: Recipe, changed: Recipe) -> str:
    """Why the changed recipe need not be trained; empty where it may be.

    Only training samples are ever dropped: a finding about others drops nothing. And a class whose last image went would no
    longer be asked about, so that the two could not be paired.
    """
    if changed.data.drop == recipe.data.drop:
        return ""
    train = lab.catalog.usable().of("train")
    ids = np.asarray(train.ids, dtype=str)
    before, after = (train.where(~np.isin(ids, list(one.data.drop))) for one in (recipe, changed))
    if len(before) == len(after):
        return "none of the samples that it would leave out is trained on"
    classes = TASKS.pick(recipe.task)().classes
    try:
        same = classes(before) == classes(after)
    except SnellenError:
        same = False
    return "" if same else "it would leave a class without an image to train on"
