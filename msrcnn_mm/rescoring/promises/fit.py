"""Checks that a labelled split can stand for the images that a promise is about."""

from collections.abc import Mapping
from typing import Any

from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, first_names

from ..fingerprints import DetectorFingerprint, annotation_fingerprints, result_fingerprints
from ..rescorer import FEWEST_IMAGES, Rescorer
from .masks import Split


def check_split(split: Split) -> None:
    """Checks that results of labelled and of other images are of one detector and other images.

    Raises:
        UserError: There is no labelled image or object, an image is among both, the categories
            differ, or the results are of two detectors.
    """
    labelled, coco, others, images = split.labelled, split.truth, split.others, split.images
    if not coco.anns:
        raise UserError(
            "no image of the labelled split is labelled: its annotations have no object"
        )
    for which, of in (("labelled images", labelled), ("images to label", others)):
        if not len(of):
            raise UserError(
                f"the results of the {which} have no detection: nothing can be accepted"
            )
    names, other_names = _names(coco), _names(images)
    used = set(labelled.category_ids) | set(others.category_ids)
    different = [one for one in used if names.get(one) != other_names.get(one)]
    if different:
        one = different[0]
        raise UserError(
            f"category {one} is {names.get(one)!r} in the labelled split and"
            f" {other_names.get(one)!r} in the list of images: give both the same categories"
        )
    common = set(result_fingerprints(labelled)) & set(result_fingerprints(others))
    if common:
        raise UserError(
            f"{len(common)} of the {len(images.imgs)} images have the masks of labelled images:"
            " leave the labelled images out of the predictions"
        )
    if min(len(set(one.image_ids)) for one in (labelled, others)) >= FEWEST_IMAGES:
        difference = DetectorFingerprint.of(labelled).difference(DetectorFingerprint.of(others))
        if difference:
            raise UserError(
                "the predictions are of another detector or score threshold than the results of the"
                f" labelled split: {difference}; test both by one detector"
            )


def check_rescorer(rescorer: Rescorer, split: Split) -> None:
    """Checks that a re-scorer was fitted on other images than those that it scores.

    Raises:
        UserError: One of the labelled images or of the images to label is among those that it was
            fitted on.
    """
    known = set(rescorer.images) & set(result_fingerprints(split.others))
    if known:
        raise UserError(
            f"the re-scorer was fitted on {len(known)} of the {len(split.images.imgs)} images to"
            " label and is too good there: they have labels, so leave them out of the predictions"
        )
    prints = annotation_fingerprints(split.truth, split.truth.imgs)
    common = set(rescorer.annotated) & prints.keys()
    many = len(common) or len(set(rescorer.images) & set(result_fingerprints(split.labelled)))
    if many:
        named = f", {first_names(sorted(prints[one] for one in common), 1)}," if common else ""
        raise UserError(
            f"the re-scorer was fitted on {many} of the {len(split.truth.imgs)} labelled"
            f" images{named} and is too good there: fit it on one part of the labelled images, and"
            " give the other"
        )


def _names(coco: COCO) -> Mapping[Any, Any]:
    return {identity: category.get("name") for identity, category in coco.cats.items()}
