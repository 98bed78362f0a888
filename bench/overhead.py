"""Row 8: what our loop costs over a bare PyTorch loop in the same settings, with all meters and rules on.

    python bench/overhead.py [--data FOLDER] [--images 300] [--epochs 2] [--rounds 7] [--quick]

Ours: `train()` and then all rules of the run (journal, checkpoints, predictions and findings are written as always). Peer:
peers/plain_loop.py, a loop by hand over the same batches, which writes nothing. Both begin by building the model, train all
layers, evaluate as often, and end with the same weights (compared bit for bit after the warm-up, and said in the note).
"""

from __future__ import annotations

import torch

import _command
from _material import Material, at_hand, material
from peers.plain_loop import plain_loop
from snellen import store
from snellen.examine import diagnose
from snellen.run import Run


def settings(epochs: int) -> dict[str, object]:
    """Plain settings: what is switched off here a bare loop would not have."""
    return {
        "stages": [{"name": "all", "unfreeze": "all", "epochs": epochs}],
        "train.ema": 0.0, "optim.clip": None, "augment.mixup": 0.0, "optim.lr": 5e-4,
    }  # fmt: skip


def ours(found: Material) -> Run:
    """Train and let the rules look."""
    run = found.train(found.recipe)
    run.write_findings(diagnose(run))
    return run


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__)
    made.add_argument("--images", type=int, default=300)
    made.add_argument("--epochs", type=int, default=2)
    given = _command.parse(made)
    with material(given, settings(given.epochs), images=given.images) as found:
        hand = at_hand(found)
        kept, _ = store.read_tensors(ours(found).checkpoint("best"))
        bare = plain_loop(hand)
        same = all(torch.equal(kept[key], bare[key]) for key in bare)
        measured = _command.measured({"ours": lambda: ours(found), "peer": lambda: plain_loop(hand)}, given, warm=False)  # fmt: skip
        note = f"{found}; {given.epochs} epochs, all layers. Final weights {'' if same else 'not '}equal bit for bit."
    ratio = measured.ratio("8", "our loop over the bare loop", goal="<= 1.03", note=note)
    _command.finish("overhead", [ratio], [measured], given)


if __name__ == "__main__":
    main()
