"""Defines what the page asks of a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

NOTES = {
    "pages": "The file has several pages or frames, of which this is the first.",
    "dark": "The file has more than 8 bits and comes out nearly black: scale its values to the"
    " whole range of 8 bits.",
    "white": "The file has more than 8 bits and comes out clipped to white: scale its values to the"
    " whole range of 8 bits, or set imdecode_backend='cv2'.",
}
"""Key of :data:`msrcnn_mm.runtime.inputs.NOTES` -> the same, of one image."""


class Found(NamedTuple):
    """Holds the masks that a model finds in an image.

    Attributes:
        picture: (H, W, 3), 8-bit RGB, the image as the model reads it, so that masks fit it.
        rows: Rows of a results file, each with a mask of (H, W).
        notes: Sentences about how the image was read, such as that it has more pages.
    """

    picture: NDArray[np.uint8]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()


class Model(Protocol):
    """A model that finds masks in images, one at a time."""

    @property
    def name(self) -> str:
        """The name that the page shows."""

    @property
    def categories(self) -> Sequence[Mapping[str, Any]]:
        """``id`` and ``name`` of each class."""

    def find(self, file: Path, name: str) -> Found:
        """Finds the masks of an image.

        Args:
            file: The image.
            name: Its name in messages.

        Raises:
            UserError: The image cannot be read or predicted.
        """
