"""Width and height of a catalog's samples against what is usual in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import robust_z

# Doublings by which the sizes of photographs of one kind differ anyway; a smaller spread than this is none.
USUAL = 0.15


@dataclass(frozen=True, slots=True)
class Shapes:
    """`width`, `height` [n] pixels; `size`: the side of a square of the same area; `usual`: the median of these."""

    width: np.ndarray
    height: np.ndarray

    @classmethod
    def of(cls, usable: Catalog) -> Shapes:
        """Of usable samples; raises MissingSignal where sizes were not measured."""
        return cls(*(usable.column(name).astype(np.float64) for name in ("width", "height")))

    @property
    def size(self) -> np.ndarray:
        """[n] square root of the area, pixels."""
        return np.asarray(np.sqrt(self.width * self.height))

    @property
    def usual(self) -> float:
        """Median size in pixels; NaN without samples."""
        return float(np.nanmedian(self.size)) if len(self.width) else float("nan")

    @property
    def smaller(self) -> np.ndarray:
        """[n] by how many halvings the size is below the usual one (negative: above)."""
        return np.asarray(np.log2(self.usual / self.size))

    @property
    def length(self) -> np.ndarray:
        """[n] longer side over shorter side."""
        return np.asarray(np.maximum(self.width, self.height) / np.minimum(self.width, self.height))

    @property
    def stretch(self) -> np.ndarray:
        """[n] robust distance of `length` (as a logarithm) from the usual one, in standard deviations; upright and lying
        images are alike."""
        return robust_z(np.log2(self.length), floor=USUAL)

    def tiny(self, *, share: float, most: float) -> np.ndarray:
        """[n] bool: smaller than this share of the usual size, and than so many pixels."""
        return np.asarray((self.size < share * self.usual) & (self.size < most))

    def long(self, *, least: float, z: float) -> np.ndarray:
        """[n] bool: the longer side at least so many times the shorter, and so far from what is usual."""
        return np.asarray((self.length >= least) & (self.stretch >= z))
