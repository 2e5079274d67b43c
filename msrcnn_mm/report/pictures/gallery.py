"""Makes the gallery of the report: images with their masks, and a text for each."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections

from ..evaluated_detector import EvaluatedDetector
from ..number_format import score
from .masks import MaskDrawer
from .selection import (
    DEMOTED,
    MISJUDGED,
    PROMOTED,
    WRONG_WAY,
    Ranks,
    choose_gallery,
    ranks_in_class,
)

MAX_IMAGES = 60  # that the command allows for each detector; they make the page about 4 MB larger
_JPEG_QUALITY = 88
_KINDS = {DEMOTED: "right", PROMOTED: "right", WRONG_WAY: "wrong", MISJUDGED: "wrong"}


@dataclass(frozen=True)
class GalleryImage:
    """An image of the gallery.

    Attributes:
        jpeg: The drawing as a file's content.
        why: The reason for which it was chosen.
        kind: ``right``, ``wrong`` or ``other``: whether the mask score is right about the mask.
        file_name: Name of the image file.
        class_name: Class of the mask for which it was chosen.
        text: The scores and ranks of that mask.
    """

    jpeg: bytes
    why: str
    kind: str
    file_name: str
    class_name: str
    text: str


def make_gallery(
    detector: EvaluatedDetector,
    coco: COCO,
    image_dir: Path,
    count: int,
    score_thr: float,
    seed: int,
) -> list[GalleryImage]:
    """Draws images in which the mask score is right, in which it is wrong, and some at random.

    Args:
        detector: The detector.
        coco: The annotations.
        image_dir: The folder of the images.
        count: The greatest number of images.
        score_thr: Masks below this class score are left out.
        seed: Seed of the random choice.

    Raises:
        UserError: An image is missing, unreadable or not of the annotated size.
    """
    sizes = {i: (image["height"], image["width"]) for i, image in coco.imgs.items()}
    detections = detector.detections.with_boxes()
    true_ious = np.nan_to_num(detector.true_ious)
    ranks = ranks_in_class(detections, true_ious)
    drawer = MaskDrawer(detections, true_ious, coco, image_dir)
    images = []
    for example in choose_gallery(detections, true_ious, sizes, count, score_thr, seed):
        buffer = io.BytesIO()
        figure = drawer.draw_view(example)
        figure.savefig(buffer, format="jpeg", pil_kwargs={"quality": _JPEG_QUALITY})
        lead = example.masks[0]
        images.append(
            GalleryImage(
                jpeg=buffer.getvalue(),
                why=example.why[0].upper() + example.why[1:],
                kind=_KINDS.get(example.why, "other"),
                file_name=str(coco.imgs[example.image_id]["file_name"]),
                class_name=str(coco.cats[detections.category_ids[lead]]["name"]),
                text=_describe(detections, true_ious, ranks, lead),
            )
        )
    return images


def _describe(detections: Detections, true_ious: Column, ranks: Ranks | None, mask: int) -> str:
    """Returns a sentence with a mask's scores and true IoU, and one with its ranks."""
    text = f"Class score {score(detections.class_scores[mask])}"
    mask_scores, mask_ious = detections.mask_scores, detections.implied_mask_ious
    if mask_scores is not None and mask_ious is not None and not np.isnan(mask_scores[mask]):
        text += f" x mask IoU {score(mask_ious[mask])} = {score(mask_scores[mask])}"
    text += f"; true IoU {score(true_ious[mask])}."
    if ranks is None:
        return text
    return (
        f"{text} Rank {ranks.by_class_score[mask]:,} by class score,"
        f" {ranks.by_mask_score[mask]:,} by mask score, {ranks.by_true_iou[mask]:,} by true IoU,"
        f" of {ranks.masks[mask]:,} in its class."
    )
