"""Takes masks of results for a promise: their score, and what the labels say of them.

Shape shorthand: D detections.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.matching import matched_ious
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import (
    AGREEMENT_SCORE,
    CLASS_SCORE,
    CONSENSUS,
    CORRECT_IOU,
    MASK_SCORE,
    MASKNESS,
    RESCORED_SCORE,
    coco_protocol,
    words,
)
from msrcnn_mm.evaluation.rankings import in_unit_interval, score_columns

from .cuts import ScoredMasks
from .promise import PromiseSearch

PREFERRED = (RESCORED_SCORE, CONSENSUS, AGREEMENT_SCORE, MASK_SCORE, MASKNESS, CLASS_SCORE)
"""Scores, those first that rank masks best where they were measured (docs/rescoring.md)."""

_ALL = 1 << 31  # detections of a class in an image that count


def shared_scores(*results: Detections) -> list[str]:
    """Returns the scores that all masks of all results have, in the order of preference."""
    known = [score_columns(one) for one in results]
    return [
        name
        for name in PREFERRED
        if all(name in columns and not np.isnan(columns[name]).any() for columns in known)
    ]


def choose_score(asked: str | None, *results: Detections) -> str:
    """Returns the score by which masks are accepted.

    Args:
        asked: Its name; None for the best that all masks have.
        *results: All results.

    Raises:
        UserError: Not all masks have the score that is asked for, or one leaves [0, 1].
    """
    shared = shared_scores(*results)
    if asked is not None and asked not in shared:
        raise UserError(
            f"--score-by {asked}: not all masks have a {words(asked)}; all have {', '.join(shared)}"
        )
    score = asked or shared[0]
    values = np.concatenate([score_columns(one)[score] for one in results])
    if not in_unit_interval(values):
        raise UserError(
            f"the {words(score)} goes from {values.min():g} to {values.max():g} and must be in"
            " [0, 1]: divide percentages by 100"
        )
    return score


class Objects:
    """The objects of labelled images, by which masks are right or wrong.

    Args:
        coco: The annotations.
        detections: D masks of these images.

    Raises:
        UserError: As :func:`msrcnn_mm.evaluation.overlaps.find_overlaps`.
    """

    def __init__(self, coco: COCO, detections: Detections) -> None:
        self._protocol = coco_protocol(coco, _ALL)
        self._overlaps = find_overlaps(coco, detections, self._protocol)
        self._total = len(detections)

    def ious(self, scores: Column) -> Column:
        """Returns (D,) IoUs of masks with the objects that they are matched with; 0 if wrong.

        A mask is right if it has an IoU of at least 0.5 with an object of its class that no mask of
        a higher score has taken, as in COCO's evaluation. So a duplicate is wrong. So is a mask of
        a crowd region, which is no single object. A cut does not change what is right above it.

        Args:
            scores: (D,), by which masks are accepted.
        """
        own = scores[self._overlaps.detections]
        (ious,) = matched_ious(self._overlaps, own, self._protocol, (CORRECT_IOU,))
        return np.nan_to_num(self._overlaps.spread(ious, self._total))


@dataclass(frozen=True)
class Split:
    """Masks of labelled images, and of other images that a promise is about.

    Attributes:
        labelled: Masks of the labelled images.
        truth: Annotations of these.
        others: Masks of the other images.
        images: List of these, in COCO's format.
    """

    labelled: Detections
    truth: COCO
    others: Detections
    images: COCO

    def scores(self, score: str) -> tuple[Column, Column]:
        """Returns a score that all masks have, of the labelled and of the other images."""
        return score_columns(self.labelled)[score], score_columns(self.others)[score]

    def ious(self, score: str) -> Column:
        """Returns the IoUs of the labelled masks, see :meth:`Objects.ious`."""
        return self._objects.ious(self.scores(score)[0])

    @cached_property
    def _objects(self) -> Objects:
        return Objects(self.truth, self.labelled)

    def search(self, score: str, least: float) -> PromiseSearch:
        """Returns the search for a cut of a score.

        Args:
            score: Its name, one of :func:`shared_scores`.
            least: Masks of other images with a lower score are left out.
        """
        own, theirs = self.scores(score)
        return PromiseSearch(
            _scored(self.labelled, own, self.truth),
            self.ious(score),
            _scored(self.others, theirs, self.images, least),
        )


def _scored(
    detections: Detections, scores: Column, coco: COCO, least: float = -np.inf
) -> ScoredMasks:
    numbers = {image_id: number for number, image_id in enumerate(coco.imgs)}
    images = np.array([numbers[image_id] for image_id in detections.image_ids], np.int64)
    kept = scores >= least
    return ScoredMasks(scores[kept], images[kept], len(numbers))
