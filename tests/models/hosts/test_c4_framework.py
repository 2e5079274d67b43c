"""Tests that in the C4 framework the MaskIoU head reads the box head's features."""

import torch
from mmdet.structures.bbox import bbox2roi
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config

from tests.support.tiny import CONFIGS, build


def test_features_logits_and_labels_are_those_of_the_positive_rois(monkeypatch) -> None:
    config = Config.fromfile(CONFIGS / "ms_rcnn/ms-rcnn_r50-caffe-c4_1x_coco.py")
    config.model.backbone.init_cfg = config.model.roi_head.shared_head.init_cfg = None
    config.model.train_cfg.rcnn.sampler.num = 8
    model = build(config).train()
    host = model.roi_head

    seen = {}
    mask_loss = host.mask_loss

    def remembered(x, sampling_results, bbox_feats, batch_gt_instances):
        results = mask_loss(x, sampling_results, bbox_feats, batch_gt_instances)
        seen.update(results, x=x, sampling_results=sampling_results, bbox_feats=bbox_feats)
        return results

    monkeypatch.setattr(host, "mask_loss", remembered)
    packed = demo_mm_inputs(2, [(3, 64, 96), (3, 64, 64)], num_items=[2, 1], with_mask=True)
    batch = model.data_preprocessor(packed, True)
    with torch.no_grad():
        losses = model.loss(batch["inputs"], batch["data_samples"])
        assert torch.isfinite(losses["loss_mask_iou"])

        rois = bbox2roi([sampled.pos_priors for sampled in seen["sampling_results"]])
        assert len(seen["bbox_feats"]) > len(rois) > 0  # with negative ones
        alone = host._mask_forward(seen["x"], rois)
    assert seen["mask_feats"].shape[1:] == (2048, 7, 7)
    assert seen["mask_preds"].shape[1:] == (80, 14, 14)
    for key in ("mask_feats", "mask_preds"):
        torch.testing.assert_close(seen[key], alone[key], rtol=1e-4, atol=1e-4)
