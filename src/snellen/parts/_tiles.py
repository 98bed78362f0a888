"""Large images through a network in tiles that overlap by all that an output pixel depends on: no seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor


def tiled(
    network: Callable[[Tensor], Tensor], images: Tensor, *, tile: int, reach: int, multiple: int = 1, scale: int = 1
) -> Tensor:
    """[n, 3, h, w] → [n, 3, scale·h, scale·w]: what the network gives of whole images, in memory for a tile at a time.

    `reach`: how far in input pixels an output pixel depends on the input; `multiple`: what the network's cells are aligned
    to. Tiles are read with that much around them and only their middle is kept, so that there is nothing to blend.
    """
    height, width = images.shape[2:]
    margin = -(-reach // multiple) * multiple
    step = max(tile // multiple, 1) * multiple
    result = images.new_empty(len(images), 3, height * scale, width * scale)
    for top, bottom, above, below in _spans(height, step, margin):
        for left, right, before, after in _spans(width, step, margin):
            output = network(images[:, :, above:below, before:after])
            rows = slice((top - above) * scale, (bottom - above) * scale)
            columns = slice((left - before) * scale, (right - before) * scale)
            result[:, :, top * scale : bottom * scale, left * scale : right * scale] = output[:, :, rows, columns]
    return result


def _spans(length: int, step: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """What is kept of each tile (from, to) and what is read for it (from, to)."""
    for start in range(0, length, step):
        end = min(start + step, length)
        yield start, end, max(0, start - margin), min(length, end + margin)
