"""Counts the annotated objects that MMDetection leaves out of training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msrcnn_mm.coco.annotation_masks import box_fits
from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError, first_names, warn

_LOUD = 0.1
"""Share of a class's objects from which on the warning is loud."""

_REASONS = {
    "crowd": "crowds (iscrowd 1; set 0 where a mask is one object, as masks of a brush tool are)",
    "ignored": "marked with ignore",
    "empty": "without area",
    "narrow": "less than a pixel wide or high",
    "outside": "outside their image",
    "small image": "in images smaller than filter_cfg.min_size",
    "no polygon": "RLEs, which LoadAnnotations leaves out with poly2mask=False",
    "other class": "of categories that are not among the classes",
}


def check_training_objects(
    file: AnnotationFile, classes: Sequence[str], dataset: Mapping, polygons_only: bool
) -> None:
    """Warns of the objects that are left out of training, by reason and class.

    MMDetection (``CocoDataset.parse_data_info``, ``LoadAnnotations``) leaves them out without a
    word; crowds are kept as regions that no loss looks at.

    Args:
        file: The annotations, completed.
        classes: The config's class names.
        dataset: The data set's config.
        polygons_only: Whether masks are loaded with ``poly2mask=False``.

    Raises:
        UserError: No object is left to train on.
    """
    names = {category["id"]: category["name"] for category in file.categories}
    known = set(classes)
    min_size = (dataset.get("filter_cfg") or {}).get("min_size", 0)
    kept, lost = Counter[str](), Counter[str]()
    reasons: Counter[str] = Counter()
    for annotation in file.annotations:
        name = names[annotation["category_id"]]
        image = file.images[annotation["image_id"]]
        reason = _reason(annotation, image, min_size, polygons_only)
        if name not in known:
            reason = "other class"
        if reason is None:
            kept[name] += 1
        else:
            lost[name] += 1
            reasons[reason] += 1
    said = ", ".join(f"{count} {_REASONS[reason]}" for reason, count in reasons.most_common())
    if not kept:
        why = f": of {lost.total()}, {said}" if lost else ""
        raise UserError(f"{file.path}: has no annotation to train on{why}")
    if lost:
        warn(
            f"{file.path}: {lost.total()} of {lost.total() + kept.total()} objects are left out of "
            f"training: {said}"
        )
    loud = {n: c for n, c in lost.most_common() if c >= _LOUD * (c + kept[n])}
    if loud:
        by_class = [f"{name} {count} of {count + kept[name]}" for name, count in loud.items()]
        warn(
            f"{file.path}: A TENTH OR MORE OF THE OBJECTS OF {len(loud)} CLASS"
            f"{'ES' if len(loud) > 1 else ''} IS LOST TO TRAINING: {first_names(by_class, 10)}"
        )
    check_class_use(file, classes)


def check_class_use(file: AnnotationFile, classes: Sequence[str]) -> None:
    """Warns of classes that nothing is annotated with, and of an exporter's root category."""
    used = {annotation["category_id"] for annotation in file.annotations}
    known = set(classes)
    unused = [c for c in file.categories if c["name"] in known and c["id"] not in used]
    parents = [
        c.get("supercategory") for c in file.categories if c.get("supercategory") != c["name"]
    ]
    root = [category["name"] for category in unused if category["name"] in parents]
    if root:
        warn(
            f"{file.path}: nothing is annotated with {first_names(root, 10, repr)}, the "
            "supercategory of others, as the root category that exporters add: remove it from "
            "classes"
        )
    names = [category["name"] for category in unused if category["name"] not in root]
    if names and used:
        warn(
            f"{file.path}: nothing is annotated with {len(names)} of {len(classes)} classes: "
            f"{first_names(names, 10, repr)}"
        )


def warn_of_boxes(file: AnnotationFile) -> None:
    """Warns of boxes that are not those of the masks, such as boxes of two corners."""
    misfits = [
        annotation
        for annotation in file.annotations
        if _reason(annotation, file.images[annotation["image_id"]], 0, False) is None
        and not box_fits(annotation)
    ]
    if misfits:
        warn(
            f"{file.path}: the bbox of {len(misfits)} of {len(file.annotations)} annotations is not"
            f" their mask's, the first is annotation {misfits[0]['id']}: a bbox is x, y, width, "
            "height of the box around the mask, in pixels"
        )


def _reason(
    annotation: Mapping[str, Any], image: Mapping[str, Any], min_size: float, polygons_only: bool
) -> str | None:
    """Returns why an annotation is left out, as a key of ``_REASONS``; None if it is not."""
    x, y, width, height = annotation["bbox"]
    if annotation.get("ignore"):
        return "ignored"
    if annotation["iscrowd"]:
        return "crowd"
    if annotation["area"] <= 0:
        return "empty"
    if width < 1 or height < 1:
        return "narrow"
    if min(x + width, image["width"]) <= max(x, 0) or min(y + height, image["height"]) <= max(y, 0):
        return "outside"
    if min(image["width"], image["height"]) < min_size:
        return "small image"
    if polygons_only and not isinstance(annotation.get("segmentation"), list):
        return "no polygon"
    return None
