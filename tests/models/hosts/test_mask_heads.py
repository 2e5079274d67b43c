"""Tests the hosts of the Mask R-CNN family against MMDetection's own classes and a plain loop."""

from typing import Any

import pytest
import torch
from mmdet.models.roi_heads import mask_heads
from mmdet.registry import MODELS
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.models.scorers.mask_statistics import NAMES
from tests.support.scenes import random_scene
from tests.support.tiny_hosts import (
    assert_empty,
    assert_encoded,
    assert_same,
    compare_probabilities,
    find_nothing_in_the_second_image,
    pair,
    predictions,
    tiny_config,
)

HOSTS = {
    "cascade": "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
    "htc": "htc/htc_r50_fpn_1x_coco.py",
    "pisa": "pisa/mask-rcnn_r50_fpn_pisa_1x_coco.py",
    "point_rend": "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py",
    "queryinst": "queryinst/queryinst_r50_fpn_1x_coco.py",
    "scnet": "scnet/scnet_r50_fpn_1x_coco.py",
}


def last(mask_head: Any) -> Any:
    """Returns the mask head whose masks are the results."""
    return mask_head[-1] if isinstance(mask_head, torch.nn.ModuleList) else mask_head


@pytest.mark.parametrize("name", HOSTS)
def test_results_are_mmdetections_with_those_of_the_last_masks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair(tiny_config(HOSTS[name]), seed=2)
    head, seen = last(theirs.roi_head.mask_head), []
    predict = head.predict_by_feat

    def keep(mask_preds: Any, *args: Any, activate_map: bool = False, **kwargs: Any) -> Any:
        seen.extend(mask_preds if activate_map else [preds.sigmoid() for preds in mask_preds])
        return predict(mask_preds, *args, activate_map=activate_map, **kwargs)

    monkeypatch.setattr(head, "predict_by_feat", keep)
    results = predictions(ours)
    for mine, expected, probs in zip(results, predictions(theirs), seen, strict=True):
        assert len(mine) == 10 and mine.masks.any()
        assert_same(mine, expected)
        probs = probs[range(10), mine.labels] if probs.size(1) > 1 else probs[:, 0]
        compare_probabilities(mine, probs, probs >= 0.5, boxed=True)
    assert_encoded(ours, results)
    assert len({round(mean, 3) for mine in results for mean in mine.foreground_probs.tolist()}) > 3


@pytest.mark.parametrize("name", sorted(HOSTS.keys() - {"queryinst"}))  # has all its queries
def test_images_without_a_detection(name: str) -> None:
    model = tiny_config(HOSTS[name])
    model.test_cfg.rcnn.score_thr = 1.1
    ours, theirs = pair(model)
    assert_empty(ours, theirs)


@pytest.mark.parametrize("name", sorted(HOSTS.keys() - {"queryinst"}))
def test_an_image_without_a_detection_beside_one_with_some(name: str) -> None:
    ours, _ = pair(tiny_config(HOSTS[name]))
    expected = predictions(ours)[0]
    find_nothing_in_the_second_image(ours)
    found, empty = predictions(ours)
    assert len(found) == 10 and len(empty) == 0
    assert {*empty.keys()} == {*found.keys()} == {*expected.keys()}
    assert empty.masks.shape == (0, 48, 48)
    for field in ("scores", "bboxes"):
        assert torch.equal(found[field], expected[field])
    assert torch.equal(found.masks, expected.masks)


def test_they_travel_into_rows() -> None:
    ours, _ = pair(tiny_config(HOSTS["cascade"]))
    found = predictions(ours)[0]
    rows = to_detections(to_arrays(found), 4, range(10)).to_rows()
    for row, values in zip(rows, found.mask_statistics, strict=True):
        assert list(row["mask_statistics"]) == list(NAMES)
        assert list(row["mask_statistics"].values()) == pytest.approx(values.tolist(), abs=5e-5)


def test_a_host_without_masks_has_neither() -> None:
    model = tiny_config("grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco.py")
    ours = MODELS.build(model).eval()
    assert set(predictions(ours)[0].keys()) == {"bboxes", "labels", "scores"}


@pytest.mark.parametrize("name", ["FCNMaskHead", "HTCMaskHead"])
def test_mask_targets_of_a_batch_are_mmdetections(name: str) -> None:
    sampled, ground_truth = [], []
    for scene in map(random_scene, range(2)):
        masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
        ground_truth.append(InstanceData(masks=masks))
        boxes, inds = torch.from_numpy(scene.boxes), torch.from_numpy(scene.inds)
        sampled.append(InstanceData(pos_priors=boxes, pos_assigned_gt_inds=inds))
    ours, theirs = MODELS.get(name)(num_convs=1), getattr(mask_heads, name)(num_convs=1)
    assert type(ours) is not type(theirs)
    batch = sampled, ground_truth, ConfigDict(mask_size=28)
    assert torch.equal(ours.get_targets(*batch), theirs.get_targets(*batch))
