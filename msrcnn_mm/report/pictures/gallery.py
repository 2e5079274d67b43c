"""Images in which scores are right and wrong."""

import io
from dataclasses import dataclass
from pathlib import Path

from pycocotools.coco import COCO

from msrcnn_mm.evaluation.oracle import ground_truth_masks

from ..evaluated_detector import ReportModel
from ..wording import score
from .examples import ScoredMask
from .gallery_selection import DEMOTED, MISJUDGED, PROMOTED, WRONG_WAY, Places, places, story
from .masks import draw_view

MOST_IMAGES = 60  # of a model; some 4 MB of page
_QUALITY = 88  # of the JPEGs
_KINDS = {DEMOTED: "right", PROMOTED: "right", WRONG_WAY: "wrong", MISJUDGED: "wrong"}


@dataclass(frozen=True)
class GalleryImage:
    """An image of the gallery.

    Attributes:
        jpeg: The drawing, a file's content.
        why: What it was chosen for.
        kind: ``right``, ``wrong`` or ``other``: how the mask score does there.
        file_name: Of the image.
        class_name: Of the mask it was chosen for.
        text: What the scores say of that mask, in words.
    """

    jpeg: bytes
    why: str
    kind: str
    file_name: str
    class_name: str
    text: str


def gallery(
    model: ReportModel, coco: COCO, image_dir: Path, number: int, score_thr: float, seed: int
) -> list[GalleryImage]:
    """Draws images in which the mask score is right, in which it is wrong, and some at random.

    Args:
        model: Its masks need ``bbox``.
        coco: The annotations.
        image_dir: Where the images are.
        number: How many images, at most :data:`MOST_IMAGES`.
        score_thr: Masks below this class score are left out.
        seed: Of the random picks.

    Raises:
        UserError: An image is missing, unreadable or not of the annotated size.
    """
    sizes = {i: (image["height"], image["width"]) for i, image in coco.imgs.items()}
    truths = ground_truth_masks(coco)
    place = places(model)
    images = []
    for example, position in story(model, sizes, min(number, MOST_IMAGES), score_thr, seed):
        figure = draw_view(example, coco, image_dir, truths)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="jpeg", pil_kwargs={"quality": _QUALITY})
        lead = example.masks[0]
        images.append(
            GalleryImage(
                jpeg=buffer.getvalue(),
                why=example.why[0].upper() + example.why[1:],
                kind=_KINDS.get(example.why, "other"),
                file_name=str(coco.imgs[example.image_id]["file_name"]),
                class_name=str(coco.cats[lead.detection["category_id"]]["name"]),
                text=_text(lead, place, position),
            )
        )
    return images


def _text(mask: ScoredMask, place: Places | None, position: int) -> str:
    """What the scores say of a mask, what is true, and where each puts it."""
    said = f"Class score {score(mask.class_score)}"
    if mask.mask_score is not None and mask.mask_iou is not None:
        said += f" x mask IoU {score(mask.mask_iou)} = {score(mask.mask_score)}"
    said += f"; true IoU {score(mask.true_iou)}."
    if place is None:
        return said
    before, after, true, masks = (
        int(values[position])
        for values in (place.by_class_score, place.by_mask_score, place.by_true_iou, place.masks)
    )
    return (
        f"{said} Rank {before:,} by class score, {after:,} by mask score, {true:,} by true IoU,"
        f" of {masks:,} in its class."
    )
