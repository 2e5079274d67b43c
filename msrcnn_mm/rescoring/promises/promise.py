"""Finds the cut of a score above which masks may be accepted unseen.

Shape shorthand: D masks, n labelled and N other images, T cuts from strict to loose.
"""

from dataclasses import dataclass

import numpy as np

from msrcnn_mm.evaluation.overlaps import Floats

from .betting import p_values
from .cuts import ScoredMasks, candidate_cuts

MOST_TIMES = 64
"""The images that are needed are sought up to so many times those that are labelled."""

_FINENESS = 1.1  # ratio of the numbers of images that are tried
_PLANNED = (1 / 3, 2 / 3)  # parts of the allowed losses that images have at the first cut


@dataclass(frozen=True)
class Terms:
    """Holds the terms of a promise about the masks that are accepted.

    Attributes:
        share: Least share of right ones, in [0, 1].
        mean_iou: Least mean IoU, in [0, 1]; that of a wrong mask is 0.
        confidence: Least probability that both hold, in (0, 1).
    """

    share: float = 0.95
    mean_iou: float = 0.8
    confidence: float = 0.95

    @property
    def allowed(self) -> tuple[float, float]:
        """Greatest shares of the masks that may be wrong, and that IoUs may lack on average."""
        return 1 - self.share, 1 - self.mean_iou


@dataclass(frozen=True)
class Promise:
    """A cut and what follows from it.

    Attributes:
        cut: Masks of a score from it on are accepted; None if no cut can be promised.
        accepted: Number of the other images' masks that are accepted.
        left: Number of their other masks.
        share: Share of right masks among those that the cut accepts in the labelled images; without
            a cut, that of the cut that failed. NaN without a mask.
        mean_iou: Their mean IoU, likewise.
    """

    cut: float | None
    accepted: int
    left: int
    share: float
    mean_iou: float


class PromiseSearch:
    """Searches the loosest cut at which terms hold.

    The method is Learn-then-Test (Angelopoulos, Bates, Candes, Jordan and Lei, 2021, arXiv
    2110.01052) with fixed-sequence testing: cuts are tested from strict to loose until the first
    that fails, each at a level of 1 - confidence. So the probability of a cut at which a term does
    not hold is at most 1 - confidence. At each cut both terms must pass, so they hold together.
    The test of a term is that of :mod:`.betting`: wrong masks, and lacks of IoU (1 - IoU), are the
    losses of an image.

    Labelled and other images must be drawn from one source, independently of each other. The terms
    then hold for images of this source that have no more accepted masks than any of the N others:
    for E[right masks of an image] / E[accepted masks of an image], and likewise for the IoU.
    Nothing is assumed of the scores, of the masks, or of how masks of an image depend on each
    other.

    Cuts, the most masks of an image and the first cut depend on the others alone, so that they are
    fixed before the labels are looked at. The first cut is the strictest that n images like the
    others would pass if each had a third of the wrong masks and two thirds of the lack of IoU that
    are allowed: stricter ones accept too few masks for a test.

    Args:
        labelled: D masks of n >= 1 images.
        ious: (D,), IoU of each with the object that it is matched with, 0 for a wrong mask.
        others: Masks of N images.
    """

    def __init__(self, labelled: ScoredMasks, ious: Floats, others: ScoredMasks) -> None:
        self._labelled = labelled.total
        self._cuts = candidate_cuts(others.scores)
        self._others = others.per_image(self._cuts)
        self._most = self._others.max(axis=0, initial=0)
        self._masks = labelled.per_image(self._cuts)
        self._losses = (
            labelled.per_image(self._cuts, (ious == 0).astype(float)),
            labelled.per_image(self._cuts, 1 - ious),
        )

    def promise(self, terms: Terms, images: int | None = None) -> Promise:
        """Tests the cuts.

        Args:
            terms: What is to be promised.
            images: Number of images to test on, for an estimate: the labelled ones are taken again
                and again. By default each once.
        """
        if not len(self._cuts):
            return Promise(None, 0, 0, np.nan, np.nan)
        images = images or self._labelled
        passed = self._p_values(self._masks, self._losses, terms, images) <= 1 - terms.confidence
        first = self._first(terms, images)
        failed = np.flatnonzero(~passed[first:])
        end = first + (int(failed[0]) if len(failed) else len(passed) - first)
        kept, at = end > first, max(end - 1, first)
        masks = self._masks[:, at].sum()
        share, mean_iou = (
            float(1 - losses[:, at].sum() / masks) if masks else np.nan for losses in self._losses
        )
        accepted = int(self._others[:, at].sum()) if kept else 0
        left = int(self._others[:, -1].sum()) - accepted
        return Promise(float(self._cuts[at]) if kept else None, accepted, left, share, mean_iou)

    def images_needed(self, terms: Terms) -> int | None:
        """Estimates how many labelled images are enough for a promise.

        They are taken to be like those that are labelled. None if :data:`MOST_TIMES` as many would
        not do.
        """
        steps = int(np.log(MOST_TIMES) / np.log(_FINENESS))
        sizes = np.unique((self._labelled * _FINENESS ** np.arange(1, steps + 1)).astype(int))
        low, high = 0, len(sizes)
        while low < high:
            middle = (low + high) // 2
            enough = self.promise(terms, int(sizes[middle])).cut is not None
            low, high = (low, middle) if enough else (middle + 1, high)
        return int(sizes[low]) if low < len(sizes) else None

    def _first(self, terms: Terms, images: int) -> int:
        """Returns the number of the cut that is tested first."""
        losses = tuple(
            part * share * self._others for part, share in zip(_PLANNED, terms.allowed, strict=True)
        )
        p = self._p_values(self._others, losses, terms, images)
        within = np.flatnonzero(p <= 1 - terms.confidence)
        return int(within[0] if len(within) else p.argmin())

    def _p_values(
        self, masks: Floats, losses: tuple[Floats, ...], terms: Terms, images: int
    ) -> Floats:
        """Returns (T,) p-values of the hypotheses that one of the terms does not hold."""
        order = np.random.default_rng(0).permutation(images) % len(masks)
        p = [
            p_values(masks[order], loss[order], share, self._most)
            for loss, share in zip(losses, terms.allowed, strict=True)
        ]
        joint: Floats = np.maximum(*p)
        return joint
