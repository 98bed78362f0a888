"""Units that never answer: channels behind a one-sided activation that were above 0 nowhere (SPEC S5)."""

from __future__ import annotations

from typing import Any

TASKS = ("classification", "segmentation")


def units(epoch: Any) -> dict[str, Any] | None:
    """Share of dead channels by section, how many channels there are, and on how many training images they were looked at;
    None where nobody looked, or the network has no such activation of its own."""
    look = epoch.look
    if look is None or not look.units:
        return None
    shares = {name: look.dead[name] / number for name, number in look.units.items()}
    return {"dead": shares, "units": dict(look.units), "n": look.n}
