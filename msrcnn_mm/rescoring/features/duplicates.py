"""Warns of near-duplicates, which agreement cannot tell from the detections that they repeat."""

import numpy as np

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.lazy_rles import rles_at
from msrcnn_mm.errors import warn

from .image_groups import by_image, mask_ious_within, masks_of

SCORED = 0.05
"""Class score from which on a detection counts."""

DUPLICATE_IOU = 0.7
"""IoU above which a detection is a near-duplicate of a better one of its class."""

MOST_DUPLICATES = 0.05
"""Share of near-duplicates above which there is a warning.

Box NMS at 0.5 leaves 0.1% to 3%. NMS of MaskRCNN2Go's results in two views at 0.8 leaves 5%, and
the consensus gains as at 0.5; at 0.9 it leaves 11%, and the consensus falls below the agreement
score.
"""

_IMAGES = 500  # looked at; more would not change the share much


def near_duplicates(detections: Detections) -> tuple[int, int]:
    """Counts detections of class score >= :data:`SCORED` that nearly repeat a better one.

    Args:
        detections: With masks. Those of 500 images, spread over all, are looked at.

    Returns:
        Number of near-duplicates; number of detections looked at.
    """
    masks, scores = masks_of(detections), detections.class_scores
    counted = np.flatnonzero(scores >= SCORED)
    ids = [detections.image_ids[i] for i in counted]
    images = list(by_image(ids).values())
    repeated = total = 0
    for where in images[:: -(-len(images) // _IMAGES) or 1]:
        where = counted[where]
        total += len(where)
        for same in by_image([detections.category_ids[i] for i in where]).values():
            order = where[same][np.argsort(-scores[where[same]], kind="stable")]
            above = np.tril(mask_ious_within(rles_at(masks, order)), k=-1)
            repeated += int((above.max(axis=1) > DUPLICATE_IOU).sum())
    return repeated, total


def duplicate_warning(repeated: int, total: int) -> str | None:
    """Returns a line about near-duplicates; None where they are few.

    Args:
        repeated: Number of near-duplicates.
        total: Number of detections looked at.
    """
    if repeated <= MOST_DUPLICATES * total:
        return None
    return (
        f"{repeated / total:.0%} of the detections with a class score of {SCORED} or more overlap a"
        f" better one of their class by an IoU > {DUPLICATE_IOU}. Such near-duplicates agree with"
        " the views as well as the better ones, so agreement score and consensus gain less: lower"
        " the detector's NMS threshold, or fit a re-scorer"
    )


def warn_of_duplicates(detections: Detections, name: str) -> None:
    """Warns where near-duplicates are many.

    Args:
        detections: With masks.
        name: The file's name.
    """
    warning = duplicate_warning(*near_duplicates(detections))
    if warning is not None:
        warn(f"{name}: {warning}")
