"""Makes cleaned copies of annotation files, by what was found in them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from msrcnn_mm.coco.annotations import AnnotationFile

from .finding import (
    DOUBLED_ID,
    INCOMPLETE,
    KINDS,
    OTHER_BOX,
    Finding,
)
from .inspect import Inspected


@dataclass(frozen=True)
class Cleaned:
    """A cleaned annotation file.

    Attributes:
        content: What the file is to hold; the reader of all commands reads it.
        fixed: The findings that are fixed, in the order of :data:`.KINDS`.
        left: Kind -> number of the findings that need a look.
    """

    content: dict[str, Any]
    fixed: list[Finding]
    left: Counter[str]


def clean(inspected: Inspected) -> Cleaned:
    """Returns a cleaned copy of a data set's annotations.

    Entries that cannot be read or used are removed, ids that occur twice are numbered anew, boxes
    that are not their masks' are replaced, and absent fields are filled in. Everything else stays.

    Args:
        inspected: The data set; its entries do not change.
    """
    entries, content = inspected.entries, inspected.entries.content
    fixed = [finding for finding in inspected.findings if KINDS[finding.kind].fix]
    renumbered = {f.annotation for f in fixed if f.kind == DOUBLED_ID}
    stays = (DOUBLED_ID, INCOMPLETE, OTHER_BOX)  # only a field of the entry changes
    removed = {f.annotation for f in fixed if f.kind not in stays}
    without = {f.image for f in fixed if f.annotation is None and f.kind != DOUBLED_ID}
    images = [number for number in entries.images if number not in without]
    annotations = {}
    for number in images:
        for position, _ in entries.annotations[number]:
            if position not in removed:
                annotations[position] = dict((content["annotations"] or ())[position])
    for position, annotation in annotations.items():
        if position in renumbered:
            annotation["id"] = None  # the reader numbers it
        if position in inspected.boxes:
            annotation["bbox"] = inspected.boxes[position]
    kept = {
        **content,
        "images": [dict(content["images"][number]) for number in images],
        "categories": [dict(content["categories"][number]) for number in entries.categories],
    }
    if content.get("annotations") is not None:
        kept["annotations"] = [annotations[position] for position in sorted(annotations)]
    file = AnnotationFile(str(entries.path), kept)
    file.complete(masks=True)
    if file.is_annotated:
        kept["annotations"] = file.annotations
    left = Counter(finding.kind for finding in inspected.findings if not KINDS[finding.kind].fix)
    return Cleaned(kept, fixed, left)
