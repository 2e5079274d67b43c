"""Tests of converting the authors' checkpoints and back, bit by bit, and of what is refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.config import Config

from msrcnn_mm.interop.conversion import Conversion, convert
from msrcnn_mm.interop.maskrcnn_benchmark import FORMAT
from tests.support.checkpoints.conversions import (
    Weights,
    assert_identical,
    refusal,
    with_weight,
    without,
)
from tests.support.checkpoints.maskrcnn_benchmark_files import light_weights
from tests.support.tiny import CONFIGS


def converted(checkpoint: dict[str, Any]) -> Conversion:
    return convert(checkpoint, (FORMAT,))


def our_weights(depth: int = 50, classes: int = 80) -> Weights:
    """Makes a checkpoint of ours as MMDetection writes it, with its batch norms' counters."""
    weights = converted({"model": light_weights(depth, classes + 1)}).checkpoint["state_dict"]
    counters = {
        name.replace("running_var", "num_batches_tracked"): torch.tensor(i)
        for i, name in enumerate(weights)
        if name.endswith("running_var")
    }
    return weights | counters


# ---- round trips


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("classes", [81, 4])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_theirs_come_back(depth: int, classes: int, prefix: str, dtype: torch.dtype) -> None:
    light = light_weights(depth, classes)
    weights = {f"{prefix}{n}": w.clamp(max=6e4).to(dtype) for n, w in light.items()}
    done = converted({"model": weights, "iteration": 9})
    assert done.warnings == ()
    theirs = converted(done.checkpoint).checkpoint
    assert theirs.keys() == {"model"}
    assert_identical(theirs["model"], weights)


def test_weights_alone_come_back_alone() -> None:
    weights = light_weights()
    assert_identical(converted(converted(weights).checkpoint).checkpoint, weights)


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_ours_come_back(depth: int, prefix: str) -> None:
    weights = {f"{prefix}{name}": value for name, value in our_weights(depth, 3).items()}
    theirs = converted({"state_dict": weights, "meta": {}}).checkpoint
    assert not any("tracked" in name for name in theirs["model"])
    assert_identical(converted(theirs).checkpoint["state_dict"], weights)
    alone = converted(weights).checkpoint
    assert_identical(alone["model"], theirs["model"])


def test_the_background_row_moves() -> None:
    """The rows of the made-up weights are numbered."""
    theirs = light_weights()
    ours = converted({"model": theirs}).checkpoint["state_dict"]
    for their_name, our_name, rows in (
        ("roi_heads.box.predictor.cls_score", "roi_head.bbox_head.fc_cls", [*range(1, 81), 0]),
        ("roi_heads.box.predictor.bbox_pred", "roi_head.bbox_head.fc_reg", range(4, 324)),
        (
            "roi_heads.mask.predictor.mask_fcn_logits",
            "roi_head.mask_head.conv_logits",
            range(1, 81),
        ),
        ("roi_heads.maskiou.predictor.maskiou", "roi_head.mask_iou_head.fc_mask_iou", range(1, 81)),
    ):
        for part in ("weight", "bias"):
            wanted = theirs[f"{their_name}.{part}"][list(rows)]
            assert torch.equal(ours[f"{our_name}.{part}"], wanted)


def test_without_kept_rows_the_background_is_zero_and_the_anchors_are_computed() -> None:
    first = converted({"model": light_weights()}).checkpoint
    theirs = converted({"state_dict": first["state_dict"]}).checkpoint["model"]
    wanted = light_weights()
    for name, rows in (
        ("roi_heads.box.predictor.bbox_pred", 4),
        ("roi_heads.mask.predictor.mask_fcn_logits", 1),
        ("roi_heads.maskiou.predictor.maskiou", 1),
    ):
        for part in ("weight", "bias"):
            value = wanted[f"{name}.{part}"].clone()
            value[:rows] = 0
            wanted[f"{name}.{part}"] = value
    assert_identical(theirs, wanted)


# ---- messages


def test_the_config_is_named_and_what_is_left_out() -> None:
    old = {"model": light_weights(101, 4), "optimizer": {}, "scheduler": {}, "iteration": 7}
    done = converted(old)
    assert done.left_out == ("optimizer", "scheduler", "iteration")
    assert "ResNet-101 FPN, 3 classes" in done.found
    (config,) = re.findall(r"configs/\S+?\.py", done.advice)
    assert (CONFIGS.parent / config).is_file()
    for head in ("bbox_head", "mask_head", "mask_iou_head"):
        assert f"model.roi_head.{head}.num_classes=3" in done.advice
    back = converted({**done.checkpoint, "meta": {}})
    assert back.left_out == ("meta",)
    assert "e2e_ms_rcnn_R_101_FPN_1x.yaml MODEL.ROI_BOX_HEAD.NUM_CLASSES 4" in back.advice
    assert "num_classes" not in converted({"model": light_weights()}).advice


def test_other_anchors_are_a_warning_and_kept() -> None:
    weights = light_weights()
    assert converted({"model": weights}).warnings == ()
    name = "rpn.anchor_generator.cell_anchors.3"
    weights[name] = weights[name] * 2
    done = converted({"model": weights})
    (warning,) = done.warnings
    assert "anchors other than those of configs/ms_rcnn/ms-rcnn_r50-caffe_fpn_mask" in warning
    assert name in warning
    assert_identical(converted(done.checkpoint).checkpoint["model"], weights)


def test_a_training_by_another_config_is_a_warning_on_the_way_back() -> None:
    name = "ms-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py"
    right = Config.fromfile(CONFIGS / "ms_rcnn" / name).pretty_text
    stock = Config.fromfile(CONFIGS / "ms_rcnn" / "ms-rcnn_r50_fpn_1x_coco.py").pretty_text
    weights = our_weights()
    for text, count in ((right, 0), (stock, 1), (None, 0)):
        done = converted({"state_dict": weights, "meta": {"cfg": text}})
        assert len(done.warnings) == count


# ---- refusals


CONV = "rpn.head.conv.bias"
SCORE = "roi_heads.box.predictor.cls_score.bias"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("maskiou"), r"14 missing \(roi_heads.maskiou.\S+, .* and 11 more\)$"),
        (without("fpn_inner2.bias"), r"1 missing \(backbone.fpn.fpn_inner2.bias\)$"),
        (without("layer2.3"), r"15 missing \(backbone.body.layer2.3.conv1.weight, "),
        (without("cls_score"), r"2 missing \(roi_heads.box.predictor.cls_score.weight, "),
        (without("cell_anchors.2"), r"1 missing \(rpn.anchor_generator.cell_anchors.2\)"),
        (with_weight("a.b", torch.ones(1)), r"1 unknown to the model \(a.b\)$"),
        (
            with_weight(CONV, torch.ones(7)),
            r"1 of .* shape \(rpn.head.conv.bias: \(7,\) where \(256,\) is",
        ),
        (with_weight(CONV, 7), r"rpn.head.conv.bias: None where"),
        (
            with_weight(SCORE, torch.ones(91)),
            r"7 of another shape \(\S+cls_score.weight: \(81, 1024\) where",
        ),
    ],
)
def test_other_weights_of_theirs_are_named(change: Callable, says: str) -> None:
    message = refusal({"model": change(light_weights())}, FORMAT)
    assert message.startswith(
        "looks like a checkpoint of maskrcnn-benchmark, but has other weights"
    )
    assert re.search(says, message), message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("mask_iou_head"), r"14 missing \(roi_head.mask_iou_head.convs.0.weight, "),
        (without("neck.fpn_convs.3"), r"2 missing \(neck.fpn_convs.3.conv.weight, "),
        (with_weight("ema", torch.ones(1)), r"1 unknown to the model \(ema\)"),
        (with_weight("rpn_head.rpn_cls.bias", torch.ones(1)), r"rpn_cls.bias: \(1,\) where \(3,\)"),
    ],
)
def test_other_weights_of_ours_are_named(change: Callable, says: str) -> None:
    message = refusal({"state_dict": change(our_weights())}, FORMAT)
    assert message.startswith("looks like one of ours for maskrcnn-benchmark, but has other")
    assert re.search(says, message), message


def test_kept_rows_that_do_not_fit_are_named() -> None:
    """This happens if the heads were replaced for other classes."""
    checkpoint = converted({"model": light_weights()}).checkpoint
    checkpoint["maskrcnn_benchmark"]["background"]["roi_heads.box.predictor.bbox_pred.bias"] = (
        torch.ones(5)
    )
    message = refusal(checkpoint, FORMAT)
    assert "kept beside the weights: 1 of another shape (roi_heads.box.predictor.bbox" in message


def test_kept_anchors_that_do_not_fit_are_named() -> None:
    checkpoint = converted({"model": light_weights()}).checkpoint
    kept = checkpoint["maskrcnn_benchmark"]["anchors"]
    name = "rpn.anchor_generator.cell_anchors.1"
    for changed, says in (
        ({name: torch.ones(2, 4)}, f"1 of another shape ({name}: (2, 4) where (3, 4) is needed)"),
        ({"rpn.head.conv.bias": torch.ones(256)}, "1 unknown to the model (rpn.head.conv.bias)"),
        ({name: "__main__"}, f"({name}: None where (3, 4) is needed)"),
    ):
        checkpoint["maskrcnn_benchmark"]["anchors"] = kept | changed
        message = refusal(checkpoint, FORMAT)
        assert "has other weights: the anchors kept beside the weights: 1 " in message
        assert message.endswith(says)
    del kept[name]
    checkpoint["maskrcnn_benchmark"]["anchors"] = kept
    assert refusal(checkpoint, FORMAT).endswith(f"1 missing ({name})")


def test_kept_counters_that_do_not_fit_are_named() -> None:
    checkpoint = converted({"state_dict": our_weights()}).checkpoint
    kept = checkpoint["msrcnn_mm"]["counters"]
    bn1 = "backbone.bn1.num_batches_tracked"
    for name, value, says in (
        ("backbone.conv1.weight", torch.ones(3), "unknown to the model (backbone.conv1.weight)"),
        ("backbone.x.num_batches_tracked", torch.tensor(1), "unknown to the model (backbone.x.num"),
        (bn1, 7, f"of another shape ({bn1}: None where () is needed)"),
        (bn1, torch.ones(3), f"of another shape ({bn1}: (3,) where () is needed)"),
        (7, torch.ones(3), "unknown to the model (7)"),
    ):
        checkpoint["msrcnn_mm"]["counters"] = kept | {name: value}
        message = refusal(checkpoint, FORMAT)
        assert "has other weights: the counters kept beside the weights: 1 " in message
        assert says in message


ONE = torch.ones(1)


@pytest.mark.parametrize(
    ("checkpoint", "says"),
    [
        ({}, "(it holds nothing)"),
        ({"a": 1, "b": 2}, "(it holds a, b)"),
        ({"conv1.weight": ONE, "fc.bias": ONE}, "(it holds conv1.weight, fc.bias)"),  # torchvision
        ({"model": {"backbone.bottom_up.stem.conv1.weight": ONE}}, "(it holds backbone.bottom_up."),
        ({"model": {f"x{i}": ONE for i in range(9)}}, "(it holds x0, x1, x2 and 6 more)"),
        ({"state_dict": {"backbone.conv1.weight": ONE, "bbox_head.fc": ONE}}, "(it holds backbone"),
        ({"model": 3}, "(it holds model)"),
    ],
)
def test_other_kinds_are_refused(checkpoint: dict, says: str) -> None:
    message = refusal(checkpoint, FORMAT)
    assert message.startswith("is neither a checkpoint of maskrcnn-benchmark nor a Mask Scoring R-")
    assert message.endswith(says) or says in message
