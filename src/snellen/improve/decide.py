"""Decide: adopt, reject, go on, or leave undecided, within a stated error budget.

Budget. `alpha` is the chance of adopting a useless remedy, over the whole path. It is shared by all planned looks
(Bonferroni), so that looking more often cannot raise it: each look has a share of alpha / planned_looks to err with on
the side of adopting. A look before a trial's last one spends EARLY of its share and leaves the rest to the last, which
sees most and decides most (as O'Brien & Fleming 1979 do): of two looks the first spends 20 %, the second 80 %.
Rejecting wrongly costs a chance, not a false claim, and is not paid for.

Adopt     two seeds or more, 20 samples or more, the interval above 0; and where the remedy claims another metric than
          the recipe's own, that own metric is not worse by more than the margin (point estimate) and its interval does
          not lie below 0.
Reject    the interval lies below 0, or below the margin: there is no gain worth having. Or the own metric's interval
          lies below 0: a trade-off that nobody asked for.
Continue  neither, and seeds are left.
Undecided neither, and none is left: with how many validation samples it would have been decided.
"""

from __future__ import annotations

from typing import Literal

from snellen.improve.pair import Effect, needed_samples
from snellen.values import SnellenError, unit

Outcome = Literal["adopt", "reject", "undecided", "continue"]

# Below this many samples the t interval of 0/1 scores is not to be trusted.
FEWEST = 20


# What an early look spends of its share. Simulated with 2 looks: up to 10 points more power than an even split.
EARLY = 0.4


def coverage(alpha: float, planned_looks: int, *, look: int, last: bool) -> float:
    """Level of the interval at look number `look` (from 1) of one trial: `pair` with this, then `decide`.

    `planned_looks` are those of all trials together; `last` whether the trial ends with this look whatever it shows (it
    must not depend on the effect). Raises SnellenError for an impossible budget or a look that was not planned.
    """
    if not 0 < alpha < 0.5 or planned_looks < 1:
        raise SnellenError(
            f"error budget {alpha} over {planned_looks} looks: expected 0 < alpha < 0.5 and a look or more"
        )
    if not 1 <= look <= planned_looks:
        raise SnellenError(
            f"look {look} was not planned, the budget holds for {planned_looks}; plan more before the first"
        )
    shares = look - EARLY * (look - 1) if last else EARLY
    return 1 - 2 * shares * alpha / planned_looks


def decide(
    effect: Effect, primary: Effect | None, *, alpha: float, planned_looks: int, look: int, last: bool, margin: float
) -> tuple[Outcome, str]:
    """The outcome of look number `look` of one trial (from 1) and its reason in a sentence.

    `primary` is the effect on the recipe's own metric where the remedy claims another (None: the same). `margin` is in
    units of the metric. Raises SnellenError for a look that was not planned or an interval narrower than its budget.
    """
    needed = coverage(alpha, planned_looks, look=look, last=last)
    if effect.level < needed - 1e-12:
        raise SnellenError(
            f"the interval has level {effect.level:.4f}, but this of {planned_looks} looks asks for {needed:.4f}"
        )
    text = describe(effect)
    if effect.effect == effect.low == effect.high == 0:
        return "reject", f"no difference: both give the same scores ({text})"
    if effect.high < 0:
        return "reject", f"worse: {text}"
    if effect.high < margin:
        return "reject", f"no useful gain: {text}, which stays below the margin of {amount(effect.metric, margin)}"
    if effect.low > 0 and effect.seeds >= 2 and effect.samples >= FEWEST:
        return _weigh(effect, primary, last=last, margin=margin)
    if not last:
        return "continue", f"not yet decided: {text}"
    return "undecided", f"not decided: {text}; {_advice(effect, margin)}"


def describe(effect: Effect) -> str:
    """The effect with its interval, seeds and samples, for a reader."""
    low, high = amount(effect.metric, effect.low), amount(effect.metric, effect.high)
    seeds = "1 seed" if effect.seeds == 1 else f"{effect.seeds} seeds"
    return (
        f"{effect.metric} {amount(effect.metric, effect.effect)} "
        f"({100 * effect.level:.3g} % interval {low} to {high}; {seeds} × {effect.samples} samples)"
    )


def amount(metric: str, value: float) -> str:
    """A signed difference in the metric's unit: points of a share, nats of a log loss."""
    of = unit(metric)
    return f"{100 * value:+.2f} points" if of == "points" else f"{value:+.4f} {of}"


def _weigh(effect: Effect, primary: Effect | None, *, last: bool, margin: float) -> tuple[Outcome, str]:
    if primary is None:
        return "adopt", f"better: {describe(effect)}"
    both = f"{describe(effect)}, at the cost of {describe(primary)}"
    if primary.high < 0:
        return "reject", f"a trade-off: {both}"
    if primary.effect >= -margin:
        return "adopt", f"better: {describe(effect)}, and not worse on {describe(primary)}"
    return ("undecided", f"perhaps a trade-off: {both}") if last else ("continue", f"not yet decided: {both}")


def _advice(effect: Effect, margin: float) -> str:
    if effect.seeds < 2:
        return "one seed can never adopt; run a second"
    needed = needed_samples(effect, margin=margin)
    if needed is None:
        return "the seeds spread too far for more samples to decide it; more seeds would"
    number = max(needed, FEWEST)
    return f"about {_round_up(number)} validation samples would decide it if the effect stays as it is"


def _round_up(number: int) -> int:
    """Two leading digits: an extrapolation has no more."""
    unit = 10 ** max(len(str(number)) - 2, 0)
    return -(-number // unit) * unit
