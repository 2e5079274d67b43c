"""Describes results and annotations, so that another detector or the same images are noticed.

Shape shorthand: D detections, Q quantiles.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_values import is_number
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats

from .features.image_groups import by_image, masks_of

_SHARES = np.linspace(0, 1, 21)

MOST_DISTANCE = 0.4
"""Greatest difference of the shares of detections below some class score (Kolmogorov-Smirnov).

Two data sets of one detector differ by less; it is for another detector or score threshold.
"""

MOST_CUT = 0.2
"""Greatest share of detections below the least class score of others of the detector.

Ten images are enough for the least class score to be near the detector's score threshold.
"""

MOST_RATIO = 4.0
"""Greatest ratio of the mean numbers of detections an image."""


@dataclass(frozen=True)
class DetectorFingerprint:
    """Class scores and numbers of detections of a detector.

    Attributes:
        score_quantiles: 21 quantiles of the class score, ascending, from the least to the greatest.
        detections_per_image: Mean over images with detections.
    """

    score_quantiles: list[float]
    detections_per_image: float

    def __post_init__(self) -> None:
        quantiles = self.score_quantiles
        if len(quantiles) != len(_SHARES) or not all(map(is_number, quantiles)):
            raise ValueError(f"score_quantiles are not {len(_SHARES)} numbers")
        if not is_number(self.detections_per_image):
            raise ValueError("detections_per_image is not a number")

    @classmethod
    def of(cls, detections: Detections) -> "DetectorFingerprint":
        """Describes D >= 1 detections."""
        quantiles = np.quantile(detections.class_scores, _SHARES)
        images = len(set(detections.image_ids))
        return cls(quantiles.round(6).tolist(), round(len(detections) / images, 3))

    def share_below(self, class_score: float) -> float:
        """Returns the share of the detections whose class score is at most this."""
        at = np.array([class_score])
        return float(_share_below(np.array(self.score_quantiles), at)[0])

    def difference(self, other: "DetectorFingerprint") -> str | None:
        """Returns how another detector's results differ, in words; None if they may be of one."""
        mine, theirs = np.array(self.score_quantiles), np.array(other.score_quantiles)
        at = np.union1d(mine, theirs)
        gaps = np.abs(_share_below(mine, at) - _share_below(theirs, at))
        if gaps.max() > MOST_DISTANCE:
            here = at[gaps.argmax(), None]
            (share,), (known,) = _share_below(theirs, here), _share_below(mine, here)
            return f"{share:.0%} of the class scores are up to {here[0]:.3g}, not {known:.0%}"
        if max(_cut_off(mine, theirs[0]), _cut_off(theirs, mine[0])) > MOST_CUT:
            return f"the least class score is {theirs[0]:.3g}, not {mine[0]:.3g}"
        pair = sorted((self.detections_per_image, other.detections_per_image))
        if pair[1] > MOST_RATIO * pair[0]:
            return (
                f"images have {other.detections_per_image:.0f} detections on average, not"
                f" {self.detections_per_image:.0f}"
            )
        return None


def class_scores_alone(class_scores: Sequence[Column]) -> Detections:
    """Returns detections with nothing but their class scores, for a detector's fingerprint.

    Args:
        class_scores: (D,) of each image.
    """
    scores = np.concatenate([np.zeros(0), *class_scores])
    images = np.repeat(np.arange(len(class_scores)), [len(one) for one in class_scores])
    return Detections(images.tolist(), [0] * len(scores), scores)


def result_fingerprints(detections: Detections) -> list[str]:
    """Returns a fingerprint of each image's results, sorted.

    It is made of the mask of the highest class score: a results file has no file names, and image
    ids start anew in each data set.
    """
    masks = masks_of(detections)
    prints = []
    for where in by_image(detections.image_ids).values():
        best = where[detections.class_scores[where].argmax()]
        known_by: list[Any] = [detections.category_ids[best], *masks[best]["size"]]
        text = f"{known_by} {masks[best]['counts']}"
        prints.append(hashlib.sha256(text.encode()).hexdigest()[:12])
    return sorted(set(prints))


def annotation_fingerprints(coco: COCO, image_ids: Iterable[Any]) -> dict[str, str]:
    """Returns fingerprint -> file name of each image that is named, once or more.

    A fingerprint is made of the image's file name, its size and the boxes annotated in it, not of
    its id: ids start anew in each split's file, and the first images of two data sets may share id
    and name.
    """
    prints = {}
    for image_id in set(image_ids):
        image = coco.imgs[image_id]
        boxes = sorted([round(v) for v in a.get("bbox", ())] for a in coco.imgToAnns[image_id])
        known_by = [image.get("file_name"), image["height"], image["width"], boxes]
        digest = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
        # 48 bits: two of 5000 and 5000 images agree by chance once in ten million files
        prints[digest[:12]] = str(image.get("file_name"))
    return prints


def refuse_same_images(
    fitted: Collection[str], annotations: str, coco: COCO, image_ids: Collection[Any]
) -> None:
    """Refuses images that a re-scorer was fitted on.

    Args:
        fitted: Fingerprints of those images.
        annotations: Name of their annotations.
        coco: The annotations to evaluate by.
        image_ids: Those of the images to evaluate.

    Raises:
        UserError: An image is among those.
    """
    prints = annotation_fingerprints(coco, image_ids)
    common = set(fitted) & prints.keys()
    if common:
        names = sorted(prints[one] for one in common)
        raise UserError(
            f"{len(common)} of the {len(set(image_ids))} images, {names[0]} for one, are among"
            f" those that the re-scorer was fitted on ({annotations}), so its figures would be too"
            " good: take other images, or add --same-images"
        )


def _cut_off(quantiles: Floats, least: float) -> float:
    """Returns the share of class scores that are less than another's least."""
    return float(_share_below(quantiles, np.nextafter([least], -np.inf))[0])


def _share_below(quantiles: Floats, at: Floats) -> Floats:
    shares: Floats = np.interp(at, quantiles, _SHARES, left=0, right=1)
    return shares
