"""Checkpoints of the Mask Scoring R-CNN authors' code, a fork of maskrcnn-benchmark.

``docs/interop.md`` lists what differs in the checkpoints and in the conventions around them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .conversion import (
    Conversion,
    Format,
    class_options,
    convention_warnings,
    keys_left_out,
    mapping_in,
    require_bottlenecks,
    require_kept,
    require_shapes,
    weights_of,
)
from .detectron_convention import DetectronAnchorGenerator
from .named_tensors import COUNTER, NamedTensor, resnet, with_bias

_ANCHORS = "rpn.anchor_generator.cell_anchors."
_KEPT_IN_OURS = "maskrcnn_benchmark"
_KEPT_IN_THEIRS = "msrcnn_mm"


def _named_tensors(depth: int, classes: int) -> Iterator[NamedTensor]:
    """Names all weights of a network, without its anchors.

    Args:
        depth: of the ResNet, 50 or 101.
        classes: C, without the background.
    """
    body = "backbone.body"
    yield from resnet(
        depth,
        f"{body}.stem.conv1",
        lambda stage, block: f"{body}.layer{stage + 1}.{block}",
        counters=False,
    )
    fpn = "backbone.fpn.fpn_"
    for i in range(4):
        inner, layer = f"{fpn}inner{i + 1}", f"{fpn}layer{i + 1}"
        yield from with_bias(inner, f"neck.lateral_convs.{i}.conv", 256, 256 * 2**i, 1, 1)
        yield from with_bias(layer, f"neck.fpn_convs.{i}.conv", 256, 256, 3, 3)
    yield from with_bias("rpn.head.conv", "rpn_head.rpn_conv", 256, 256, 3, 3)
    yield from with_bias("rpn.head.cls_logits", "rpn_head.rpn_cls", 3, 256, 1, 1)
    yield from with_bias("rpn.head.bbox_pred", "rpn_head.rpn_reg", 12, 256, 1, 1)
    yield from _roi_tensors(classes + 1)


def _roi_tensors(rows: int) -> Iterator[NamedTensor]:
    """Names the weights of the three RoI heads, for ``rows`` classes with the background."""
    theirs, ours = "roi_heads.box", "roi_head.bbox_head"
    features, predictor = f"{theirs}.feature_extractor", f"{theirs}.predictor"
    yield from with_bias(f"{features}.fc6", f"{ours}.shared_fcs.0", 1024, 256 * 7 * 7)
    yield from with_bias(f"{features}.fc7", f"{ours}.shared_fcs.1", 1024, 1024)
    yield from with_bias(f"{predictor}.cls_score", f"{ours}.fc_cls", rows, 1024, rotated=rows)
    yield from with_bias(f"{predictor}.bbox_pred", f"{ours}.fc_reg", 4 * rows, 1024, dropped=4)

    theirs, ours = "roi_heads.mask", "roi_head.mask_head"
    features, predictor = f"{theirs}.feature_extractor", f"{theirs}.predictor"
    for i in range(4):
        name = f"{features}.mask_fcn{i + 1}"
        yield from with_bias(name, f"{ours}.convs.{i}.conv", 256, 256, 3, 3)
    yield from with_bias(f"{predictor}.conv5_mask", f"{ours}.upsample", 256, 256, 2, 2)
    name = f"{predictor}.mask_fcn_logits"
    yield from with_bias(name, f"{ours}.conv_logits", rows, 256, 1, 1, dropped=1)

    theirs, ours = "roi_heads.maskiou", "roi_head.mask_iou_head"
    features, predictor = f"{theirs}.feature_extractor", f"{theirs}.predictor"
    for i in range(4):
        name = f"{features}.maskiou_fcn{i + 1}"
        yield from with_bias(name, f"{ours}.convs.{i}", 256, 257 if i == 0 else 256, 3, 3)
    yield from with_bias(f"{features}.maskiou_fc1", f"{ours}.fcs.0", 1024, 256 * 7 * 7)
    yield from with_bias(f"{features}.maskiou_fc2", f"{ours}.fcs.1", 1024, 1024)
    yield from with_bias(f"{predictor}.maskiou", f"{ours}.fc_mask_iou", rows, 1024, dropped=1)


def _anchors() -> dict[str, Tensor]:
    """Computes the anchors of each level's first cell, which their checkpoints store."""
    generator = DetectronAnchorGenerator([4, 8, 16, 32, 64], [0.5, 1.0, 2.0], [8])
    return {f"{_ANCHORS}{level}": boxes for level, boxes in enumerate(generator.base_anchors)}


def _network(weights: Mapping[str, Any], class_score: str) -> tuple[int, int]:
    """Reads a network's depth and its number of classes from its weights."""
    depth = 101 if any("layer3.6." in name for name in weights) else 50
    bias = weights.get(class_score)
    classes = len(bias) - 1 if isinstance(bias, Tensor) and bias.dim() == 1 else 80
    return depth, max(classes, 1)


def _config(depth: int) -> str:
    return f"configs/ms_rcnn/ms-rcnn_r{depth}-caffe_fpn_maskrcnn-benchmark.py"


def _to_ours(checkpoint: Mapping) -> Conversion:
    """Converts a checkpoint of theirs."""
    weights, prefix = weights_of(checkpoint, "model")
    depth, classes = _network(weights, "roi_heads.box.predictor.cls_score.bias")
    tensors = list(_named_tensors(depth, classes))
    anchors = _anchors()
    shapes = {t.theirs: t.shape for t in tensors}
    require_shapes(weights, shapes | {name: tuple(a.shape) for name, a in anchors.items()})

    state_dict = {t.ours: t.to_ours(weights[t.theirs]) for t in tensors}
    kept: dict[str, Any] = {
        "prefix": prefix,
        "bare": "model" not in checkpoint,
        "background": {
            t.theirs: weights[t.theirs][: t.dropped].clone() for t in tensors if t.dropped
        },
        "anchors": {name: weights[name] for name in anchors},
    }
    back = mapping_in(checkpoint, _KEPT_IN_THEIRS)
    our_prefix = str(back.get("prefix", ""))
    state_dict |= _kept_counters(back, state_dict)
    state_dict = {our_prefix + name: value for name, value in state_dict.items()}
    others = [name for name in anchors if not torch.equal(weights[name].float(), anchors[name])]
    warnings: tuple[str, ...] = ()
    if others:
        warnings = (
            f"anchors other than those of {_config(depth)}: {', '.join(others)}; this config gives "
            "wrong boxes",
        )
    heads = [f"roi_head.{head}" for head in ("bbox_head", "mask_head", "mask_iou_head")]
    return Conversion(
        checkpoint={"state_dict": state_dict, _KEPT_IN_OURS: kept},
        found=f"the authors' Mask Scoring R-CNN, ResNet-{depth} FPN, {classes} classes",
        advice=f"use it with {_config(depth)}{class_options(classes, heads)}",
        left_out=keys_left_out(checkpoint, "model", _KEPT_IN_THEIRS),
        warnings=warnings,
    )


def _kept_counters(back: Mapping, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Returns our batch norms' counters, if an earlier conversion kept them."""
    counters = mapping_in(back, "counters")
    norms = {name.rpartition(".")[0] for name in state_dict if name.endswith(".running_var")}
    wanted = {f"{norm}.{COUNTER}" for norm in norms} & {str(name) for name in counters}
    require_kept("counters", counters, dict.fromkeys(wanted, ()))
    return counters


def _to_theirs(checkpoint: Mapping) -> Conversion:
    """Converts a checkpoint of ours."""
    weights, prefix = weights_of(checkpoint, "state_dict")
    require_bottlenecks(weights)
    counters = {name: value for name, value in weights.items() if name.endswith(f".{COUNTER}")}
    weights = {name: value for name, value in weights.items() if name not in counters}
    depth, classes = _network(weights, "roi_head.bbox_head.fc_cls.bias")
    tensors = list(_named_tensors(depth, classes))
    require_shapes(weights, {t.ours: t.our_shape for t in tensors})
    kept = mapping_in(checkpoint, _KEPT_IN_OURS)
    background, anchors = mapping_in(kept, "background"), mapping_in(kept, "anchors")
    if background:
        shapes = {t.theirs: (t.dropped, *t.shape[1:]) for t in tensors if t.dropped}
        require_kept("background", background, shapes)
    if anchors:
        require_kept("anchors", anchors, {n: tuple(a.shape) for n, a in _anchors().items()})

    model = {t.theirs: t.to_theirs(weights[t.ours], background.get(t.theirs)) for t in tensors}
    model |= anchors or _anchors()
    model = {f"{kept.get('prefix', '')}{name}": value for name, value in model.items()}
    bare = bool(kept.get("bare")) and not counters and not prefix
    new: dict[str, Any] = model if bare else {"model": model}
    if counters or prefix:
        new[_KEPT_IN_THEIRS] = {"counters": counters, "prefix": prefix}
    advice = f"use it with the authors' configs/e2e_ms_rcnn_R_{depth}_FPN_1x.yaml"
    if classes != 80:
        advice += f" MODEL.ROI_BOX_HEAD.NUM_CLASSES {classes + 1}"
    return Conversion(
        checkpoint=new,
        found=f"a Mask Scoring R-CNN of ours, ResNet-{depth} FPN, {classes} classes",
        advice=advice,
        left_out=keys_left_out(checkpoint, "state_dict", _KEPT_IN_OURS),
        warnings=convention_warnings(checkpoint, [DetectronAnchorGenerator.__name__]),
    )


FORMAT = Format(
    name="maskrcnn-benchmark",
    ours="a Mask Scoring R-CNN",
    their_prefixes=("backbone.body.", "roi_heads."),
    our_prefixes=("backbone.conv1.", "rpn_head.", "roi_head."),
    to_ours=_to_ours,
    to_theirs=_to_theirs,
)
