"""Crops of the instances of an image to their tight boxes.

Targets read an instance's pixels only inside its tight box. Finding it takes a pass over the whole
bitmap, so the crops of an image are kept as long as its masks are.

Shape shorthand: G instances of one image; H, W height and width of the image in pixels.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from pycocotools import mask as coco_mask
from torch import Tensor

# Rows that are searched at once for pixels: as many as bytes in a word, so that words fill them.
_STRIP = 8


@dataclass(frozen=True)
class InstanceCrop:
    """The part of an instance's mask inside its tight box.

    Attributes:
        bitmap: (h, w) values of the mask, not 0 where the instance is; (0, 0) for an empty mask.
        top: image row of the first row.
        left: image column of the first column.
    """

    bitmap: np.ndarray
    top: int
    left: int


_CROPS: WeakKeyDictionary[BitmapMasks | PolygonMasks, list[InstanceCrop]] = WeakKeyDictionary()


def instance_crops(masks: BitmapMasks | PolygonMasks) -> list[InstanceCrop]:
    """Returns the crops of MMDetection's ground-truth masks, which are on the CPU.

    Polygons are filled as by pycocotools. The crops of bitmaps are views. The masks must not change
    afterwards, since their crops are computed once.

    Args:
        masks: G instances.
    """
    if masks not in _CROPS:
        if isinstance(masks, PolygonMasks):
            filled = (_filled(polygons, masks.height, masks.width) for polygons in masks.masks)
            _CROPS[masks] = [crop for bitmap in filled for crop in _tight_crops(bitmap[None])]
        else:
            _CROPS[masks] = _tight_crops(masks.masks)
    return _CROPS[masks]


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copies an array to a device, without waiting for a GPU."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # the GPU's driver waits before it copies other memory
    return tensor.to(device, non_blocking=True)


def _tight_crops(bitmaps: np.ndarray) -> list[InstanceCrop]:
    """Crops (G, H, W) bitmaps.

    Zeros are skipped word by word, as far as strips of rows go: an image with many instances has
    more bytes of masks than a processor reads in the time that the targets take.
    """
    count, height, width = bitmaps.shape
    if bitmaps.dtype != np.uint8:
        seen = (bitmaps != 0).view(np.uint8)
    else:
        seen = np.ascontiguousarray(bitmaps)
    strips = height // _STRIP
    words = seen[:, : strips * _STRIP].reshape(count, strips, _STRIP * width).view(np.uint64)
    rest = seen[:, strips * _STRIP :].any(axis=(1, 2))
    filled = np.column_stack((words.max(axis=2, initial=0) > 0, rest))
    return [
        _tight_crop(bitmap, mask, np.flatnonzero(row))
        for bitmap, mask, row in zip(bitmaps, seen, filled, strict=True)
    ]


def _tight_crop(bitmap: np.ndarray, seen: np.ndarray, strips: np.ndarray) -> InstanceCrop:
    """Crops a bitmap whose pixels lie in some of its strips."""
    if strips.size == 0:
        return InstanceCrop(bitmap[:0, :0], 0, 0)
    first = int(strips[0]) * _STRIP
    left, top, width, height = cv2.boundingRect(seen[first : (int(strips[-1]) + 1) * _STRIP])
    top += first
    return InstanceCrop(bitmap[top : top + height, left : left + width], top, left)


def _filled(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Fills polygons on a canvas that ends just beyond them, instead of at the image's corner.

    The canvas starts at the image's origin: pycocotools rounds points to fifths of a pixel, and
    moved points that lie halfway, as tenths do, could round the other way.
    """
    if not polygons:
        return np.zeros((0, 0), np.uint8)
    points = np.concatenate([np.asarray(p, np.float64).reshape(-1, 2) for p in polygons])
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 2, 0, (width, height))
    if right == 0 or bottom == 0:
        return np.zeros((0, 0), np.uint8)
    rles = coco_mask.frPyObjects([p.tolist() for p in polygons], int(bottom), int(right))
    return coco_mask.decode(coco_mask.merge(rles))
