"""Has a model's heads give masks as RLEs.

Shape shorthand: D masks, h x w cells of a map of probabilities.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from numpy.typing import NDArray
from torch import Tensor, nn

from msrcnn_mm.coco.box_masks import encode_in_boxes
from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.coco.runs import encode_crops
from msrcnn_mm.models.hosts.mask_encoding import EncodesMasks, MaskEncoder, encoded_by


class RleEncoder:
    """Encodes the masks of a model's heads as MMDetection and pycocotools do, to the last bit."""

    def in_boxes(
        self, probs: Tensor, boxes: Tensor, height: int, width: int, threshold: float
    ) -> list[Rle]:
        """Returns the RLEs of masks in boxes, which MMDetection cuts on a CPU alone."""
        on_cpu = probs.device.type == "cpu"
        return encode_boxes(probs, boxes, height, width, threshold, whole_image=not on_cpu)

    def whole(self, masks: Tensor) -> list[Rle]:
        """Returns the RLEs of (D, height, width) bool masks."""
        return encode_masks(masks)


def encode_boxes(
    probs: Tensor, boxes: Tensor, height: int, width: int, threshold: float, whole_image: bool
) -> list[Rle]:
    """Returns the RLEs of the masks that MMDetection pastes into the image.

    Pixels at the threshold are sampled by the function by which MMDetection samples all, on the
    same device.

    Args:
        probs: (D, h, w), in [0, 1].
        boxes: (D, 4) x1, y1, x2, y2 in pixels of the image.
        height: Of the image, pixels.
        width: Likewise.
        threshold: Probability from which a pixel is foreground, >= 0.
        whole_image: As for :func:`.encode_in_boxes`.
    """
    probs, boxes = probs.detach().float(), boxes.detach().float()

    def sample(mask: NDArray[Any], across: NDArray[Any], down: NDArray[Any]) -> NDArray[Any]:
        grid = torch.from_numpy(np.stack((across, down), axis=1)).to(probs.device)
        counts = np.bincount(mask, minlength=len(probs)).tolist()
        values = [
            F.grid_sample(map_[None, None], points[None, None], align_corners=False).flatten()
            for map_, points in zip(probs, grid.split(counts), strict=True)
            if len(points)
        ]
        return (torch.cat([grid.new_zeros(0), *values]) >= threshold).cpu().numpy()

    maps, corners = probs.cpu().numpy(), boxes.cpu().numpy()
    return encode_in_boxes(maps, corners, height, width, threshold, sample, whole_image)


def encode_masks(masks: Tensor) -> list[Rle]:
    """Returns the RLEs of (D, height, width) bool masks, of which only the crops leave a GPU."""
    height, width = masks.shape[1:]
    crops, corners = [], []
    bounds = [_bounds(masks.any(dim)) for dim in (1, 2)]
    for mask, (left, right), (top, bottom) in zip(masks, *bounds, strict=True):
        crops.append(mask[top:bottom, left:right].T.cpu().numpy())
        corners.append((left, top))
    return encode_crops(crops, corners, height, width)


def _bounds(used: Tensor) -> list[tuple[int, int]]:
    """Returns the first place and the one behind the last of (D, L) rows; 0 and 0 without any."""
    places = used.cpu().numpy()
    first, behind = places.argmax(axis=1), places.shape[1] - places[:, ::-1].argmax(axis=1)
    behind[~places.any(axis=1)] = 0
    return list(zip(first.tolist(), behind.tolist(), strict=True))


def masks_of(rles: Sequence[Rle]) -> Tensor:
    """Returns the (D, height, width) bool masks of at least one RLE."""
    return torch.from_numpy(mask_utils.decode([*rles]).transpose(2, 0, 1)).bool()


def encode_by(model: nn.Module, encoder: MaskEncoder) -> None:
    """Sets what encodes the masks of a model's results."""
    for module in model.modules():
        if isinstance(module, EncodesMasks):
            module.encoder = encoder


def encoded_masks(model: nn.Module) -> AbstractContextManager[None]:
    """Has a model's results carry RLEs for the time of a block."""
    return encoded_by(model, RleEncoder())
