"""Tests that MMDetection's Mask Scoring R-CNN config runs on our classes when it imports us."""

import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.registry import init_default_scope

import msrcnn_mm


def test_trains_a_step_and_tests_an_image(tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "_base_ = 'mmdet::ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py'\n"
        "custom_imports = dict(imports=['msrcnn_mm'], allow_failed_imports=False)\n"
    )
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None  # no download in a test
    init_default_scope("mmdet")
    model = MODELS.build(config.model)
    assert type(model.roi_head) is msrcnn_mm.MaskScoringRoIHead
    assert type(model.roi_head.mask_iou_head) is msrcnn_mm.MaskIoUHead
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    packed = demo_mm_inputs(1, [(3, 64, 64)], num_items=[2], num_classes=80, with_mask=True)
    batch = model.data_preprocessor(packed, True)
    losses = model.train().loss(batch["inputs"], batch["data_samples"])
    total, _ = model.parse_losses(losses)
    total.backward()
    optimizer.step()
    assert torch.isfinite(losses["loss_mask_iou"])

    model.roi_head.test_cfg.score_thr = 0.0
    with torch.no_grad():
        (sample,) = model.eval().test_step(packed)
    assert {"scores", "mask_ious", "mask_scores", "masks"} <= set(sample.pred_instances.keys())
    assert len(sample.pred_instances) > 0
