"""Row 4: the head trained on cached features, against the same with the frozen backbone run again in every epoch.

    python bench/head_stage.py [--data FOLDER] [--images 1200] [--epochs 20] [--rounds 2] [--quick]

Ours: `train()` with a recipe of one head stage; the features (of one augmented view of each image; a second line has the
default of four) are computed within the measured time, from an empty cache. Peer: peers/frozen_loop.py, fresh augmentation
in every epoch, in the same layout and precision. A third line trains ten configurations together on one cache, against ten
runs of the peer.
"""

from __future__ import annotations

import _command
from _material import Material, at_hand, material
from peers.frozen_loop import frozen_loop
from snellen.recipe import Recipe
from snellen.train.heads import train_heads

RATES, SMOOTHINGS = (2e-4, 5e-4, 1e-3, 2e-3, 5e-3), (0.0, 0.1)


def settings(epochs: int) -> dict[str, object]:
    """One head stage."""
    return {
        "stages": [{"name": "head", "unfreeze": "head", "epochs": epochs, "lr_scale": 10.0}],
        "train.views": 1, "train.ema": 0.0, "optim.clip": None, "augment.mixup": 0.0,
    }  # fmt: skip


def alone(found: Material, recipe: Recipe) -> float:
    """One configuration; its validation accuracy."""
    return float(found.train(recipe).predictions("val").correct.mean())


def together(found: Material) -> float:
    """Ten configurations; the best validation accuracy."""
    ten = [
        found.recipe.change({"optim.lr": rate, "loss.settings": {"smoothing": smoothing}})
        for rate in RATES
        for smoothing in SMOOTHINGS
    ]
    with found.cache() as cache:
        rows = train_heads(ten, found.catalog, found.pixels, setting=found.setting, cache=cache)
    return max(float(item.correct.mean()) for item in rows.values())


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__, rounds=2)  # A round takes minutes.
    made.add_argument("--images", type=int, default=1200)
    made.add_argument("--epochs", type=int, default=20)
    given = _command.parse(made)
    scores: dict[str, float] = {}
    with material(given, settings(given.epochs), images=given.images) as found:
        hand, four = at_hand(found), found.recipe.change({"train.views": 4})
        sides = {
            "ours": lambda: scores.update(ours=alone(found, found.recipe)),
            "four": lambda: scores.update(four=alone(found, four)),
            "ten": lambda: scores.update(ten=together(found)),
            "peer": lambda: scores.update(peer=frozen_loop(hand)),
        }
        measured = _command.measured(sides, given, warm=False)
        note = f"{found}; {given.epochs} epochs, features computed within the time."
    said = {name: f"Validation accuracy {scores[name]:.3f}, peer {scores['peer']:.3f}." for name in sides}
    ratios = [
        measured.ratio("4", "head stage, one view", goal=">= 18", note=f"{note} {said['ours']}"),
        measured.ratio("4", "head stage, four views", goal="", ours="four", note=said["four"]),
        measured.ratio(
            "4", "ten configurations together", goal=">= 100", ours="ten", times=10,
            note=f"the peer's time is ten times one of its runs. Of the best: {said['ten']}",
        ),
    ]  # fmt: skip
    _command.finish("head_stage", ratios, [measured], given)


if __name__ == "__main__":
    main()
