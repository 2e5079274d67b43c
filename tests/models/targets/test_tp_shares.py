"""Tests of the targets of frozen hosts' scorers against pycocotools' own matches."""

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from msrcnn_mm.models.targets.detection_ious import detection_ious
from msrcnn_mm.models.targets.tp_shares import tp_shares
from tests.support.coco_scenes import as_coco, plain_tp_shares, random_scene


def instances(rows: list[dict], size: tuple[int, int]) -> InstanceData:
    masks = [mask_utils.decode(row["segmentation"]) for row in rows]
    return InstanceData(
        labels=torch.tensor([row["category_id"] for row in rows], dtype=torch.long),
        masks=BitmapMasks(masks, *size),
    )


@given(seed=st.integers(0, 2**32 - 1), encoded=st.booleans())
@settings(max_examples=30, deadline=None)
def test_equals_the_matches_of_pycocotools(seed: int, encoded: bool) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)
    expected = plain_tp_shares(as_coco(annotations, num_images=3), detections, 100)
    found = np.full(len(detections), -1.0)
    for image in {d["image_id"] for d in detections}:
        own = [i for i, d in enumerate(detections) if d["image_id"] == image]
        rows = [detections[i] for i in own]
        size = tuple(rows[0]["segmentation"]["size"])
        truth = [a for a in annotations if a["image_id"] == image]
        sample = DetDataSample(
            gt_instances=instances([a for a in truth if not a["iscrowd"]], size),
            ignored_instances=instances([a for a in truth if a["iscrowd"]], size),
        )
        masks = [row["segmentation"] for row in rows]
        if not encoded:
            masks = torch.from_numpy(mask_utils.decode(masks).transpose(2, 0, 1)).bool()
        results = InstanceData(labels=torch.tensor([row["category_id"] for row in rows]))
        results.masks = masks
        scores = torch.tensor([row["score"] for row in rows], dtype=torch.float64)
        found[own] = _shares(*detection_ious(results, sample), scores)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _shares(ious: torch.Tensor, crowds: torch.Tensor, scores: torch.Tensor) -> np.ndarray:
    return tp_shares(ious, scores, crowds).numpy()
