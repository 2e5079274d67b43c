"""Names the methods of re-scorers, which are functions from detections to scores."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.errors import UserError

from .calibrators.calibrated_score import CALIBRATORS, CalibratedScore
from .features.views import View
from .trees.tree_score import TreeScore

TREES = "trees"

METHODS = (TREES, *CALIBRATORS)
"""Names of the methods, the default first."""


class Method(Protocol):
    """A function from D detections to (D,) scores in [0, 1], as data.

    Attributes:
        needs_masks: Whether the scores depend on masks.
    """

    needs_masks: ClassVar[bool]

    @property
    def views(self) -> list[str]:
        """Sorted kinds of the views that the scores depend on."""

    def scores(self, detections: Detections, views: Sequence[View] = ()) -> Column:
        """Returns (D,) scores of D >= 1 detections.

        Args:
            detections: D >= 1 detections.
            views: Results of the same images in other views; without any, agreement is that of the
                detections' own columns and entries.

        Raises:
            UserError: The detections lack what the scores are computed from.
        """

    def describe(self) -> str:
        """Returns the method in words."""

    def to_json(self) -> dict[str, Any]:
        """Returns the keys and values of the re-scorer's file that :func:`method_of` reads."""


def method_of(content: Mapping[str, Any]) -> Method:
    """Reads the method of a re-scorer's file.

    Raises:
        UserError: A value is none that the method can have.
        KeyError: One is missing; or ``TypeError``, ``ValueError``: one has another form.
    """
    name = content.get("method", TREES)
    if name not in METHODS:
        raise UserError(f"method must be one of {', '.join(METHODS)}, not {name!r}")
    return (TreeScore if name == TREES else CalibratedScore).from_json(content)
