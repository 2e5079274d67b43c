"""Mask targets: the ground truth of each RoI that the mask branch learns from.

MMDetection copies the image-sized mask of an RoI's instance once per RoI, as floats: 546 MB for 128
RoIs of an image of 800 x 1333. Here RoIAlign reads each instance where it is.

Shape shorthand:
    R: RoIs of one image
    G: ground-truth instances of the image
    H, W: height and width of the image in pixels
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.ops import roi_align
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmdet.structures.mask.mask_target import mask_target_single
from mmdet.utils import ConfigType
from torch import Tensor
from torch.nn.modules.utils import _pair

from .instance_crops import InstanceCrop, instance_crops, to_device

# Pixels of the instances that are read at once, at image size: 32 MB as float32.
_PIXELS = 2**23


@torch.no_grad()
def mask_targets(
    masks: BitmapMasks | PolygonMasks, boxes: Tensor, gt_inds: Tensor, train_cfg: ConfigType
) -> Tensor:
    """Computes the mask of each RoI's instance inside the RoI, as MMDetection does, bit by bit.

    Runs on the device of ``boxes`` without synchronising with it, for bitmaps. Polygons are left to
    MMDetection, which fills them at the size of the targets.

    Args:
        masks: G instances.
        boxes: (R, 4) boxes as x1, y1, x2, y2 in pixels; what is outside the image is cut off.
        gt_inds: (R,) index of the instance that each RoI is assigned to, in [0, G).
        train_cfg: settings with ``mask_size``, and ``soft_mask_target`` for targets that are not
            binarised at 0.5.

    Returns:
        (R, height, width) float32 of ``mask_size``, 0 or 1.
    """
    if len(boxes) == 0 or not isinstance(masks, BitmapMasks):
        return mask_target_single(boxes, gt_inds, masks, train_cfg)
    size = _pair(train_cfg["mask_size"])
    xs, ys = boxes[:, ::2].clamp(0, masks.width), boxes[:, 1::2].clamp(0, masks.height)
    inside = torch.stack((xs, ys), dim=2).flatten(1)
    crops = instance_crops(masks)
    pixels = _on_device(crops, boxes.device)
    at_once = min(len(crops), max(1, _PIXELS // (masks.height * masks.width)))
    canvas = boxes.new_zeros((at_once, masks.height, masks.width))
    targets = boxes.new_zeros((len(boxes), *size))
    places: list[Tensor] = []
    for first in range(0, len(crops), at_once):
        for place in places:
            place.zero_()
        some = slice(first, first + at_once)
        places = [_place(*pair) for pair in zip(canvas, crops[some], strict=False)]
        for place, bitmap in zip(places, pixels[some], strict=True):
            place.copy_(bitmap)
        here = (gt_inds >= some.start) & (gt_inds < some.stop)
        rois = torch.cat((gt_inds[:, None] - first, inside), dim=1)
        rois = torch.where(here[:, None], rois, 0)  # empty elsewhere, so that RoIAlign gives 0
        targets += roi_align(canvas[:, None], rois, size, 1.0, 0, "avg", True)[:, 0]
    if train_cfg.get("soft_mask_target", False):
        return targets.float()
    return (targets >= 0.5).float()


def _on_device(crops: Sequence[InstanceCrop], device: torch.device) -> list[Tensor]:
    """Copies the bitmaps of crops to a device, in one piece."""
    pixels = to_device(np.concatenate([crop.bitmap.ravel() for crop in crops]), device)
    parts = pixels.split([crop.bitmap.size for crop in crops])
    return [part.view(crop.bitmap.shape) for part, crop in zip(parts, crops, strict=True)]


def _place(image: Tensor, crop: InstanceCrop) -> Tensor:
    """Returns the part of an (H, W) image that a crop covers."""
    height, width = crop.bitmap.shape
    return image[crop.top : crop.top + height, crop.left : crop.left + width]
