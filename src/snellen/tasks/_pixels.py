"""The numbers that are kept of an image's predicted and wanted mask: enough for every score, a thousandth of the mask.

Counts run over labelled pixels (target 255: nobody labelled). An edge is a pixel of a class with another class beside it;
it is hit where the other mask's edge of that class lies within the tolerance (Csurka et al. 2013; Perazzi et al. 2016, "DAVIS",
section 4: 0.75 % of the diagonal). An object is a connected piece of a class in the wanted mask; it is found where half of it is
predicted as its class.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import label
from torch import Tensor

IGNORE = 255
# Temperatures at which the loss is kept, so that a calibrated one can be worked out of rows: 0.25 to 8.
TEMPERATURES = tuple(2.0 ** (step / 2) for step in range(-4, 7))
# For these, every other pixel of every other row will do.
THIN = 2
TOLERANCE = 0.0075
# An object below this share of the image's pixels is small.
SMALL = 0.002


@torch.no_grad()
def numbers_of(output: Tensor, target: Tensor) -> dict[str, np.ndarray]:
    """Logits [b, k, h, w] and target [b, h, w] → numbers by name.

    [b, k]: `both`, `predicted`, `wanted` (pixels); `edge_predicted`, `edge_predicted_hit`, `edge_wanted`, `edge_wanted_hit`;
    `small`, `small_found`, `large`, `large_found` (objects). [b]: `loss` (mean cross-entropy of a pixel, nats), `share` (mean
    IoU over the classes that either mask holds). [b, t]: `losses` at TEMPERATURES, of a quarter of the pixels.
    """
    logits, target = output.float(), target.long()
    known = target != IGNORE
    answer = logits.argmax(dim=1)
    k = logits.shape[1]
    said, wanted = (_hot(mask, known, k) for mask in (answer, target))
    both = (said & wanted).sum(dim=(2, 3)).double()
    sizes = [mask.sum(dim=(2, 3)).double() for mask in (said, wanted)]
    every = (slice(None), slice(None, None, THIN), slice(None, None, THIN))
    losses = [
        _losses(logits, target, known, (1.0,)),
        _losses(logits[:, :, ::THIN, ::THIN], target[every], known[every], TEMPERATURES),
    ]
    found = {
        "both": both, "predicted": sizes[0], "wanted": sizes[1], "share": share_of(both, *sizes),
        "loss": losses[0][:, 0], "losses": losses[1],
        **_edges(said & _border(answer, known)[:, None], wanted & _border(target, known)[:, None]),
    }  # fmt: skip
    numbers = {name: values.cpu().numpy().astype(np.float64) for name, values in found.items()}
    return numbers | _objects(wanted.cpu().numpy(), said.cpu().numpy())


def share_of(both: Tensor, predicted: Tensor, wanted: Tensor) -> Tensor:
    """Mean IoU [b] over the classes that either mask holds; 1 for an image in which nothing is labelled."""
    either = predicted + wanted - both
    there = either > 0
    iou = both / either.clamp(min=1)
    return torch.where(
        there.any(dim=1), (iou * there).sum(dim=1) / there.sum(dim=1).clamp(min=1), torch.ones_like(iou[:, 0])
    )


def _hot(mask: Tensor, known: Tensor, k: int) -> Tensor:
    return torch.stack([(mask == number) & known for number in range(k)], dim=1)


def _losses(logits: Tensor, target: Tensor, known: Tensor, heats: tuple[float, ...]) -> Tensor:
    """Mean cross-entropy of an image's labelled pixels at each of some temperatures, [b, t]."""
    chosen, count = target.where(known, 0), known.sum(dim=(1, 2)).clamp(min=1)
    found = []
    for heat in heats:
        pixels = F.cross_entropy(logits / heat, chosen, reduction="none")
        # Not by product: where nobody labelled, a number that is not finite is nobody's business either.
        found.append(pixels.where(known, 0.0).double().sum(dim=(1, 2)) / count)
    return torch.stack(found, dim=1)


def _edges(mine: Tensor, theirs: Tensor) -> dict[str, Tensor]:
    reach = max(1, round(TOLERANCE * math.hypot(*mine.shape[-2:])))
    near_mine, near_theirs = _grown(mine, reach), _grown(theirs, reach)
    found = {
        "edge_predicted": mine, "edge_predicted_hit": mine & near_theirs,
        "edge_wanted": theirs, "edge_wanted_hit": theirs & near_mine,
    }  # fmt: skip
    return {name: pixels.sum(dim=(2, 3)).double() for name, pixels in found.items()}


def _border(mask: Tensor, known: Tensor) -> Tensor:
    """Pixels of class numbers [b, h, w] with a labelled pixel of another class above, below, left or right, [b, h, w] bool."""
    found = torch.zeros_like(known)
    for axis in (1, 2):
        length = mask.shape[axis] - 1
        first, second = (slice(None),) * axis + (slice(0, length),), (slice(None),) * axis + (slice(1, None),)
        differ = mask[first] != mask[second]
        found[first] |= differ & known[second]
        found[second] |= differ & known[first]
    return found


def _grown(edges: Tensor, reach: int) -> Tensor:
    """Whether a pixel has one of [b, k, h, w] bool within `reach` in both directions. By shifts: bytes, where a pooling takes floats."""
    for axis in (2, 3):
        grown, length = edges.clone(), edges.shape[axis]
        for step in range(1, min(reach, length - 1) + 1):
            grown.narrow(axis, step, length - step).logical_or_(edges.narrow(axis, 0, length - step))
            grown.narrow(axis, 0, length - step).logical_or_(edges.narrow(axis, step, length - step))
        edges = grown
    return edges


def _objects(wanted: np.ndarray, said: np.ndarray) -> dict[str, np.ndarray]:
    """Objects of every image and class, small and large, and how many of them are found, [b, k] each."""
    b, k, height, width = wanted.shape
    names = ("small", "small_found", "large", "large_found")
    counts = {name: np.zeros((b, k)) for name in names}
    for image in range(b):
        for number in range(k):
            if not wanted[image, number].any():
                continue
            pieces, count = label(wanted[image, number])
            areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
            found = 2 * np.bincount(pieces[said[image, number]], minlength=count + 1)[1:] >= areas
            small = areas < SMALL * height * width
            for size, chosen in (("small", small), ("large", ~small)):
                counts[size][image, number] = chosen.sum()
                counts[f"{size}_found"][image, number] = (chosen & found).sum()
    return counts
