"""Which images show what mask scores are worth, and where they fail."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Detection

NEARER = "mask score nearer to the truth"
FAR = "mask score far from the truth"
CLASS_FAR = "class score far from the truth"
RANDOM = "picked at random"

_MOST_MASKS = 4  # that labels of legible size leave room for in one view
_VIEW = 4.5  # side of the view, in sides of the leading mask's box
_SMALLEST_VIEW = 72  # pixels
_NEAR_DUPLICATE = 0.3  # IoU of boxes from which on a second mask would only hide the first
_HIT = 0.1  # true IoU from which on a mask is of an instance, well or badly, and no false alarm


@dataclass(frozen=True)
class ScoredMask:
    """A detection and what its scores should have told."""

    detection: Detection
    true_iou: float

    @property
    def class_score(self) -> float:
        """s_cls."""
        return self.detection["score"]

    @property
    def mask_score(self) -> float | None:
        """s_mask = s_cls * s_iou; None if the detector has none."""
        return self.detection.get("mask_score")

    @property
    def mask_iou(self) -> float | None:
        """s_iou, from the mask score where the results leave it out."""
        if "mask_iou" in self.detection or self.mask_score is None:
            return self.detection.get("mask_iou")
        return self.mask_score / self.class_score if self.class_score else 0.0

    @property
    def gain(self) -> float:
        """How much nearer to the true IoU the mask score is than the class score; 0 if no hit."""
        assert self.mask_score is not None
        if self.true_iou < _HIT:
            return 0.0
        return abs(self.class_score - self.true_iou) - abs(self.mask_score - self.true_iou)

    @property
    def mask_iou_error(self) -> float:
        """How far s_iou is from the true IoU."""
        assert self.mask_iou is not None
        return abs(self.mask_iou - self.true_iou)

    @property
    def class_score_error(self) -> float:
        """How far s_cls is from the true IoU; 0 if no hit."""
        return abs(self.class_score - self.true_iou) if self.true_iou >= _HIT else 0.0


@dataclass(frozen=True)
class Example:
    """A view of an image to be shown.

    Attributes:
        image_id: The image.
        why: What it was chosen for, or that it was not chosen.
        view: x1, y1, x2, y2 of the part to show, whole pixels.
        masks: The masks to show in it; the first is the one it was chosen for.
    """

    image_id: Any
    why: str
    view: tuple[int, int, int, int]
    masks: list[ScoredMask]


def choose_examples(
    detections: Sequence[Detection],
    true_ious: NDArray[np.float64],
    sizes: Mapping[Any, tuple[int, int]],
    count: int,
    score_thr: float,
    seed: int,
) -> list[Example]:
    """Picks images that tell the story without hiding its other side.

    About half are those where the mask score corrects the class score most. At least one of
    several is the one where s_iou errs most, and about a third are picked at random, so that the
    picture cannot be better than the detector.

    Args:
        detections: D detections with ``segmentation`` and ``bbox``.
        true_ious: (D,), the true IoU of each.
        sizes: Image id -> (height, width) in pixels.
        count: How many images.
        score_thr: Detections below this class score are left out.
        seed: Of the random picks.

    Returns:
        At most ``count`` examples, each of another image; fewer if no more have detections.
    """
    images = defaultdict(list)
    for detection, iou in zip(detections, true_ious, strict=True):
        if detection["score"] >= score_thr:
            images[detection["image_id"]].append(ScoredMask(detection, float(iou)))
    num_far = max(1, count // 4) if count > 1 else 0
    num_random = count // 3 if count > 2 else 0
    num_near = count - num_far - num_random
    leads: list[tuple[str, ScoredMask]] = []

    def take(why: str, number: int, value: Callable[[ScoredMask], float]) -> None:
        """Takes the best mask of each of the ``number`` best images not yet taken."""
        taken = {lead.detection["image_id"] for _, lead in leads}
        best = [max(masks, key=value) for i, masks in images.items() if i not in taken]
        best = sorted((lead for lead in best if value(lead) > 0), key=value, reverse=True)
        leads.extend((why, lead) for lead in best[:number])

    if any("mask_score" in d for d in detections):
        scored = {i: [m for m in masks if m.mask_score is not None] for i, masks in images.items()}
        images = defaultdict(list, {i: masks for i, masks in scored.items() if masks})
        take(NEARER, num_near, lambda mask: mask.gain)
        take(FAR, num_far, lambda mask: mask.mask_iou_error)
    else:
        take(CLASS_FAR, num_near + num_far, lambda mask: mask.class_score_error)
    order = np.random.default_rng(seed).permutation(len(images))
    # The image is luck; of its masks the one of the best class score leads. 1 keeps it above 0.
    luck = {image_id: 1.0 + int(place) for image_id, place in zip(images, order, strict=True)}
    take(
        RANDOM,
        count - len(leads),
        lambda mask: luck[mask.detection["image_id"]] + min(mask.class_score, 1.0) / 2,
    )
    return [example_around(why, lead, images, sizes) for why, lead in leads]


def example_around(
    why: str,
    lead: ScoredMask,
    images: Mapping[Any, Sequence[ScoredMask]],
    sizes: Mapping[Any, tuple[int, int]],
) -> Example:
    """A view of a mask, with those masks beside it that do not hide it.

    Args:
        why: What it was chosen for.
        lead: The mask.
        images: Image id -> the masks that may be shown.
        sizes: Image id -> (height, width) in pixels.
    """
    image_id = lead.detection["image_id"]
    view = _view_around(lead.detection["bbox"], sizes[image_id])
    masks = [lead]
    for mask in sorted(images[image_id], key=lambda mask: mask.class_score, reverse=True):
        box = mask.detection["bbox"]
        apart = all(_box_iou(box, shown.detection["bbox"]) < _NEAR_DUPLICATE for shown in masks)
        if apart and _is_inside(box, view) and len(masks) < _MOST_MASKS:
            masks.append(mask)
    return Example(image_id, why, view, masks)


def _view_around(box: Sequence[float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A square around ``box``, moved and cut to fit the image: many small things stay legible."""
    x, y, width, height = box
    side = max(_SMALLEST_VIEW, round(_VIEW * max(width, height)))
    high, wide = (min(side, extent) for extent in size)
    x1 = round(min(max(0.0, x + width / 2 - wide / 2), size[1] - wide))
    y1 = round(min(max(0.0, y + height / 2 - high / 2), size[0] - high))
    return x1, y1, x1 + wide, y1 + high


def _is_inside(box: Sequence[float], view: tuple[int, int, int, int]) -> bool:
    x, y, width, height = box
    inside_x = view[0] - 1 <= x and x + width <= view[2] + 1
    return inside_x and view[1] - 1 <= y and y + height <= view[3] + 1


def _box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU of two boxes ``[x, y, w, h]``."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    overlap = max(0.0, width) * max(0.0, height)
    return overlap / max(a[2] * a[3] + b[2] * b[3] - overlap, 1e-9)
