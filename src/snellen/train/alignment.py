"""Alignment: whether two images are one picture, up to a crop, a mirror image or a turn, a change of brightness, an encoding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Sides of the images on which the alignment is sought and on which it is judged.
COARSE, FINE = 16, 64
# A crop keeps this much of a side at least (as a logarithm), is not much more in one axis than in the other, and lies so far off.
ZOOM, UNEVEN, OFF = 0.35, 0.15, 0.35
STARTS = (0.0, 0.15, -0.15)
# Widths of the blur that takes away encoding's grain, and of the one that leaves only detail, in pixels of FINE.
GRAIN, DETAIL = 1.0, 3.0
# Two images must share this much of each other.
SHARED = 0.5
# What fits worse than this on coarse images is not looked at more closely: mostly strangers, and most of the time.
HOPE = 0.75


@dataclass(frozen=True, slots=True)
class Match:
    """Of p pairs the best `score` [p] (correlation, -1..1) and where it is reached: `view` [p] (see `turned`) and `steps` [p, 4]."""

    score: Tensor
    view: Tensor
    steps: Tensor


def aligned(one: Tensor, other: Tensor, views: Tensor) -> Tensor:
    """Correlation [p] of the detail of pairs of images [p, 1, FINE, FINE] (luminance) where they fit best; below HOPE that of coarse
    images, -1 where less than half of them overlaps. `views` [p, v]: the orientations of `other` to be tried (0..7, see `turned`).

    Lucas-Kanade registration (Baker & Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd, forwards additive) with a scale
    and a shift for either axis and a free gain and offset, from three zooms on coarse images, then on fine ones. Detail is what
    a blur of 3 px takes away: in light and colour strangers agree.
    """
    best = _coarse(one, other, views)
    hopeful = torch.where(best.score >= HOPE)[0]
    score = best.score.clone()
    if len(hopeful):
        closer = Match(score[hopeful], best.view[hopeful], best.steps[hopeful])
        score[hopeful] = _fine(one[hopeful], other[hopeful], closer)
    return score


def _fine(one: Tensor, other: Tensor, best: Match) -> Tensor:
    """Correlation [p] from where the coarse images fitted."""
    flipped = torch.cat([turned(other[i : i + 1], int(view)) for i, view in enumerate(best.view)])
    one, flipped = blurred(one, GRAIN), blurred(flipped, GRAIN)
    steps = _registered(one, flipped, best.steps, 6)
    warped, inside = _warped(flipped, steps)
    mask = inside[:, None].float()
    score = _correlation(_detail(one, mask, DETAIL), _detail(warped, mask, DETAIL), mask)
    return torch.where(inside.float().mean(dim=(1, 2)) > SHARED, score, torch.full_like(score, -1.0))


def turned(images: Tensor, view: int) -> Tensor:
    """Images [..., h, w] in one of eight orientations: mirrored from left to right for an odd `view`, then turned by `view // 2` quarters."""
    return torch.rot90(images.flip(-1) if view % 2 else images, view // 2, (-2, -1))


def _coarse(one: Tensor, other: Tensor, views: Tensor) -> Match:
    whole = torch.ones_like(one)
    step = FINE // COARSE
    small = F.avg_pool2d(_detail(one, whole, FINE / 5), step)
    turns = _detail(other, whole, FINE / 5)
    best = Match(torch.full((len(one),), -1.0), views[:, 0].clone(), torch.zeros(len(one), 4))
    for view in views.T:
        shown = F.avg_pool2d(torch.cat([turned(turns[i : i + 1], int(v)) for i, v in enumerate(view)]), step)
        for zoom in STARTS:
            start = torch.tensor([zoom, zoom, 0.0, 0.0]).repeat(len(one), 1)
            steps = _registered(small, shown, start, 6)
            warped, inside = _warped(shown, steps)
            score = _correlation(small, warped, inside[:, None].float())
            better = (score > best.score) & (inside.float().mean(dim=(1, 2)) > SHARED)
            best = Match(
                torch.where(better, score, best.score),
                torch.where(better, view, best.view),
                torch.where(better[:, None], steps, best.steps),
            )
    return best


def _registered(one: Tensor, other: Tensor, steps: Tensor, rounds: int) -> Tensor:
    """Steps [p, 4] (log scale and shift of either axis, in half widths) that bring `other` upon `one`: Gauss-Newton."""
    n = one.shape[-1]
    place = (torch.arange(n) + 0.5) / n * 2 - 1
    # The image and its slopes are moved alike: one warp of three channels.
    both = torch.cat([other, F.pad((other[..., 2:] - other[..., :-2]) * n / 4, (1, 1)), _down(other, n)], dim=1)
    for _ in range(rounds):
        moved, inside = _warped(both, steps)
        warped, slope_x, slope_y = torch.split(moved, 1, dim=1)
        mask = inside[:, None].float()
        scale = steps[:, :2].exp()[:, :, None, None, None]
        moves = (slope_x * place * scale[:, 0], slope_y * place[:, None] * scale[:, 1], slope_x, slope_y)
        mine, theirs = _centred(one, mask), _centred(warped, mask)
        gain = ((mine * theirs).sum((1, 2, 3)) / (theirs**2).sum((1, 2, 3)).clamp(min=1e-6)).clamp(0.3, 3)
        gain = gain[:, None, None, None]
        jacobian = torch.cat(moves, dim=1).mul_(mask * gain).flatten(2)
        normal = jacobian @ jacobian.transpose(1, 2)
        damping = 1e-3 * normal.diagonal(dim1=1, dim2=2).mean(dim=1) + 1e-6
        rest = (jacobian @ (mine - gain * theirs).flatten(1)[:, :, None])[:, :, 0]
        change = torch.linalg.solve(normal + damping[:, None, None] * torch.eye(4), rest)
        steps = _bounded(steps + change.clamp(-0.15, 0.15))
    return steps


def _bounded(steps: Tensor) -> Tensor:
    middle = steps[:, :2].mean(dim=1, keepdim=True).clamp(-ZOOM, ZOOM)
    apart = (steps[:, :2] - middle).clamp(-UNEVEN, UNEVEN)
    return torch.cat([middle + apart, steps[:, 2:].clamp(-OFF, OFF)], dim=1)


def _down(images: Tensor, n: int) -> Tensor:
    return F.pad((images[..., 2:, :] - images[..., :-2, :]) * n / 4, (0, 0, 1, 1))


def _warped(images: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """The images moved, and [p, h, w] bool where they are."""
    matrix = torch.zeros(len(images), 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1] = steps[:, 0].exp(), steps[:, 1].exp()
    matrix[:, :, 2] = steps[:, 2:]
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    inside = (grid.abs() <= 1 - 1 / images.shape[-1]).all(dim=-1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False), inside


def _centred(images: Tensor, mask: Tensor) -> Tensor:
    total = mask.sum((1, 2, 3), keepdim=True).clamp(min=1)
    return (images - (images * mask).sum((1, 2, 3), keepdim=True) / total) * mask


def _correlation(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    one, other = _centred(one, mask), _centred(other, mask)
    both = ((one**2).sum((1, 2, 3)) * (other**2).sum((1, 2, 3))).sqrt()
    # Hardly a grey level of detail: nothing to compare.
    least = 0.5 * mask.sum((1, 2, 3))
    return torch.where(both > least, (one * other).sum((1, 2, 3)) / both.clamp(min=1e-6), torch.full_like(both, -1.0))


def _detail(images: Tensor, mask: Tensor, width: float) -> Tensor:
    """What a blur of this width takes away; the blur knows nothing of what is masked."""
    return images - blurred(images * mask, width, edge="zeros") / blurred(mask, width, edge="zeros").clamp(min=1e-3)


def blurred(images: Tensor, width: float, *, edge: str = "replicate") -> Tensor:
    """Images [p, 1, h, w] after a Gaussian blur; beyond the edge the last pixel goes on, or zeros do."""
    # Two products with a small matrix: a convolution of one channel takes over ten times as long.
    down, across = (_blur_of(side, width, edge) for side in images.shape[-2:])
    return down @ images @ across.T


@cache
def _blur_of(side: int, width: float, edge: str) -> Tensor:
    """The blur of a line of so many pixels as a matrix [side, side]."""
    reach = min(int(3 * width), side - 1)
    mode = "constant" if edge == "zeros" else "replicate"
    with torch.inference_mode(False), torch.no_grad():  # It is kept: whoever asks next may want to compute gradients.
        places = torch.arange(-reach, reach + 1, dtype=torch.float32)
        kernel = torch.exp(-(places**2) / (2 * width**2))
        kernel = kernel / kernel.sum()
        lines = F.pad(torch.eye(side)[:, None], (reach, reach), mode=mode)
        return F.conv1d(lines, kernel[None, None])[:, 0].T.contiguous()
