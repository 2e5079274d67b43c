"""Computes the mask IoUs of an image's detections with its annotated instances.

Shape shorthand: D detections, G ground-truth instances, crowd regions included.
"""

from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask
from torch import Tensor

from msrcnn_mm.errors import SettingError

Rle = dict[str, Any]


def detection_ious(results: InstanceData, sample: DetDataSample) -> tuple[Tensor, Tensor]:
    """Computes them by pycocotools, on the CPU.

    Args:
        results: D detections with ``labels`` and ``masks``, (D, height, width) bool or D RLEs, of
            the original image's size.
        sample: with ``gt_instances`` and, where there are any, ``ignored_instances``, the crowd
            regions; their masks have the original image's size.

    Returns:
        (D, G) float64 IoUs, 0 where the classes differ; with a crowd region the share of the
        detection in it. (G,) bool, which are crowd regions.

    Raises:
        SettingError: the instances have another size than the detections, or no masks.
    """
    labels, truth, crowds = [np.zeros(0, np.int64)], [], []
    for name, crowd in (("gt_instances", False), ("ignored_instances", True)):
        instances = sample.get(name)
        if instances is None or not len(instances):
            continue
        if "masks" not in instances:
            raise SettingError(
                "FrozenHost: the training pipeline loads no masks: LoadAnnotations(with_mask=True)"
            )
        rles = _rles(instances.masks)
        labels.append(instances.labels.cpu().numpy())
        truth += rles
        crowds += [crowd] * len(rles)
    masks = results.masks
    found = masks if isinstance(masks, list) else _encoded(masks.cpu().numpy())
    if truth and found and list(truth[0]["size"]) != list(found[0]["size"]):
        raise SettingError(
            f"FrozenHost: masks of instances have the size {truth[0]['size']}, those of detections"
            f" {found[0]['size']}: load the annotations after the image is resized, as"
            " configs/frozen_host does"
        )
    ious = np.zeros((len(found), len(truth)))
    if ious.size:
        ious[:] = coco_mask.iou(found, truth, crowds)
        ious *= results.labels.cpu().numpy()[:, None] == np.concatenate(labels)[None]
    return torch.from_numpy(ious), torch.tensor(crowds, dtype=torch.bool)


def _rles(masks: BitmapMasks | PolygonMasks) -> list[Rle]:
    """Encodes MMDetection's ground-truth masks."""
    if isinstance(masks, PolygonMasks):
        size = masks.height, masks.width
        return [
            coco_mask.merge(coco_mask.frPyObjects([p.tolist() for p in polygons], *size))
            for polygons in masks.masks
        ]
    return _encoded(masks.masks)


def _encoded(masks: np.ndarray) -> list[Rle]:
    """Encodes (K, height, width) masks, none where K is 0."""
    if not len(masks):
        return []
    return [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
