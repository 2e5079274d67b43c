"""Counts the masks of each image that cuts of a score accept.

Shape shorthand: D masks, N images, T cuts from strict to loose.
"""

from dataclasses import dataclass

import numpy as np

from msrcnn_mm.evaluation.overlaps import Floats, Ints

CUTS = 60
"""Most cuts that are tried."""


@dataclass(frozen=True)
class ScoredMasks:
    """D masks of N images.

    Attributes:
        scores: (D,), by which masks are accepted; higher is better.
        images: (D,), number of each mask's image, from 0.
        total: N, images without masks included.
    """

    scores: Floats
    images: Ints
    total: int

    def per_image(self, cuts: Floats, values: Floats | None = None) -> Floats:
        """Returns (N, T) sums over the masks of an image that each cut accepts.

        Args:
            cuts: (T,), descending; a mask is accepted from the cut on.
            values: (D,), to sum; by default masks are counted.
        """
        first = np.searchsorted(-cuts, -self.scores)
        sums = np.zeros((self.total, len(cuts) + 1))
        np.add.at(sums, (self.images, first), 1.0 if values is None else values)
        accepted: Floats = sums[:, :-1].cumsum(axis=1)
        return accepted


def candidate_cuts(scores: Floats) -> Floats:
    """Returns (T,) cuts, descending, that accept ever more of D masks, the last one all.

    Each accepts about as many times more than the one before.

    Args:
        scores: (D,).
    """
    if not len(scores):
        return np.zeros(0)
    ranks = np.geomspace(1, len(scores), CUTS).round().astype(int) - 1
    cuts: Floats = np.unique(np.sort(scores)[::-1][ranks])[::-1]
    return cuts
