"""Classifiers that some losses ask for. Asked for classes (eval mode) each gives logits [n, k]; in training it also gives
what its loss needs. Their parameters are the model's own: trained, averaged, stored and resumed with all others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Joint(nn.Module):
    """A linear classifier whose features are seen by the loss: in training [n, k + d], logits first."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, features: Tensor) -> Tensor:
        """Features [n, d] -> logits [n, k]; in training with the features behind them."""
        logits: Tensor = self.linear(features)
        return torch.cat([logits.float(), features.float()], dim=1) if self.training else logits


class Centred(nn.Module):
    """A linear classifier with a centre for every class: in training [n, 2 k], logits and squared distances to the centres.

    Centres are stored divided by `rate`: an optimiser whose steps do not depend on the gradient's scale (Adam and its
    kin) then moves them `rate` times as far as the weights.
    """

    def __init__(self, linear: nn.Linear, rate: float) -> None:
        super().__init__()
        self.linear, self.rate = linear, rate
        self.centres = nn.Parameter(torch.zeros(linear.out_features, linear.in_features))

    def forward(self, features: Tensor) -> Tensor:
        """Features [n, d] -> logits [n, k]; in training with the squared distances [n, k] behind them."""
        logits: Tensor = self.linear(features)
        if not self.training:
            return logits
        # Distances are differences of large numbers: half precision would leave nothing of them.
        with torch.autocast(features.device.type, enabled=False):
            squares = _squares(features.float(), self.rate * self.centres)
            return torch.cat([logits.float(), squares], dim=1)


def _squares(points: Tensor, centres: Tensor) -> Tensor:
    """Squared Euclidean distances [n, k] of points [n, d] to centres [k, d]."""
    lengths = (points**2).sum(dim=1, keepdim=True) + (centres**2).sum(dim=1)
    return (lengths - 2 * points @ centres.T).clamp(min=0)


class Cosine(nn.Module):
    """Scaled cosines between the features and one direction for each class (NormFace, Wang et al. 2017, arXiv:1704.06369)."""

    def __init__(self, linear: nn.Linear, scale: float) -> None:
        super().__init__()
        self.scale = scale
        # A direction cannot start at zero, as the weights of a linear head do; but alike for every seed it can, as they do.
        start = torch.empty(linear.out_features, linear.in_features)
        self.weight = nn.Parameter(nn.init.xavier_normal_(start, generator=torch.Generator().manual_seed(0)))

    def forward(self, features: Tensor) -> Tensor:
        """Features [n, d] -> logits [n, k] between -scale and scale."""
        if not self.training:
            return self.scale * F.linear(F.normalize(features), F.normalize(self.weight))
        with torch.autocast(features.device.type, enabled=False):
            return self.scale * F.linear(F.normalize(features.float()), F.normalize(self.weight))
