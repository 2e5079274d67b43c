"""Defines what can be wrong with an annotation."""

from dataclasses import dataclass
from typing import Any

MISSED = "missed object"
BADLY_CUT = "badly cut"
MERGED = "merged objects"
SPLIT = "split object"
WRONG_CLASS = "wrong class"
NO_OBJECT = "no object"

KINDS = {
    MISSED: "a mask where no annotation of its class is",
    BADLY_CUT: "a mask with another outline than the annotation of its class that it fits best",
    MERGED: "several masks that together are one annotation",
    SPLIT: "a mask that is several annotations together",
    WRONG_CLASS: "a mask that fits an annotation of another class",
    NO_OBJECT: "an annotation where no mask of any class is, of a size that is rarely overlooked",
}
"""Maps each kind of wrong label to a description of the masks that show it."""


@dataclass(frozen=True)
class Suspect:
    """A place where annotations are perhaps wrong.

    Attributes:
        kind: What is perhaps wrong, one of :data:`KINDS`.
        image_id: The image's id.
        annotations: Ids of the annotations; none of a missed object.
        masks: Positions of the masks that show it, that of the greatest suspicion first; none where
            no mask is.
        suspicion: In (0, 1].
    """

    kind: str
    image_id: Any
    annotations: list[Any]
    masks: list[int]
    suspicion: float
