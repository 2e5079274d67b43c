"""Tests of converting the YOLACT authors' checkpoints and back, and of what is refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from msrcnn_mm.interop import maskrcnn_benchmark
from msrcnn_mm.interop.conversion import Conversion, convert
from msrcnn_mm.interop.yolact_checkpoints import FORMAT
from tests.support.checkpoints.conversions import (
    Weights,
    assert_identical,
    refusal,
    with_weight,
    without,
)
from tests.support.checkpoints.yolact_files import DEFORMABLE, light_weights
from tests.support.tiny import CONFIGS

FORMATS = (maskrcnn_benchmark.FORMAT, FORMAT)
BIAS, MEAN = "backbone.layers.2.3.conv2.bias", "backbone.layers.2.3.bn2.running_mean"
OUR_MEAN = "backbone.layer3.3.bn2.running_mean"


def converted(checkpoint: dict[str, Any]) -> Conversion:
    return convert(checkpoint, FORMATS)


def our_weights(depth: int = 50, plus: bool = False, classes: int = 80) -> Weights:
    return converted(light_weights(depth, plus, classes)).checkpoint["state_dict"]


# ---- round trips


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize(
    ("classes", "prefix", "dtype", "counters"),
    [
        (80, "", torch.float32, True),
        (80, "", torch.float32, False),
        (20, "module.", torch.float16, True),
        (1, "", torch.float64, False),
    ],
)
def test_theirs_come_back(
    depth: int, plus: bool, classes: int, prefix: str, dtype: torch.dtype, counters: bool
) -> None:
    weights = {
        f"{prefix}{name}": value.to(dtype) if value.is_floating_point() else value
        for name, value in light_weights(depth, plus, classes, counters).items()
    }
    done = converted(weights)
    assert done.warnings == done.left_out == ()
    assert_identical(converted(done.checkpoint).checkpoint, weights)


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("plus", [False, True])
def test_ours_come_back(depth: int, plus: bool) -> None:
    weights = our_weights(depth, plus, 3)
    done = converted({"state_dict": weights, "meta": {}, "optimizer": {}})
    assert done.left_out == ("meta", "optimizer")
    assert_identical(converted(done.checkpoint).checkpoint["state_dict"], weights)
    assert_identical(converted(weights).checkpoint, done.checkpoint)


def test_weights_that_their_code_skips_come_back() -> None:
    """These are a third downsampling layer (version 1.0) and the backbone's older name."""
    old = {
        "fpn.downsample_layers.2.weight": torch.ones(256, 256, 3, 3),
        "fpn.downsample_layers.2.bias": torch.ones(256),
        "backbone.layer1.0.conv1.weight": torch.ones(64, 64, 1, 1),
    }
    weights = light_weights() | old
    done = converted(weights).checkpoint
    assert_identical(done["state_dict"], our_weights())
    assert_identical(converted(done).checkpoint, weights)


def test_the_first_row_moves() -> None:
    """It moves in each anchor's class scores and in the semantic segmentation only."""
    for plus, anchors in ((False, 3), (True, 9)):
        theirs = light_weights(plus=plus)
        ours = converted(theirs).checkpoint["state_dict"]
        scores = [81 * anchor + row for anchor in range(anchors) for row in [*range(1, 81), 0]]
        for their_name, our_name, rows in (
            ("prediction_layers.0.conf_layer", "bbox_head.conv_cls", scores),
            ("semantic_seg_conv", "mask_head.segm_branch.segm_conv", [*range(1, 80), 0]),
            ("prediction_layers.0.bbox_layer", "bbox_head.conv_reg", range(4 * anchors)),
            ("prediction_layers.0.mask_layer", "bbox_head.conv_coeff", range(32 * anchors)),
            ("maskiou_net.maskiou_net.10", "mask_head.mask_iou_head.convs.5", range(80)),
        ):
            for part in ("weight", "bias") if plus or "maskiou" not in their_name else ():
                wanted = theirs[f"{their_name}.{part}"][list(rows)]
                assert torch.equal(ours[f"{our_name}.{part}"], wanted)


@pytest.mark.parametrize("depth", [50, 101])
def test_biases_of_deformable_convolutions_go_into_the_means(depth: int) -> None:
    theirs = light_weights(depth, plus=True)
    done = converted(theirs).checkpoint
    assert not any(name.endswith("conv2.bias") for name in done["state_dict"])
    for stage, block in DEFORMABLE[depth]:
        name = f"backbone.layers.{stage}.{block}"
        wanted = theirs[f"{name}.bn2.running_mean"] - theirs[f"{name}.conv2.bias"]
        found = done["state_dict"][f"backbone.layer{stage + 1}.{block}.bn2.running_mean"]
        assert torch.equal(found, wanted)


def test_a_mean_trained_further_stays_and_its_bias_is_zero() -> None:
    theirs = light_weights(plus=True)
    done = converted(theirs).checkpoint
    done["state_dict"][OUR_MEAN] = done["state_dict"][OUR_MEAN] + 1
    again = converted(done).checkpoint
    changed = {MEAN: done["state_dict"][OUR_MEAN], BIAS: torch.zeros(256)}
    assert_identical(again, theirs | changed)


def test_without_kept_biases_they_are_zero() -> None:
    weights = our_weights(plus=True)
    theirs = converted({"state_dict": weights}).checkpoint
    assert torch.equal(theirs[MEAN], weights[OUR_MEAN])
    assert theirs[BIAS].count_nonzero() == 0
    assert theirs.keys() == light_weights(plus=True).keys()


# ---- messages


@pytest.mark.parametrize(
    ("depth", "plus", "config", "theirs"),
    [
        (50, False, "yolact_r50_authors.py", "yolact_resnet50_config"),
        (101, False, "yolact_r101_authors.py", "yolact_base_config"),
        (50, True, "yolact-plus_r50_authors.py", "yolact_plus_resnet50_config"),
        (101, True, "yolact-plus_r101_authors.py", "yolact_plus_base_config"),
    ],
)
def test_the_config_is_named(depth: int, plus: bool, config: str, theirs: str) -> None:
    done = converted(light_weights(depth, plus))
    kind = "YOLACT++" if plus else "YOLACT"
    assert done.found == f"the authors' {kind}, ResNet-{depth}, 80 classes"
    assert done.advice.startswith(f"use it with configs/yolact_plus/{config}")
    assert "num_classes" not in done.advice
    named = re.findall(r"configs/\S+?\.py", done.advice)
    assert len(named) == (2 if config == "yolact_r101_authors.py" else 1)
    for path in named:
        assert (CONFIGS.parent / path).is_file()
    assert converted(done.checkpoint).advice == f"use it with the authors' {theirs}"


@pytest.mark.parametrize("plus", [False, True])
def test_the_settings_for_other_classes_are_named(plus: bool) -> None:
    done = converted(light_weights(50, plus, 7))
    (options,) = re.findall(r"--cfg-options (.*)$", done.advice)
    config = Config.fromfile(CONFIGS.parent / re.findall(r"configs/\S+?\.py", done.advice)[0])
    found = re.findall(r"(\S+)=7", options)
    assert f"model.{'mask_head.mask_iou_head' if plus else 'mask_head'}.num_classes" in found
    before = config.to_dict()
    config.merge_from_dict(dict.fromkeys(found, 7))
    assert str(before).count("'num_classes': 80") == len(found)
    assert "'num_classes': 80" not in str(config.to_dict())
    assert "num_classes 8" in converted(done.checkpoint).advice


def test_the_anchors_of_pascal_are_named() -> None:
    advice = converted(light_weights(50, classes=20)).advice
    assert "Pascal" in advice
    # as in their config for Pascal: other sides, no squares
    anchors = "model.bbox_head.anchor_generator"
    assert advice.endswith(f" {anchors}.square=False {anchors}.sides=32,64,128,256,512")
    assert "Pascal" not in converted(light_weights(50, True, 20)).advice


def test_mmdetections_classes_are_in_the_order_of_cocos_ids() -> None:
    """The converter relies on the authors' label map having this order."""
    holes = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # ids that COCO has no boxes of
    ids = [number for number in range(1, 91) if number not in holes]
    names = dict(zip(ids, CocoDataset.METAINFO["classes"], strict=True))
    # by COCO's annotations: the ends, and the neighbours of each hole
    assert (names[1], names[90]) == ("person", "toothbrush")
    assert (names[11], names[13]) == ("fire hydrant", "stop sign")
    assert (names[25], names[27], names[28], names[31]) == (
        *("giraffe", "backpack", "umbrella", "handbag"),
    )
    assert (names[44], names[46]) == ("bottle", "wine glass")
    assert (names[65], names[67], names[70], names[72]) == ("bed", "dining table", "toilet", "tv")
    assert (names[82], names[84]) == ("refrigerator", "book")


def test_a_training_by_another_config_is_a_warning_on_the_way_back() -> None:
    right = Config.fromfile(CONFIGS / "yolact_plus" / "yolact_r50_authors.py").pretty_text
    weights = our_weights()
    for text, count in ((right, 0), ("model = dict(type='YOLACT')", 1), (None, 0)):
        done = converted({"state_dict": weights, "meta": {"cfg": text}})
        assert len(done.warnings) == count


# ---- refusals


SCORE = "prediction_layers.0.conf_layer.bias"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("maskiou_net"), r"12 missing \(maskiou_net.maskiou_net.0.weight, .* 9 more\)$"),
        (without("conv_offset_mask"), r"26 missing \(backbone.layers.1.0.conv2.conv_offset_mask."),
        (without("layers.1.0.conv2.bias"), r"1 missing \(backbone.layers.1.0.conv2.bias\)$"),
        (without("fpn.lat_layers.1.bias"), r"1 missing \(fpn.lat_layers.1.bias\)$"),
        (without("semantic"), r"2 missing \(semantic_seg_conv.weight, semantic_seg_conv.bias\)$"),
        (without("running_mean"), r"53 missing \(backbone.bn1.running_mean, "),
        (without("conf_layer"), r"2 missing \(prediction_layers.0.conf_layer.weight, "),
        (with_weight("a.b", torch.ones(1)), r"1 unknown to the model \(a.b\)$"),
        (
            with_weight("a.num_batches_tracked", torch.ones(1)),
            r"1 unknown to the model \(a.num_batches_",
        ),
        (with_weight("backbone.layer1.0", 7), r"1 unknown to the model \(backbone.layer1.0\)"),
        (with_weight("backbone.bn1.num_batches_tracked", 7), r"tracked: None where \(\) is needed"),
        (
            with_weight(SCORE, torch.ones(7)),
            r"shape \(prediction_layers.0.conf_layer.bias: \(7,\) where",
        ),
        (with_weight(SCORE, torch.ones(90)), r"conf_layer.weight: \(729, 256, 3, 3\) where \(90, "),
        (
            with_weight("backbone._preconv.0.weight", 7),
            r"backbone is a DarkNet-53 \(backbone._preconv",
        ),
        (
            with_weight("backbone.layers.0.0.weight", 7),
            r"backbone is a VGG-16 \(backbone.layers.0.0.w",
        ),
    ],
)
def test_other_weights_of_theirs_are_named(change: Callable, says: str) -> None:
    message = refusal(change(light_weights(plus=True)), *FORMATS)
    assert message.startswith("looks like a checkpoint of the YOLACT authors, but has other")
    assert re.search(says, message), message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("mask_iou_head"), r"12 missing \(mask_head.mask_iou_head.convs.0.weight, "),
        (without("neck.fpn_convs.3"), r"2 missing \(neck.fpn_convs.3.conv.weight, "),
        (without("segm_branch"), r"2 missing \(mask_head.segm_branch.segm_conv.weight, "),
        (with_weight("ema", torch.ones(1)), r"1 unknown to the model \(ema\)"),
        (with_weight("bbox_head.conv_cls.bias", ()), r"conv_cls.bias: None where \(729,\)"),
        (
            with_weight("neck.fpn_convs.3.conv.weight", torch.ones(256, 2048, 3, 3)),
            r"P6 comes from C5, as in MMDetection's YOLACT, and theirs from P5 \(neck.fpn_",
        ),
    ],
)
def test_other_weights_of_ours_are_named(change: Callable, says: str) -> None:
    message = refusal({"state_dict": change(our_weights(plus=True))}, *FORMATS)
    assert message.startswith("looks like one of ours for the YOLACT authors, but has other")
    assert re.search(says, message), message


@pytest.mark.parametrize(
    ("part", "name", "value", "says"),
    [
        ("folded", BIAS, torch.ones(5), f"biases kept .* shape ({BIAS}: (5,) where (256,) is"),
        ("folded", BIAS, None, f"biases kept .* shape ({BIAS}: None where (256,) is needed)"),
        ("folded", "a", torch.ones(5), "the biases kept beside the weights: 1 unknown to the"),
        ("unused", "a", torch.ones(5), "unused weights kept beside the weights: 1 unknown to the"),
        ("unused", "backbone.layer1.x", 5, "weights: 1 unknown to the model (backbone.layer1.x)"),
        ("unused", "fpn.lat_layers.0.bias", torch.ones(5), "unknown to the model (fpn.lat_layers"),
    ],
)
def test_kept_weights_that_do_not_fit_are_named(
    part: str, name: str, value: Any, says: str
) -> None:
    checkpoint = converted(light_weights(plus=True)).checkpoint
    checkpoint["yolact"][part][name] = value
    pattern = ".*".join(re.escape(piece) for piece in says.split(".*"))
    assert re.search(pattern, refusal(checkpoint, *FORMATS))


ONE = torch.ones(1)


@pytest.mark.parametrize(
    ("checkpoint", "says"),
    [
        ({}, "(it holds nothing)"),
        ({"conv1.weight": ONE, "fc.bias": ONE}, "(it holds conv1.weight, fc.bias)"),  # torchvision
        ({"proto_net.0.weight": ONE}, "(it holds proto_net.0.weight)"),
        (
            {"state_dict": {"bbox_head.conv_coeff.bias": ONE}},
            "(it holds bbox_head.conv_coeff.bias)",
        ),
    ],
)
def test_other_kinds_are_refused(checkpoint: dict, says: str) -> None:
    assert refusal(checkpoint, *FORMATS) == (
        "is neither a checkpoint of maskrcnn-benchmark or the YOLACT authors nor a Mask Scoring "
        f"R-CNN or a YOLACT of MMDetection {says}"
    )
