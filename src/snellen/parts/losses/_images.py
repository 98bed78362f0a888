"""What losses between images share."""

from __future__ import annotations

from torch import Tensor


def difference(output: Tensor, target: Tensor) -> Tensor:
    """output - target of one shape [n, ...]; raises ValueError where shapes differ: they must not be broadcast."""
    if output.shape != target.shape:
        raise ValueError(
            f"the output has the shape {tuple(output.shape)}, the target {tuple(target.shape)}; expected two of one shape "
            "[n, ...]: this loss compares images, not classes"
        )
    return output - target.to(output.dtype)


def per_sample(values: Tensor) -> Tensor:
    """Mean over everything but the samples: [n, ...] → [n]."""
    return values.flatten(1).mean(dim=1) if values.ndim > 1 else values
