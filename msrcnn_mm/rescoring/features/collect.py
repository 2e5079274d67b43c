"""Collects the features of detections that a re-scorer is fitted to.

Shape shorthand: D detections, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats

from .agreement import agreement, agreement_features, kinds_in, read_agreement
from .context import context_features
from .image_groups import masks_of
from .own import own_features
from .views import View, check_view, kinds_of

BASES = ("consensus", "maskness", "class_score")
"""Scores that need no fitting, the best first."""


@dataclass(frozen=True)
class Features:
    """Features of D detections.

    Attributes:
        names: F names.
        values: (D, F), NaN where a detection lacks one.
        views: Sorted kinds of the views, see :func:`.views.kinds_of`.
    """

    names: list[str]
    values: Floats
    views: list[str]

    @property
    def base(self) -> int:
        """Number of the best score that needs no fitting."""
        return next(self.names.index(name) for name in BASES if name in self.names)


def features_of(detections: Detections, views: Sequence[View] = ()) -> Features:
    """Computes the features of detections by themselves, in their image, and from views.

    Results without boxes, mask probabilities, s_iou or views have fewer features.

    Args:
        detections: D detections with masks.
        views: Results of the same images in other views; without any, agreement is that of the
            detections' own entry, see :func:`.agreement.with_agreement`.

    Raises:
        UserError: There are no detections, or they have no masks; a view does not fit, see
            :func:`.views.check_view`; an entry is damaged, see :func:`.agreement.read_agreement`.
    """
    if not len(detections):
        raise UserError("there are no detections to re-score")
    masks_of(detections)
    found = [agreement(detections, check_view(detections, view)[0]) for view in views]
    columns = own_features(detections) | context_features(detections)
    columns |= agreement_features(detections, found) if views else read_agreement(detections)
    values = np.column_stack(list(columns.values()))
    return Features(list(columns), values, kinds_given(detections, views))


def kinds_given(detections: Detections, views: Sequence[View]) -> list[str]:
    """Returns the sorted kinds of the views; without any, of the detections' own entry.

    Raises:
        UserError: See :func:`.agreement.kinds_in`.
    """
    return kinds_of(views) if views else kinds_in(detections)
