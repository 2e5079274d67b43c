"""Which masks tell what the mask score does to the order, on its good days and its bad ones."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from msrcnn_mm.evaluation.overlaps import Floats, Ints
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, MASK_SCORE

from ..evaluated_detector import ReportModel
from .examples import Example, ScoredMask, choose_examples, example_around

DEMOTED = "Rightly demoted"
PROMOTED = "Rightly promoted"
WRONG_WAY = "Moved the wrong way"
MISJUDGED = "Mask IoU misjudged"
RANDOM = "Picked at random"

# What the images of a gallery are for, in parts of twelve.
_PARTS = {DEMOTED: 4, PROMOTED: 2, WRONG_WAY: 2, MISJUDGED: 1}
_SHARE_OF = 12


@dataclass(frozen=True)
class Places:
    """Where D masks stand among those of their class, 1 the best.

    Attributes:
        by_class_score: (D,).
        by_mask_score: (D,).
        by_true_iou: (D,).
        masks: (D,), how many are of the class.
    """

    by_class_score: Ints
    by_mask_score: Ints
    by_true_iou: Ints
    masks: Ints

    @property
    def moved(self) -> Floats:
        """(D,), how far down the mask score moves a mask, as a share of its class's masks."""
        return (self.by_mask_score - self.by_class_score) / self.masks

    @property
    def should_move(self) -> Floats:
        """(D,), how far down the truth would."""
        return (self.by_true_iou - self.by_class_score) / self.masks


def places(model: ReportModel) -> Places | None:
    """Where the masks stand; None without mask scores."""
    if MASK_SCORE not in model.scores:
        return None
    _, classes = np.unique(
        [str(i) for i in model.evaluation.detections.category_ids], return_inverse=True
    )
    class_scores = model.column(CLASS_SCORE)
    mask_scores = model.column(MASK_SCORE)
    return Places(
        by_class_score=_places(class_scores, classes),
        by_mask_score=_places(np.where(np.isnan(mask_scores), class_scores, mask_scores), classes),
        by_true_iou=_places(np.nan_to_num(model.evaluation.detections.true_ious), classes),
        masks=np.bincount(classes)[classes] if len(classes) else np.zeros(0, np.int64),
    )


def story(
    model: ReportModel,
    sizes: Mapping[Any, tuple[int, int]],
    number: int,
    score_thr: float,
    seed: int,
) -> list[tuple[Example, int]]:
    """Picks masks, each in another image.

    A third are sure of their class, badly cut, and rightly demoted by the mask score. A quarter are
    its mistakes: masks that it moves away from where they belong, and the one whose mask IoU it
    misjudges most. A quarter are picked at random, so that the gallery cannot be better than the
    detector. Where there are too few of a kind, more are picked at random.

    Args:
        model: Its masks need ``bbox``.
        sizes: Image id -> (height, width) in pixels.
        number: How many images.
        score_thr: Masks below this class score are left out.
        seed: Of the random picks.

    Returns:
        At most ``number`` examples, each with its mask's position; fewer if no more have masks.
    """
    ious = np.nan_to_num(model.evaluation.detections.true_ious)
    place = places(model)
    if place is None:
        position = {id(detection): i for i, detection in enumerate(model.detections)}
        examples = choose_examples(model.detections, ious, sizes, number, score_thr, seed)
        return [(e, position[id(e.masks[0].detection)]) for e in examples]
    images: dict[Any, list[tuple[ScoredMask, int]]] = defaultdict(list)
    for i, detection in enumerate(model.detections):
        if detection["score"] >= score_thr:
            images[detection["image_id"]].append((ScoredMask(detection, float(ious[i])), i))
    leads: dict[Any, tuple[str, ScoredMask, int]] = {}
    for why, worth in _worth(place).items():
        best = [
            max(((worth(mask, i), mask, i) for mask, i in masks), key=itemgetter(0))
            for image_id, masks in images.items()
            if image_id not in leads
        ]
        best.sort(key=itemgetter(0), reverse=True)
        for value, mask, i in best[: round(number * _PARTS[why] / _SHARE_OF)]:
            if value > 0:
                leads[mask.detection["image_id"]] = (why, mask, i)
    others = [image_id for image_id in images if image_id not in leads]
    for index in np.random.default_rng(seed).permutation(len(others))[: number - len(leads)]:
        mask, i = max(images[others[index]], key=lambda entry: entry[0].class_score)
        leads[others[index]] = (RANDOM, mask, i)
    shown = {image_id: [mask for mask, _ in images[image_id]] for image_id in leads}
    return [(example_around(why, mask, shown, sizes), i) for why, mask, i in leads.values()]


def _worth(place: Places) -> dict[str, Callable[[ScoredMask, int], float]]:
    """What a mask is chosen for -> how well it and its position tell it; 0 if they do not."""
    moved, should = place.moved, place.should_move
    least = np.minimum(abs(moved), abs(should))
    agreed = np.where(moved * should > 0, least, 0.0)
    against = np.where(moved * should < 0, least, 0.0)

    def demoted(mask: ScoredMask, i: int) -> float:
        return agreed[i] * max(0.0, mask.class_score - mask.true_iou) if moved[i] > 0 else 0.0

    def promoted(mask: ScoredMask, i: int) -> float:
        return agreed[i] * mask.true_iou if moved[i] < 0 else 0.0

    def wrong_way(_: ScoredMask, i: int) -> float:
        return against[i]

    def misjudged(mask: ScoredMask, _: int) -> float:
        return 0.0 if mask.mask_iou is None else mask.mask_iou_error

    return {DEMOTED: demoted, PROMOTED: promoted, WRONG_WAY: wrong_way, MISJUDGED: misjudged}


def _places(values: Floats, classes: Ints) -> Ints:
    """(D,), place of each value among those of its class, from 1; the first given wins ties."""
    order = np.lexsort((-values, classes))
    result = np.empty(len(values), np.int64)
    first = np.searchsorted(classes[order], classes[order])
    result[order] = np.arange(len(values)) - first + 1
    return result
