"""Computes the mask IoU targets of a scene by our code, MMDetection's and brute force."""

import numpy as np
import torch
from mmdet.models.roi_heads.mask_heads.maskiou_head import MaskIoUHead as BuiltInMaskIoUHead
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from msrcnn_mm.models.targets.mask_iou_targets import mask_iou_targets
from msrcnn_mm.models.targets.summed_area import SummedAreaTables
from tests.support import brute_force
from tests.support.scenes import Scene


def targets_of(scene: Scene, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    return mask_iou_targets(
        torch.from_numpy(scene.logits).to(dtype),
        torch.from_numpy(scene.boxes),
        torch.from_numpy(scene.inds),
        SummedAreaTables.from_masks([masks], torch.device("cpu")),
    )


def truth_of(scene: Scene) -> np.ndarray:
    probabilities = 1 / (1 + np.exp(-scene.logits.astype(np.float64)))
    return np.array(
        [
            brute_force.mask_iou(p, box, scene.masks[i])
            for p, box, i in zip(probabilities, scene.boxes, scene.inds, strict=True)
        ]
    )


def built_in_targets_of(scene: Scene) -> torch.Tensor:
    """Computes MMDetection's targets as its RoI head does."""
    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    sampled = InstanceData(
        pos_priors=torch.from_numpy(scene.boxes), pos_assigned_gt_inds=torch.from_numpy(scene.inds)
    )
    mask_targets = torch.from_numpy(
        masks.crop_and_resize(scene.boxes, (28, 28), scene.inds, "cpu").to_ndarray()
    ).float()
    ground_truth = InstanceData()
    ground_truth.masks = masks if len(masks) == 1 else _AnyLength(masks)
    return BuiltInMaskIoUHead().get_targets(
        [sampled],
        [ground_truth],
        torch.from_numpy(scene.logits),
        mask_targets,
        ConfigDict(mask_thr_binary=0.5),
    )


class _AnyLength:
    """Stands in for InstanceData, whose fields must have one length."""

    def __init__(self, masks: BitmapMasks) -> None:
        self.masks = masks
        self.areas = masks.areas

    def __getitem__(self, index: int) -> BitmapMasks:
        return self.masks[index]

    def __len__(self) -> int:
        return len(self.masks)
