"""Defines the kinds of findings in data sets, and a finding."""

from dataclasses import dataclass

IMAGE_REMOVED = "the image and its annotations are removed"
REMOVED = "the annotation is removed"


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        meaning: What is wrong, and what follows from it.
        fix: What the cleaned copy does about it; None if that needs a look.
    """

    meaning: str
    fix: str | None = None


MISSING_IMAGE = "missing image"
OUTSIDE_FOLDER = "image outside the folder"
UNREADABLE_IMAGE = "unreadable image"
UNOPENED_IMAGE = "unopened image"
OTHER_SIZE = "other size"
ROTATED = "EXIF rotation"
OTHER_MODE = "other mode"
SEVERAL_PAGES = "several pages"
NEAR_DUPLICATE = "near-duplicate"
LISTED_TWICE = "image listed twice"
UNREADABLE_ENTRY = "unreadable entry"
DOUBLED_ID = "doubled id"
UNKNOWN_ID = "unknown id"
INCOMPLETE = "incomplete entry"
MALFORMED_MASK = "malformed mask"
EMPTY_MASK = "empty mask"
OUT_OF_IMAGE = "polygon out of the image"
SELF_CROSSING = "self-crossing polygon"
OTHER_BOX = "box of another mask"
CROWD = "crowd"
UNUSED_CLASS = "unused class"
UNKNOWN_CLASS = "unknown class"

KINDS = {
    MISSING_IMAGE: Kind("there is no such file in the folder of images", IMAGE_REMOVED),
    OUTSIDE_FOLDER: Kind(
        "file_name leads out of the folder of images; the file is not opened", IMAGE_REMOVED
    ),
    UNREADABLE_IMAGE: Kind("the file is empty, truncated or damaged", IMAGE_REMOVED),
    UNOPENED_IMAGE: Kind(
        "Pillow does not know the file, or finds it too large; a loader may open it"
    ),
    OTHER_SIZE: Kind(
        "width and height are not the image's, so masks are off their objects", IMAGE_REMOVED
    ),
    ROTATED: Kind("a loader turns the image, or does not, by its color_type"),
    OTHER_MODE: Kind("the pixels are not RGB of 8 bits; a loader converts them, or fails"),
    SEVERAL_PAGES: Kind("only the first page or frame is loaded"),
    NEAR_DUPLICATE: Kind("nearly the same image is in two files, so the test knows its answers"),
    LISTED_TWICE: Kind("the objects of one entry are background in the other"),
    UNREADABLE_ENTRY: Kind("a field of the entry cannot be read", "the entry is removed"),
    DOUBLED_ID: Kind(
        "entries share an id",
        "annotations are numbered anew; repeated entries are removed; different images or"
        " categories are removed with what refers to them",
    ),
    UNKNOWN_ID: Kind("image_id or category_id is not listed in the file", REMOVED),
    INCOMPLETE: Kind("a field is absent and follows from the rest", "the field is filled in"),
    MALFORMED_MASK: Kind("the segmentation cannot be read", REMOVED),
    EMPTY_MASK: Kind("the mask covers no pixel, so no detection can find it", REMOVED),
    OUT_OF_IMAGE: Kind("points are outside the image; masks end at its border"),
    SELF_CROSSING: Kind("edges cross, so parts of the object may be left out"),
    OTHER_BOX: Kind("bbox is not the box around the mask", "bbox is taken from the mask"),
    CROWD: Kind("iscrowd is 1: not trained on, ignored in evaluation"),
    UNUSED_CLASS: Kind("nothing is annotated with the class"),
    UNKNOWN_CLASS: Kind("the class is in one file or the config, and not in another"),
}
"""Name of each kind, in the order in which they are shown."""


@dataclass(frozen=True)
class Finding:
    """A thing that is wrong, or perhaps not meant.

    Attributes:
        kind: Of :data:`KINDS`.
        file: The annotation file.
        text: What is wrong, in a line.
        image: Position of the image in the file's ``images``; None if it is not about one.
        annotation: Position of the annotation in the file's ``annotations``; likewise.
        other: The near-duplicate's file and position; likewise.
    """

    kind: str
    file: str
    text: str
    image: int | None = None
    annotation: int | None = None
    other: tuple[str, int] | None = None
