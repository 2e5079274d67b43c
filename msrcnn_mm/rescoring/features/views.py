"""Brings the results of a view back to the image, and checks that they are of the same images.

A view is the image mirrored or at another size, tested by the same detector. Its results have
masks of the image's size; those of mirrored images are in the mirrored image.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.lazy_rles import rles_at
from msrcnn_mm.coco.runs import AT_ONCE, mirror
from msrcnn_mm.errors import UserError, first_names, warn
from msrcnn_mm.evaluation.overlaps import Ints
from msrcnn_mm.evaluation.rankings import in_unit_interval
from msrcnn_mm.processes import in_processes

from .image_groups import by_image, mask_ious, masks_of, numbered, row_blocks

KINDS = ("mirrored", "scaled")
"""Kinds of views."""

CONFIDENT = 0.5
"""Class score from which on a mask should be found again in a view."""

FOUND_IOU = 0.5
"""IoU from which on a mask is found again."""

LEAST_FOUND = 0.4
"""Share of confident masks that a view of the same detector and images finds again at least."""

MOST_MISSING = 0.1
"""Share of the images with confident masks in which a view may be without detections."""

SWAPPED = 0.5
"""Share of a class's masks found again that are of one other class, from which on it is named."""

_FEW = 10  # confident masks, from which on a share says something


@dataclass(frozen=True)
class View:
    """Results of the same images in another view.

    Attributes:
        name: The file's name, for messages.
        detections: As the detector wrote them.
        mirrored: Whether the images were mirrored left to right, and the masks are too.
        pairs: Category -> the category that a mirrored object of it is taken for, such as a left
            door's right door; each pair once is enough.
    """

    name: str
    detections: Detections
    mirrored: bool = False
    pairs: Mapping[Any, Any] = field(default_factory=dict)

    def brought_back(self) -> Detections:
        """Returns the detections as of the image itself: masks mirrored back, classes paired.

        Raises:
            UserError: The detections have no masks.
        """
        detections = self.detections
        masks = masks_of(detections)
        if not self.mirrored:
            return detections
        pairs = {b: a for a, b in self.pairs.items()} | dict(self.pairs)
        parts = [masks[i : i + AT_ONCE] for i in range(0, len(masks), AT_ONCE)]
        return replace(
            detections,
            masks=list(chain.from_iterable(in_processes(mirror, parts, "mirrored masks"))),
            boxes=None,
            category_ids=[pairs.get(one, one) for one in detections.category_ids],
        )


@dataclass(frozen=True)
class FoundAgain:
    """Counts of confident masks that a view finds again, whatever the class.

    Attributes:
        confident: Number of masks with a class score that is high enough to expect them.
        found: Number of those with an IoU >= :data:`FOUND_IOU` in the view.
        partners: Category -> numbers of its found masks by the category that they are found in:
            their own, or else that of the mask that fits best.
    """

    confident: int
    found: int
    partners: dict[Any, Counter[Any]]

    @property
    def share(self) -> float:
        """Share of the confident masks that are found again; 1 without any."""
        return self.found / self.confident if self.confident else 1.0

    @property
    def of_class(self) -> int:
        """Number of the found masks that are found again as their own class."""
        return sum(partners[category] for category, partners in self.partners.items())

    def swapped(self) -> dict[Any, Any]:
        """Returns the pairs of classes whose masks are mostly found again as the other, both ways.

        One way only is a class that the detector takes for another, such as trucks for cars.
        """
        mostly = {}
        for category, partners in self.partners.items():
            partner, many = partners.most_common(1)[0]
            total = partners.total()
            if partner != category and total >= _FEW and many > SWAPPED * total:
                mostly[category] = partner
        return {a: b for a, b in mostly.items() if mostly.get(b) == a}


def kinds_of(views: Sequence[View]) -> list[str]:
    """Returns the sorted kinds of views, see :data:`KINDS`."""
    return sorted(kind(view.mirrored) for view in views)


def kind(mirrored: bool) -> str:
    """Returns the kind of a view, see :data:`KINDS`."""
    return KINDS[0] if mirrored else KINDS[1]


def confident_score(scores: Column) -> float:
    """Returns the class score from which on a mask should be found again in a view.

    It is :data:`CONFIDENT`, or the least of the best tenth where hardly a mask has as much.
    """
    best = max(_FEW, len(scores) // 10)
    if (scores >= CONFIDENT).sum() >= _FEW or len(scores) < best:
        return CONFIDENT
    return min(CONFIDENT, float(np.sort(scores)[-best]))


def found_again(
    detections: Detections, view: Detections, confident_from: float = CONFIDENT
) -> FoundAgain:
    """Looks for each confident mask in a view.

    Args:
        detections: With masks.
        view: With masks, see :meth:`View.brought_back`.
        confident_from: The least class score of a confident mask.
    """
    masks, others = masks_of(detections), masks_of(view)
    there = by_image(view.image_ids)
    sure = view.class_scores >= confident_from / 2
    numbers: dict[Any, int] = {}
    classes = numbered(detections.category_ids, numbers)
    view_classes = numbered(view.category_ids, numbers)

    def of_block(block: tuple[Any, Ints]) -> tuple[int, list[tuple[int, int]]]:
        """Returns the number of confident masks, and (mask, mask of the view) of those found."""
        image_id, where = block
        here = where[detections.class_scores[where] >= confident_from]
        near = there.get(image_id, np.zeros(0, np.int64))
        near = near[sure[near]]
        if not len(here) or not len(near):
            return len(here), []
        ious = mask_ious(rles_at(masks, here), rles_at(others, near))
        again = ious.max(axis=1) >= FOUND_IOU
        # a mask of its own class that is found again goes before all others
        own = (classes[here][:, None] == view_classes[near]) & (ious >= FOUND_IOU)
        best = near[(ious + own).argmax(axis=1)]
        return len(here), list(zip(here[again].tolist(), best[again].tolist(), strict=True))

    confident = found = 0
    partners: dict[Any, Counter[Any]] = {}
    blocks = [
        (image_id, where[rows])
        for image_id, where in by_image(detections.image_ids).items()
        for rows in row_blocks(len(where), len(there.get(image_id, ())))
    ]
    for many, pairs in in_processes(of_block, blocks, "found again"):
        confident += many
        found += len(pairs)
        for i, j in pairs:
            of_class = partners.setdefault(detections.category_ids[i], Counter())
            of_class[view.category_ids[j]] += 1
    return FoundAgain(confident, found, partners)


def check_view(detections: Detections, view: View) -> tuple[Detections, FoundAgain]:
    """Checks that a view is of the images and the detector of the results.

    Warns of classes that the view swaps.

    Returns:
        The view's detections, brought back; which masks of the results are found again in them.

    Raises:
        UserError: Class scores leave [0, 1], its images are others, its masks have another size, no
            detection has a class of a pair, or few masks are found again, or few of these as their
            class.
    """
    for name, scores in (
        ("the results", detections.class_scores),
        (view.name, view.detections.class_scores),
    ):
        if not in_unit_interval(scores):
            raise UserError(
                f"{name}: class scores go from {scores.min():g} to {scores.max():g}: agreement"
                " needs scores in [0, 1]"
            )
    categories = {*detections.category_ids, *view.detections.category_ids}
    for pair in view.pairs.items():
        unknown = [i for i in pair if i not in categories]
        known = first_names(sorted(categories, key=str))
        if len(unknown) == 2:
            raise UserError(
                f"--swap {pair[0]}={pair[1]}: no detection has one of these category ids, which are"
                f" {known}"
            )
        if unknown:
            warn(
                f"--swap {pair[0]}={pair[1]}: no detection has category {unknown[0]}, only {known}:"
                " check the pair"
            )
    least = confident_score(detections.class_scores)
    _check_images(detections, view, least)
    brought_back = view.brought_back()
    found = found_again(detections, brought_back, least)
    if found.confident >= _FEW and found.share < LEAST_FOUND:
        other = replace(view, mirrored=not view.mirrored)
        share = found_again(detections, other.brought_back(), least).share
        reason = "it is of another detector or of other images"
        if share >= LEAST_FOUND:
            given = "as mirrored images, which it is not" if view.mirrored else "without --flipped"
            reason = f"it was given {given}"
        raise UserError(
            f"{view.name}: {found.found:,} of the {found.confident:,} masks with a class score of"
            f" {least:.3g} or more are found again (IoU >= {FOUND_IOU}): {reason}"
        )
    swapped = found.swapped() if view.mirrored else {}
    if swapped:
        pairs = [f"{a} as {b}" for a, b in swapped.items()]
        warn(
            f"{view.name}: masks of {first_names(pairs)} are found again as another class: give"
            " the classes that a mirror swaps by --swap, or leave this view out"
        )
    elif found.found >= _FEW and found.of_class < LEAST_FOUND * found.found:
        others = [f"{a} as {p.most_common(1)[0][0]}" for a, p in found.partners.items()]
        raise UserError(
            f"{view.name}: {found.of_class:,} of the {found.found:,} masks that are found again are"
            f" of the same category, and masks of {first_names(others)}: give results with the same"
            " category ids"
            + (", or the classes that a mirror swaps by --swap" if view.mirrored else "")
        )
    return brought_back, found


def _check_images(detections: Detections, view: View, least: float) -> None:
    sizes = dict(zip(view.detections.image_ids, masks_of(view.detections), strict=True))
    confident = np.flatnonzero(detections.class_scores >= least)
    images = {detections.image_ids[i] for i in confident}
    missing = [one for one in images if one not in sizes]
    if len(missing) > MOST_MISSING * len(images):
        raise UserError(
            f"{view.name} has no detection in {len(missing)} of the {len(images)} images with masks"
            f" of class score >= {least:.3g}, {missing[0]!r} for one: give results of the"
            " same images"
        )
    if missing:
        warn(
            f"{view.name} has no detection in {len(missing)} of the {len(images)} images with masks"
            f" of class score >= {least:.3g}, {missing[0]!r} for one: their agreement is 0"
        )
    for image_id, mask in zip(detections.image_ids, masks_of(detections), strict=True):
        if image_id in sizes and list(mask["size"]) != list(sizes[image_id]["size"]):
            raise UserError(
                f"{view.name}: masks of image {image_id!r} have the height, width"
                f" {sizes[image_id]['size']} and in the results {mask['size']}: write the masks of"
                " a view at the size of the image"
            )
