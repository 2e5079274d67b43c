"""Chooses the images that pictures show, by the scores of their masks and at random."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.evaluation.overlaps import Floats, Ints
from msrcnn_mm.evaluation.protocol import MATCHED_IOU

from .examples import Example, example_around

NEARER = "mask score nearer to the truth"
FAR = "mask score far from the truth"
CLASS_FAR = "class score far from the truth"
RANDOM = "picked at random"

DEMOTED = "rightly demoted"
PROMOTED = "rightly promoted"
WRONG_WAY = "moved the wrong way"
MISJUDGED = "mask IoU misjudged"

_GALLERY_PARTS = {DEMOTED: 4, PROMOTED: 2, WRONG_WAY: 2, MISJUDGED: 1}
_GALLERY_WHOLE = 12


@dataclass(frozen=True)
class Ranks:
    """Ranks of D masks among the masks of their class, from 1.

    Attributes:
        by_class_score: (D,).
        by_mask_score: (D,); a mask without a mask score ranks by its class score.
        by_true_iou: (D,).
        masks: (D,), number of masks of the class.
    """

    by_class_score: Ints
    by_mask_score: Ints
    by_true_iou: Ints
    masks: Ints

    @property
    def change(self) -> Floats:
        """(D,), how far the mask score moves a mask down, as a share of the class's masks."""
        return (self.by_mask_score - self.by_class_score) / self.masks

    @property
    def right_change(self) -> Floats:
        """(D,), how far the true IoU would move it down, likewise."""
        return (self.by_true_iou - self.by_class_score) / self.masks


def ranks_in_class(detections: Detections, true_ious: Column) -> Ranks | None:
    """Ranks masks by class score, mask score and true IoU; None without mask scores.

    Args:
        detections: D detections.
        true_ious: (D,), in [0, 1].
    """
    if detections.mask_scores is None:
        return None
    _, classes = np.unique([str(i) for i in detections.category_ids], return_inverse=True)
    class_scores, mask_scores = detections.class_scores, detections.mask_scores
    return Ranks(
        by_class_score=_ranks(class_scores, classes),
        by_mask_score=_ranks(np.where(np.isnan(mask_scores), class_scores, mask_scores), classes),
        by_true_iou=_ranks(true_ious, classes),
        masks=np.bincount(classes)[classes] if len(classes) else np.zeros(0, np.int64),
    )


def choose_examples(
    detections: Detections,
    true_ious: Column,
    coco: COCO,
    count: int,
    score_thr: float,
    seed: int,
) -> list[Example]:
    """Chooses images in which the mask score is right, in which it is wrong, and some at random.

    With mask scores, about half are the images where the mask score corrects the class score most.
    A quarter, at least one of several, are those where s_iou errs most. A third is chosen at
    random, so that the selection does not favour the detector.

    Args:
        detections: D detections with masks and boxes.
        true_ious: (D,), in [0, 1].
        coco: The annotations.
        count: Number of images.
        score_thr: Masks below this class score are left out.
        seed: Seed of the random choice.

    Returns:
        At most ``count`` examples, each of another image; fewer if no more images have masks.
    """
    num_far = max(1, count // 4) if count > 1 else 0
    num_random = count // 3 if count > 2 else 0
    num_near = count - num_far - num_random
    class_errors = np.abs(detections.class_scores - true_ious)
    is_matched = true_ious >= MATCHED_IOU
    mask_scores, mask_ious = detections.mask_scores, detections.implied_mask_ious
    leads = _Leads(detections, score_thr)
    if mask_scores is None or mask_ious is None:
        leads.add(CLASS_FAR, np.where(is_matched, class_errors, 0.0), num_near + num_far)
    else:
        leads.leave_out(np.isnan(mask_scores))
        corrected = class_errors - np.abs(mask_scores - true_ious)
        leads.add(NEARER, np.where(is_matched, corrected, 0.0), num_near)
        leads.add(FAR, np.abs(mask_ious - true_ious), num_far)
    # A random number from 1 orders the images. In each, the mask of the best class score leads.
    order = 1.0 + np.random.default_rng(seed).permutation(len(leads.images))
    numbers = dict(zip(leads.images, order, strict=True))
    by_image = np.array([numbers.get(i, 0.0) for i in detections.image_ids])
    leads.add(RANDOM, by_image + np.minimum(detections.class_scores, 1) / 2, count - len(leads))
    return leads.examples(coco)


def choose_gallery(
    detections: Detections,
    true_ious: Column,
    coco: COCO,
    count: int,
    score_thr: float,
    seed: int,
) -> list[Example]:
    """Chooses images by the changes of rank from class score to mask score.

    With mask scores, four images of twelve have a mask of high class score and low true IoU that
    the mask score rightly demotes, two a mask that it rightly promotes, two a mask that it moves
    the wrong way, and one the mask whose s_iou errs most. The rest is chosen at random. Without
    mask scores the choice is that of :func:`choose_examples`, whose arguments and result these are.
    """
    ranks = ranks_in_class(detections, true_ious)
    if ranks is None:
        return choose_examples(detections, true_ious, coco, count, score_thr, seed)
    leads = _Leads(detections, score_thr)
    for why, worth in _gallery_worth(detections, true_ious, ranks).items():
        leads.add(why, worth, round(count * _GALLERY_PARTS[why] / _GALLERY_WHOLE))
    others = [image_id for image_id in leads.images if image_id not in leads.chosen]
    for index in np.random.default_rng(seed).permutation(len(others))[: count - len(leads)]:
        masks = leads.images[others[index]]
        leads.chosen[others[index]] = RANDOM, max(masks, key=detections.class_scores.__getitem__)
    return leads.examples(coco)


def _gallery_worth(detections: Detections, true_ious: Column, ranks: Ranks) -> dict[str, Floats]:
    """Returns reason -> (D,), how well each mask illustrates it; at most 0 if it does not."""
    change, right_change = ranks.change, ranks.right_change
    least = np.minimum(np.abs(change), np.abs(right_change))
    agreed = np.where(change * right_change > 0, least, 0.0)
    too_sure = np.maximum(0.0, detections.class_scores - true_ious)
    mask_ious = detections.implied_mask_ious
    assert mask_ious is not None
    return {
        DEMOTED: np.where(change > 0, agreed * too_sure, 0.0),
        PROMOTED: np.where(change < 0, agreed * true_ious, 0.0),
        WRONG_WAY: np.where(change * right_change < 0, least, 0.0),
        MISJUDGED: np.nan_to_num(np.abs(mask_ious - true_ious)),
    }


class _Leads:
    """Collects the masks for which images are chosen, one for each image.

    Attributes:
        images: Image id -> positions of its masks that may be shown.
        chosen: Image id -> the reason and the position of the mask for which it was chosen.
    """

    def __init__(self, detections: Detections, score_thr: float) -> None:
        self._detections = detections
        self.images: dict[Any, list[int]] = defaultdict(list)
        self.chosen: dict[Any, tuple[str, int]] = {}
        for index in np.flatnonzero(detections.class_scores >= score_thr).tolist():
            self.images[detections.image_ids[index]].append(index)

    def __len__(self) -> int:
        return len(self.chosen)

    def leave_out(self, excluded: np.ndarray) -> None:
        """Removes the masks where (D,) ``excluded`` is true, and the images without another."""
        kept = {i: [m for m in masks if not excluded[m]] for i, masks in self.images.items()}
        self.images = {i: masks for i, masks in kept.items() if masks}

    def add(self, why: str, worth: Floats, count: int) -> None:
        """Chooses the ``count`` best images that are not chosen yet, by their mask of most worth.

        Args:
            why: The reason.
            worth: (D,); only a mask of worth above 0 is chosen.
            count: The greatest number of images to choose.
        """
        best = [
            max(masks, key=worth.__getitem__)
            for image_id, masks in self.images.items()
            if image_id not in self.chosen
        ]
        best = sorted((m for m in best if worth[m] > 0), key=worth.__getitem__, reverse=True)
        for mask in best[:count]:
            self.chosen[self._detections.image_ids[mask]] = why, mask

    def examples(self, coco: COCO) -> list[Example]:
        """Returns a view of each chosen mask, in the order of the choice."""
        return [
            example_around(why, mask, self.images[image_id], self._detections, coco.imgs[image_id])
            for image_id, (why, mask) in self.chosen.items()
        ]


def _ranks(values: Floats, classes: Ints) -> Ints:
    """Returns (D,) ranks of values in their classes, from 1; the first given wins ties."""
    order = np.lexsort((-values, classes))
    result = np.empty(len(values), np.int64)
    first = np.searchsorted(classes[order], classes[order])
    result[order] = np.arange(len(values)) - first + 1
    return result
