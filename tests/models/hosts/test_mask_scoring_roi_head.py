"""Tests of the Mask Scoring R-CNN host: training and test steps, and their edge cases."""

import numpy as np
import pytest
import torch
from mmdet.models.roi_heads.mask_scoring_roi_head import MaskScoringRoIHead as BuiltInRoIHead
from mmdet.registry import MODELS
from mmdet.structures.mask import PolygonMasks

import msrcnn_mm
from tests.support import tiny

SHAPES = [(3, 96, 128), (3, 96, 96)]


@pytest.fixture
def model():
    return tiny.build(tiny.tiny_config())


def predictions(model, shapes=SHAPES):
    model.eval()
    with torch.no_grad():
        samples = model.predict(*tiny.inputs(model, False, shapes))
    return [sample.pred_instances for sample in samples]


def test_replaces_the_built_in() -> None:
    assert MODELS.get("MaskScoringRoIHead") is msrcnn_mm.MaskScoringRoIHead
    assert MODELS.get("MaskIoUHead") is msrcnn_mm.MaskIoUHead


def test_training_step(model) -> None:
    losses = tiny.train_step(model)
    assert 0 < losses["loss_mask_iou"].item() < 1
    for name, parameter in model.roi_head.mask_iou_head.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_trains_on_polygon_masks(model) -> None:
    batch = tiny.inputs(model, True, SHAPES)
    for sample in batch[1]:
        gt = sample.gt_instances
        boxes = gt.bboxes.numpy()
        polygons = [[box[[0, 1, 2, 1, 2, 3, 0, 3]].astype(np.float64)] for box in boxes]
        gt.masks = PolygonMasks(polygons, *sample.batch_input_shape)
    losses = model.train().loss(*batch)
    assert torch.isfinite(losses["loss_mask_iou"])


@pytest.mark.parametrize("num_items", [[0, 0], [0, 2]])
def test_trains_without_ground_truth(model, num_items: list[int]) -> None:
    losses = tiny.train_step(model, num_items=num_items)
    for name, loss in losses.items():
        for level in loss if isinstance(loss, list) else [loss]:
            assert torch.isfinite(level).all(), name
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_trains_and_tests_with_automatic_mixed_precision(model, dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype):
        losses = tiny.train_step(model)
        results = predictions(model)
    for name, loss in losses.items():
        for level in loss if isinstance(loss, list) else [loss]:
            assert torch.isfinite(level).all(), name
    assert results[0].mask_ious.dtype == torch.float32
    assert len(results[0]) > 0


def test_batch_of_two_tests_as_two_batches_of_one(model) -> None:
    together = predictions(model)
    for scored in together:
        assert len(scored) > 0
        assert scored.masks.shape[0] == len(scored)
        assert ((scored.mask_ious >= 0) & (scored.mask_ious <= 1)).all()
        assert torch.equal(scored.mask_scores, scored.scores * scored.mask_ious)
    alone = predictions(model, SHAPES[:1])
    assert torch.allclose(alone[0].mask_ious, together[0].mask_ious, atol=1e-4)


def test_boxes_scores_and_masks_are_bit_equal_to_the_hosts() -> None:
    scored = tiny.build(tiny.tiny_config())
    host = tiny.build(tiny.tiny_config("mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"))
    fit = host.load_state_dict(scored.state_dict(), strict=False)
    assert not fit.missing_keys
    for ours, theirs in zip(predictions(scored), predictions(host), strict=True):
        for field in ("bboxes", "scores", "labels", "masks"):
            assert torch.equal(ours[field], theirs[field]), field


def test_predicts_the_mask_ious_that_the_built_in_multiplies_in(model) -> None:
    theirs = tiny.build(tiny.tiny_config())
    theirs.load_state_dict(model.state_dict())
    # MMDetection's own predict_mask on the same heads: it passes only the target class's masks, and
    # its own head would overwrite the scores
    forward = model.roi_head.mask_iou_head.forward
    theirs.roi_head.mask_iou_head.forward = lambda features, logits: forward(
        features, logits.unsqueeze(1), torch.zeros(len(logits), dtype=torch.int64)
    )
    kept = model.roi_head.mask_iou_head.predict_by_feat
    theirs.roi_head.mask_iou_head.predict_by_feat = lambda mask_iou_preds, results_list: kept(
        mask_iou_preds, results_list
    )
    theirs.roi_head.predict_mask = BuiltInRoIHead.predict_mask.__get__(theirs.roi_head)
    ours = predictions(model)[0]
    assert torch.allclose(ours.mask_ious, predictions(theirs)[0].mask_ious, atol=1e-6)


@pytest.mark.parametrize("score_thr", [1.1, 0.0])
def test_images_without_a_detection(score_thr: float) -> None:
    config = tiny.tiny_config()
    config.model.test_cfg.rcnn.score_thr = score_thr
    model = tiny.build(config)
    for scored in predictions(model):
        count = len(scored)
        assert (count == 0) == (score_thr > 1)
        assert scored.mask_ious.shape == scored.mask_scores.shape == (count,)
        assert scored.masks.dim() == 3


def test_soft_nms_is_a_config_choice() -> None:
    config = tiny.tiny_config()
    config.model.test_cfg.rcnn.nms = {"type": "soft_nms", "iou_threshold": 0.5}
    config.model.test_cfg.rcnn.score_thr = 0.05
    assert len(predictions(tiny.build(config))[0]) > 0


@pytest.mark.parametrize("agnostic", [False, True])
def test_class_agnostic_mask_head(agnostic: bool) -> None:
    config = tiny.tiny_config()
    config.model.roi_head.mask_head.class_agnostic = agnostic
    config.model.roi_head.mask_iou_head.class_agnostic = agnostic
    model = tiny.build(config)
    assert torch.isfinite(tiny.train_step(model)["loss_mask_iou"])
    assert len(predictions(model)[0]) > 0


def test_forward_returns_the_networks_outputs(model) -> None:
    batch = tiny.inputs(model, False, SHAPES[:1])
    with torch.no_grad():
        ((cls_score, bbox_pred, mask_preds, mask_ious),) = model.eval()._forward(*batch)
    assert cls_score.shape[1] == tiny.CLASSES + 1
    assert bbox_pred.shape[1] == tiny.CLASSES * 4
    assert mask_preds.shape[1:] == (tiny.CLASSES, 28, 28)
    assert mask_ious.shape == (len(mask_preds), tiny.CLASSES)


HIGH_RES = dict(
    mask_iou_roi_extractor=dict(
        type="SingleRoIExtractor",
        roi_layer=dict(type="RoIAlign", output_size=28, sampling_ratio=0),
        out_channels=16,
        featmap_strides=[4, 8, 16, 32],
    ),
    mask_iou_head=dict(roi_feat_size=28, conv_strides=(2, 1, 1, 2)),
)


@pytest.mark.parametrize(
    "setting",
    [
        dict(mask_iou_head=dict(mask_input="target_multiply")),
        dict(mask_iou_head=dict(mask_input="all_concat")),
        HIGH_RES,
        dict(mask_iou_head=dict(learns="all_classes")),
        dict(mask_iou_head=dict(learns="positive_classes")),
        dict(mask_iou_head=dict(mask_iou_thr=0.05, box_iou_thr=0.6)),
    ],
    ids=str,
)
def test_every_ablation_trains_and_tests(setting: dict) -> None:
    config = tiny.tiny_config()
    config.merge_from_dict(dict(model=dict(roi_head=setting)))
    model = tiny.build(config)
    losses = tiny.train_step(model)
    assert losses["loss_mask_iou"].item() > 0
    reached = model.roi_head.mask_iou_head.fc_mask_iou.bias.grad != 0
    if setting == dict(mask_iou_head=dict(learns="all_classes")):
        assert reached.all()
    assert reached.any()
    for scored in predictions(model):
        assert len(scored) > 0
        assert ((scored.mask_ious >= 0) & (scored.mask_ious <= 1)).all()
    no_items = tiny.train_step(model, num_items=[0, 0])
    assert no_items["loss_mask_iou"].item() == 0


def test_a_config_without_mask_head_is_refused() -> None:
    config = tiny.tiny_config()
    config.model.roi_head.mask_head = None
    with pytest.raises(ValueError, match="mask_head"):
        tiny.build(config)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_trains_and_tests_on_a_gpu(model, dtype: torch.dtype) -> None:
    model.cuda()
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        losses = tiny.train_step(model)
        results = predictions(model)
    assert torch.isfinite(losses["loss_mask_iou"])
    assert len(results[0]) > 0
