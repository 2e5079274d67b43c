"""Orders the masks that are left to look at by what a look is expected to gain.

Shape shorthand: D masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msrcnn_mm.evaluation.overlaps import Bools, Floats

from ..calibrators.isotonic import Isotonic
from ..features.image_groups import by_image


@dataclass(frozen=True)
class ImageToReview:
    """An image with masks that are left.

    Attributes:
        image_id: Its id.
        masks: Their positions, that of the greatest gain first.
        gain: Mean gain of a look at one of them: objects that are labelled by it.
    """

    image_id: Any
    masks: list[int]
    gain: float


def expected_gains(scores: Floats, labelled_scores: Floats, ious: Floats) -> Floats:
    """Returns (D,) gains of a look at each mask: the probability that it is of an object.

    A mask that is not accepted gives a label only if somebody looks at it. Where it is of an
    object, the look gains the label of an object; where not, nothing but a deletion. The
    probability is that of an isotonic curve of the score, fitted to the labelled images.

    Args:
        scores: (D,), in [0, 1], of the masks that are left.
        labelled_scores: In [0, 1], of masks in labelled images.
        ious: Their IoUs, 0 for a wrong mask.
    """
    return Isotonic.fit(labelled_scores, (ious > 0).astype(float)).apply(scores)


def review_queue(image_ids: Sequence[Any], gains: Floats, left: Bools) -> list[ImageToReview]:
    """Returns the images with masks that are left, that of the greatest mean gain of a look first.

    Args:
        image_ids: D image ids.
        gains: (D,), from :func:`expected_gains`.
        left: (D,), which masks are left.
    """
    positions = np.flatnonzero(left).tolist()
    queue = []
    for image_id, where in by_image([image_ids[place] for place in positions]).items():
        own = np.array(positions)[where]
        own = own[np.argsort(-gains[own], kind="stable")]
        queue.append(ImageToReview(image_id, own.tolist(), float(gains[own].mean())))
    return sorted(queue, key=lambda image: -image.gain)
