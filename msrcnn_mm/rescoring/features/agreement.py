"""Computes how well each mask is found again in other views, and scores that need no fitting.

Shape shorthand: D detections, n of one image, m of the view's same image, V views.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_values import is_number
from msrcnn_mm.coco.lazy_rles import rles_at
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats, Ints
from msrcnn_mm.processes import in_processes

from .image_groups import by_image, mask_ious, masks_of, numbered, row_blocks
from .views import KINDS, View, check_view, kinds_of

AGREEMENT = "agreement"
AGREED_SCORE = "agreed_score"
EXPECTED = "expected_agreement"
_OF_VIEW = (AGREEMENT, AGREED_SCORE, EXPECTED)

ENTRY = "view_agreement"
"""Entry of a row of a results file: ``views``, their sorted kinds, and numbers of agreement."""

NAMES = (*_OF_VIEW, *(f"{name}_min" for name in _OF_VIEW))
"""Names of the numbers in the entry, in order; the last three with two or more views."""

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
    blocks = [
        (here[rows], there[image_id])
        for image_id, here in by_image(detections.image_ids).items()
        if image_id in there
        for rows in row_blocks(len(here), len(there[image_id]))
    ]

    def of_block(block: tuple[Ints, Ints]) -> Floats:
        here, near = block
        ious = np.zeros((len(here), len(near)))
        mine, theirs = rles_at(masks, here), rles_at(others, near)
        for one in np.intersect1d(classes[here], view_classes[near]):
            rows = np.flatnonzero(classes[here] == one)
            places = np.flatnonzero(view_classes[near] == one)
            ious[rows[:, None], places] = mask_ious(
                [mine[i] for i in rows], [theirs[i] for i in places]
            )
        return _of_rows(ious, view.class_scores[near])

    for (here, _), found in zip(blocks, in_processes(of_block, blocks, "agreement"), strict=True):
        columns[:, here] = found
    return dict(zip(_OF_VIEW, columns, strict=True))


def _of_rows(ious: Floats, scores: Floats) -> Floats:
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
        (D,) agreement scores, class score x mean foreground probability x agreement; (D,)
        consensus, sqrt(class score x expected agreement) x mean foreground probability. Agreements
        are means over the views. The probability is 1 for a detection without it.
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
    for name in _OF_VIEW:
        of_views = np.stack([view[name] for view in views])
        columns[name] = of_views.mean(axis=0)
        if len(views) > 1:
            columns[f"{name}_min"] = of_views.min(axis=0)
    return columns | _scores(detections, columns)


def with_agreement(detections: Detections, views: Sequence[View]) -> Detections:
    """Returns the detections with agreement scores, consensus and the entry :data:`ENTRY`.

    Args:
        detections: D detections with masks.
        views: Results of the same images in other views, at least one.

    Raises:
        UserError: A view does not fit, see :func:`.views.check_view`.
    """
    found = [agreement(detections, check_view(detections, view)[0]) for view in views]
    return with_columns(detections, kinds_of(views), found)


def with_columns(
    detections: Detections, kinds: list[str], views: Sequence[Mapping[str, Column]]
) -> Detections:
    """Returns the detections with agreement scores, consensus and the entry :data:`ENTRY`.

    Args:
        detections: D detections.
        kinds: Sorted kinds of the views, see :func:`.views.kinds_of`.
        views: From :func:`agreement`, of each view; at least one.
    """
    columns = agreement_features(detections, views)
    scores = {name: columns.pop(name) for name in ("agreement_score", "consensus")}
    names = [name for name in NAMES if name in columns]
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    entries = [{"views": kinds, **dict(zip(names, row, strict=True))} for row in rows]
    extras = detections.extras or [{}] * len(detections)
    return replace(
        detections,
        agreement_scores=scores["agreement_score"],
        consensus=scores["consensus"],
        extras=[{**one, ENTRY: entry} for one, entry in zip(extras, entries, strict=True)],
    )


def kinds_in(detections: Detections) -> list[str]:
    """Returns the sorted kinds of the views in the entry :data:`ENTRY`; none without the entry.

    Raises:
        UserError: Detections differ in them, or they are not such kinds.
    """
    entries = [extra.get(ENTRY) for extra in detections.extras or ()]
    if all(one is None for one in entries):
        return []
    kinds: list[str] = []
    for index, entry in enumerate(entries):
        own = entry.get("views") if isinstance(entry, dict) else None
        if entry is None:
            raise UserError(
                f"detection {index} has no {ENTRY!r}, which others have: write the results anew by"
                " python -m msrcnn_mm agree"
            )
        if not own or not isinstance(own, list) or not all(one in KINDS for one in own):
            raise UserError(
                f"detection {index} has {ENTRY!r} without the list 'views' of {' and '.join(KINDS)}"
                ": write the results anew by python -m msrcnn_mm agree"
            )
        kinds = kinds or sorted(own)
        if sorted(own) != kinds:
            raise UserError(
                f"detection {index} has {ENTRY!r} of the views {', '.join(own)}, and those before"
                f" it of {', '.join(kinds)}: write the results anew by python -m msrcnn_mm agree"
            )
    return kinds


def read_agreement(detections: Detections) -> dict[str, Column]:
    """Returns the features of :func:`agreement_features` from the entry :data:`ENTRY`.

    Returns:
        Name -> (D,); none without the entry.

    Raises:
        UserError: See :func:`kinds_in`; or an agreement is not a number from 0 to 1.
    """
    kinds = kinds_in(detections)
    if not kinds:
        return {}
    columns = {}
    for name in _OF_VIEW:
        for key in (name, f"{name}_min") if len(kinds) > 1 else (name,):
            values = [extra[ENTRY].get(key) for extra in detections.extras or ()]
            for index, value in enumerate(values):
                if not is_number(value) or not 0 <= value <= 1:
                    raise UserError(
                        f"detection {index} has {ENTRY!r} whose {key} is {value!r:.30}, not a"
                        " number from 0 to 1: write the results anew by python -m msrcnn_mm agree"
                    )
            columns[key] = np.array(values, float)
    return columns | _scores(detections, columns)


def _scores(detections: Detections, columns: Mapping[str, Column]) -> dict[str, Column]:
    agreed, consensus = agreement_scores(detections, [columns])
    return {"agreement_score": agreed, "consensus": consensus}
