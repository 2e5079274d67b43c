"""Lets heads give masks as RLEs, so that no mask is made as large as the image.

Shape shorthand: D detections of an image, h x w cells of a map of probabilities.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

Rle = dict[str, Any]
"""A COCO run-length encoding: ``size`` and ``counts``."""

_AT_ONCE = 2**24  # pixels of maps that are made at once, 64 MB of float32


class MaskEncoder(Protocol):
    """Encodes masks; :class:`msrcnn_mm.engine.adapters.mask_encoder.RleEncoder` does."""

    def in_boxes(
        self, probs: Tensor, boxes: Tensor, height: int, width: int, threshold: float
    ) -> list[Rle]:
        """Returns the RLEs of (D, h, w) probabilities in (D, 4) boxes of the image."""

    def whole(self, masks: Tensor) -> list[Rle]:
        """Returns the RLEs of (D, height, width) bool masks."""


class EncodesMasks:
    """Base of the heads whose results have masks.

    Attributes:
        encoder: Makes the ``masks`` of results, D RLEs. By default there is none, and they are
            MMDetection's: (D, height, width) bool.
        patch_side: Side of the ``mask_patches`` of results, which scorers of a host's own
            detections read. By default there are none.
    """

    encoder: MaskEncoder | None = None
    patch_side: int | None = None

    def image_masks(
        self, make: Callable[[slice], Tensor], count: int, pixels: int
    ) -> Tensor | list[Rle]:
        """Makes image-sized masks some at a time, and encodes them if there is an encoder.

        Args:
            make: Returns (some, height, width) bool masks of a slice of the detections, perhaps
                of none.
            count: D.
            pixels: Of the largest map that is made for a mask.
        """
        step = max(_AT_ONCE // pixels, 1)
        parts = (make(slice(i, i + step)) for i in range(0, max(count, 1), step))
        if self.encoder is None:
            return torch.cat([*parts])
        return [rle for masks in parts for rle in self.encoder.whole(masks)]


def encoded_by(model: nn.Module, encoder: MaskEncoder) -> AbstractContextManager[None]:
    """Has an encoder make the masks of a model's results for the time of a block."""
    heads = [module for module in model.modules() if isinstance(module, EncodesMasks)]
    return attribute_set(heads, "encoder", encoder)


@contextmanager
def attribute_set(modules: Iterable[Any], name: str, value: Any) -> Iterator[None]:
    """Sets an attribute of modules for the time of a block, and restores that of each."""
    before = [(module, getattr(module, name)) for module in modules]
    try:
        for module, _ in before:
            setattr(module, name, value)
        yield
    finally:
        for module, its in before:
            setattr(module, name, its)
