"""Computes how well each mask is found again in other views, and scores that need no fitting.

Shape shorthand: D detections, n of one image, m of the view's same image, V views.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.evaluation.overlaps import Floats, progress

from .image_groups import by_image, mask_ious, masks_of, numbered

AGREEMENT = "agreement"
AGREED_SCORE = "agreed_score"
EXPECTED = "expected_agreement"

AGREED_IOU = 0.5
"""IoU above which the score of the mask that agrees best counts."""


def agreement(detections: Detections, view: Detections) -> dict[str, Column]:
    """Compares each mask with those of its class in a view of its image.

    Args:
        detections: D detections with masks.
        view: Detections with masks, brought back to the image, see :mod:`.views`.

    Returns:
        Name -> (D,) in [0, 1], 0 where the view has no mask of the class: ``agreement``, the IoU
        with the mask for which IoU x sqrt(class score) is greatest; ``agreed_score``, the class
        score of that one if the IoU exceeds :data:`AGREED_IOU`, else 0; ``expected_agreement``, the
        greatest IoU x class score.
    """
    columns = np.zeros((3, len(detections)))
    masks, others = masks_of(detections), masks_of(view)
    numbers: dict[Any, int] = {}
    classes = numbered(detections.category_ids, numbers)
    view_classes = numbered(view.category_ids, numbers)
    there = by_image(view.image_ids)
    images = by_image(detections.image_ids)
    for image_id, here in progress(images.items(), "agreement", len(images)):
        if image_id in there:
            near = there[image_id]
            ious = np.zeros((len(here), len(near)))
            for one in np.intersect1d(classes[here], view_classes[near]):
                rows = np.flatnonzero(classes[here] == one)
                places = np.flatnonzero(view_classes[near] == one)
                ious[rows[:, None], places] = mask_ious(
                    [masks[i] for i in here[rows]], [others[i] for i in near[places]]
                )
            columns[:, here] = _of_image(ious, view.class_scores[near])
    return dict(zip((AGREEMENT, AGREED_SCORE, EXPECTED), columns, strict=True))


def _of_image(ious: Floats, scores: Floats) -> Floats:
    """Returns the (3, n) columns of (n, m) IoUs, 0 between classes, and (m,) class scores."""
    best = (ious * np.sqrt(scores)).argmax(axis=1)
    agreed = np.take_along_axis(ious, best[:, None], axis=1)[:, 0]
    return np.stack(
        (
            agreed,
            np.where(agreed > AGREED_IOU, scores[best], 0),
            (ious * scores).max(axis=1),
        )
    )


def agreement_scores(
    detections: Detections, views: Sequence[Mapping[str, Column]]
) -> tuple[Column, Column]:
    """Computes the two scores from agreement that need no fitting.

    Args:
        detections: D detections.
        views: From :func:`agreement`, of each view; at least one.

    Returns:
        (D,) agreement scores, class score x maskness factor x agreement; (D,) consensus,
        sqrt(class score x expected agreement) x maskness factor. Agreements are means over the
        views. The maskness factor is the mean probability of the foreground, 1 for a detection
        without it.
    """
    factors = np.ones(len(detections))
    if detections.foreground_probs is not None:
        factors = np.where(np.isnan(detections.foreground_probs), 1, detections.foreground_probs)
    agreed = np.mean([view[AGREEMENT] for view in views], axis=0)
    expected = np.mean([view[EXPECTED] for view in views], axis=0)
    scores = detections.class_scores
    return scores * factors * agreed, np.sqrt(scores * expected) * factors


def agreement_features(
    detections: Detections, views: Sequence[Mapping[str, Column]]
) -> dict[str, Column]:
    """Returns the features from agreement: mean and minimum over views, and the two scores.

    Args:
        detections: D detections.
        views: From :func:`agreement`, of each view; none gives no features.

    Returns:
        Name -> (D,).
    """
    if not views:
        return {}
    columns: dict[str, Column] = {}
    for name in (AGREEMENT, AGREED_SCORE, EXPECTED):
        of_views = np.stack([view[name] for view in views])
        columns[name] = of_views.mean(axis=0)
        if len(views) > 1:
            columns[f"{name}_min"] = of_views.min(axis=0)
    columns["agreement_score"], columns["consensus"] = agreement_scores(detections, views)
    return columns
