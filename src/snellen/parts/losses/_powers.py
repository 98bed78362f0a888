"""What losses share that raise a distance from certainty to a power."""

from __future__ import annotations

# A power below one of exactly nothing has an endless slope, and a perfect answer would end the training: what is surer than this
# counts as this sure. Half a step of float32 at one.
SURE = 1e-7
