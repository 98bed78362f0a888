"""Draw every schedule of the shelf as docs/schedules/<name>.svg.

    python docs/plot_schedules.py

Twenty epochs, of which the first two warm up; plateau is drawn for the scores of its orange dots.
"""

from __future__ import annotations

from pathlib import Path

from snellen import store
from snellen.shelf import SCHEDULES

FOLDER = Path(__file__).parent / "schedules"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 420, 170, 34, 12, 10, 26
EPOCHS, WARM, POINTS = 20, 2, 400
# The metric after each epoch: it rises, stays, rises once more, stays.
SCORES = (
    0.40,
    0.55,
    0.63,
    0.68,
    0.71,
    0.72,
    0.72,
    0.71,
    0.72,
    0.74,
    0.76,
    0.76,
    0.76,
    0.75,
    0.76,
    0.76,
    0.76,
    0.76,
    0.76,
)


def rates(name: str) -> list[tuple[float, float]]:
    """(epoch, multiplier) along the stage, warm-up in front."""
    schedule = SCHEDULES.build(name, {})
    reads = SCHEDULES.constant(name, "READS_SCORES")
    found = []
    for point in range(POINTS + 1):
        epoch = EPOCHS * point / POINTS
        progress = (epoch - WARM) / (EPOCHS - WARM)
        if epoch < WARM:
            value = epoch / WARM
        else:
            value = schedule(progress, SCORES[: int(epoch)]) if reads else schedule(progress)
        found.append((epoch, value))
    return found


def svg(name: str) -> str:
    """The drawing: axes, epochs, the multiplier, and what plateau reads."""
    marks = "".join(
        f'<text x="{_x(epoch):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{epoch}</text>' for epoch in range(0, 21, 5)
    )
    marks += "".join(
        f'<text x="{LEFT - 6}" y="{_y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        f'<path class="grid" d="M{LEFT} {_y(value):.1f}H{WIDTH - RIGHT}"/>'
        for value in (0, 0.5, 1)
    )
    line = "M" + "L".join(f"{_x(epoch):.1f} {_y(value):.1f}" for epoch, value in rates(name))
    dots = "".join(
        f'<circle cx="{_x(epoch):.1f}" cy="{_y(score):.1f}" r="2"/>' for epoch, score in enumerate(SCORES, start=1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
        f'aria-label="{name}: multiple of the peak rate over {EPOCHS} epochs, {WARM} of them warm-up">'
        "<style>text{font:11px sans-serif;fill:#667}.grid{stroke:#ccd;stroke-width:.6;fill:none}"
        ".rate{stroke:#26c;stroke-width:2;fill:none}circle{fill:#e80}</style>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{marks}<path class="rate" d="{line}"/>'
        f"{dots if SCHEDULES.constant(name, 'READS_SCORES') else ''}</svg>\n"
    )


def _x(epoch: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * epoch / EPOCHS


def _y(value: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value)


def main() -> None:
    """Write all drawings."""
    for name in SCHEDULES.names():
        store.write_text(FOLDER / f"{name}.svg", svg(name))


if __name__ == "__main__":
    main()
