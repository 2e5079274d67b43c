"""Mask Scoring R-CNN checkpoints of the authors' code, to ours and back.

Their code (github.com/zjhuang22/maskscoring_rcnn) is maskrcnn-benchmark with a ``maskiou`` head.
The networks are the same, weight by weight. Three things in a checkpoint differ: the names; the
place of the background, which is their first class in four heads, our last in the class score and
absent from our other heads; and their anchors of each level's first cell, which they store and we
compute. Their rows of the background and their anchors are kept beside our weights, our batch
norms' counters beside theirs. So both round trips give back the same weights, bit by bit. Where
nothing was kept, background rows are zeros: no loss and no result reads them.

Optimizer, scheduler and the like mean nothing to the other side and are left out.

What the two do otherwise, and what `configs/ms_rcnn/ms-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py`
and its sibling for ResNet-101 do about it:

=====================  =================================  ======================================
                       theirs                             met by
=====================  =================================  ======================================
image                  BGR, minus 102.9801, 115.9465,     ``data_preprocessor``
                       122.7717, not divided
resizing               Pillow, short side exact, long     ``TruncatedResize``,
                       side cut to whole pixels           ``backend="pillow"``
stride                 in a block's first, 1x1,           ``style="caffe"``
                       convolution
batch norm             fixed, without an epsilon          ``eps=0.0``, ``norm_eval``
anchors                sides rounded before scaling       ``DetectronAnchorGenerator``
boxes                  width x2 - x1 + 1; clipped to the  ``DetectronBBoxCoder``
                       last pixel
least proposal         none                               ``min_bbox_size=-1``
NMS                    on these widths                    ``offset=1``
an RoI's level         by these widths                    ``DetectronRoIExtractor``
RoIAlign               not aligned, 2x2 samples a bin     ``aligned=False, sampling_ratio=2``
masks in the image     resized to whole pixels            ``DetectronMaskHead``
boxes reported         as wide as above                   ``DetectronMaskHead``
classes                background first; COCO's order     the conversion; the order is ours, too
=====================  =================================  ======================================

What remains: predicted mask IoUs are clamped to [0, 1] here and not there; mmcv's NMS shifts each
class or level by the image's size and loses up to 0.008 pixels by it; of detections that tie for
the hundredth place they keep all; early versions of maskrcnn-benchmark shrank masks with Pillow;
Pillow and OpenCV may decode a JPEG's pixel by one grey value otherwise. And where a network is
trained further, anchors and RoIs are assigned to objects MMDetection's way.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .conversion import (
    Conversion,
    Format,
    keys_left_out,
    mapping_in,
    require_bottlenecks,
    require_kept,
    require_shapes,
    weights_of,
)
from .detectron_convention import DetectronAnchorGenerator

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_ANCHORS = "rpn.anchor_generator.cell_anchors."
_KEPT_IN_OURS = "maskrcnn_benchmark"
_KEPT_IN_THEIRS = "msrcnn_mm"
_COUNTER = "num_batches_tracked"


class _Tensor(NamedTuple):
    """One tensor in both checkpoints."""

    theirs: str
    ours: str
    shape: tuple[int, ...]  # of theirs
    rows: int = 0  # of each class, where there are classes
    background: bool = False  # whether ours has it, too, behind the classes

    @property
    def our_shape(self) -> tuple[int, ...]:
        kept = 0 if self.background else self.rows
        return (self.shape[0] - kept, *self.shape[1:])


def _with_bias(
    theirs: str, ours: str, *shape: int, rows: int = 0, background: bool = False
) -> Iterator[_Tensor]:
    """A convolution or fully connected layer."""
    yield _Tensor(f"{theirs}.weight", f"{ours}.weight", shape, rows, background)
    yield _Tensor(f"{theirs}.bias", f"{ours}.bias", shape[:1], rows, background)


def _normed(theirs: str, ours: str, norm: str, *shape: int) -> Iterator[_Tensor]:
    """A convolution and its batch norm, whose name has ``norm`` in the place of ``conv``."""
    yield _Tensor(f"{theirs}.weight", f"{ours}.weight", shape)
    theirs, ours = (f"{name.rpartition('.')[0]}.{norm}" for name in (theirs, ours))
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield _Tensor(f"{theirs}.{part}", f"{ours}.{part}", shape[:1])


def _tensors(depth: int, classes: int) -> Iterator[_Tensor]:
    """All tensors of a network, but for their anchors.

    Args:
        depth: of the ResNet.
        classes: without the background.
    """
    yield from _normed("backbone.body.stem.conv1", "backbone.conv1", "bn1", 64, 3, 7, 7)
    channels = 64
    for stage, blocks in enumerate(_BLOCKS[depth], 1):
        width = 32 * 2**stage
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            theirs, ours = f"backbone.body.{name}", f"backbone.{name}"
            shapes = ((width, channels, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1))
            for i, shape in enumerate(shapes, 1):
                yield from _normed(f"{theirs}.conv{i}", f"{ours}.conv{i}", f"bn{i}", *shape)
            if block == 0:
                theirs, ours = f"{theirs}.downsample.0", f"{ours}.downsample.0"
                yield from _normed(theirs, ours, "1", 4 * width, channels, 1, 1)
            channels = 4 * width
    fpn = "backbone.fpn.fpn_"
    for i in range(4):
        inner, layer = f"{fpn}inner{i + 1}", f"{fpn}layer{i + 1}"
        yield from _with_bias(inner, f"neck.lateral_convs.{i}.conv", 256, 256 * 2**i, 1, 1)
        yield from _with_bias(layer, f"neck.fpn_convs.{i}.conv", 256, 256, 3, 3)
    yield from _with_bias("rpn.head.conv", "rpn_head.rpn_conv", 256, 256, 3, 3)
    yield from _with_bias("rpn.head.cls_logits", "rpn_head.rpn_cls", 3, 256, 1, 1)
    yield from _with_bias("rpn.head.bbox_pred", "rpn_head.rpn_reg", 12, 256, 1, 1)
    yield from _roi_tensors(classes + 1)


def _roi_tensors(classes: int) -> Iterator[_Tensor]:
    """The tensors of the three heads, for classes with the background."""
    theirs, ours = "roi_heads.box", "roi_head.bbox_head"
    features, predictor = f"{theirs}.feature_extractor", f"{theirs}.predictor"
    yield from _with_bias(f"{features}.fc6", f"{ours}.shared_fcs.0", 1024, 256 * 7 * 7)
    yield from _with_bias(f"{features}.fc7", f"{ours}.shared_fcs.1", 1024, 1024)
    yield from _with_bias(
        f"{predictor}.cls_score", f"{ours}.fc_cls", classes, 1024, rows=1, background=True
    )
    yield from _with_bias(f"{predictor}.bbox_pred", f"{ours}.fc_reg", 4 * classes, 1024, rows=4)

    theirs, ours = "roi_heads.mask", "roi_head.mask_head"
    features, predictor = f"{theirs}.feature_extractor", f"{theirs}.predictor"
    for i in range(4):
        name = f"{features}.mask_fcn{i + 1}"
        yield from _with_bias(name, f"{ours}.convs.{i}.conv", 256, 256, 3, 3)
    yield from _with_bias(f"{predictor}.conv5_mask", f"{ours}.upsample", 256, 256, 2, 2)
    name = f"{predictor}.mask_fcn_logits"
    yield from _with_bias(name, f"{ours}.conv_logits", classes, 256, 1, 1, rows=1)

    theirs, ours = "roi_heads.maskiou", "roi_head.mask_iou_head"
    features, predictor = f"{theirs}.feature_extractor", f"{theirs}.predictor"
    for i in range(4):
        name = f"{features}.maskiou_fcn{i + 1}"
        yield from _with_bias(name, f"{ours}.convs.{i}", 256, 257 if i == 0 else 256, 3, 3)
    yield from _with_bias(f"{features}.maskiou_fc1", f"{ours}.fcs.0", 1024, 256 * 7 * 7)
    yield from _with_bias(f"{features}.maskiou_fc2", f"{ours}.fcs.1", 1024, 1024)
    yield from _with_bias(f"{predictor}.maskiou", f"{ours}.fc_mask_iou", classes, 1024, rows=1)


def _anchors() -> dict[str, Tensor]:
    """Their anchors of the first cell, as the config's generator makes them."""
    generator = DetectronAnchorGenerator([4, 8, 16, 32, 64], [0.5, 1.0, 2.0], [8])
    return {f"{_ANCHORS}{level}": boxes for level, boxes in enumerate(generator.base_anchors)}


def _are_theirs(names: Collection[str]) -> bool:
    """Whether these are names of an R-CNN of maskrcnn-benchmark with an FPN."""
    return {"backbone.body.", "roi_heads."} <= _starts(names)


def _are_ours(names: Collection[str]) -> bool:
    """Whether these are names of a two-stage detector of MMDetection."""
    return {"backbone.conv1.", "rpn_head.", "roi_head."} <= _starts(names)


def _starts(names: Collection[str]) -> set[str]:
    known = ("backbone.body.", "roi_heads.", "backbone.conv1.", "rpn_head.", "roi_head.")
    return {start for start in known if any(name.startswith(start) for name in names)}


def _network(weights: Mapping[str, Any], class_score: str) -> tuple[int, int]:
    """A network's depth and number of classes, as two of its tensors tell them."""
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
    tensors = list(_tensors(depth, classes))
    anchors = _anchors()
    shapes = {t.theirs: t.shape for t in tensors}
    require_shapes(weights, shapes | {name: tuple(a.shape) for name, a in anchors.items()})

    state_dict, background = {}, {}
    for t in tensors:
        value = weights[t.theirs]
        first, rest = value[: t.rows], value[t.rows :]
        if t.background:
            value = torch.cat((rest, first))
        elif t.rows:  # cloned, or the file would hold the whole twice
            background[t.theirs], value = first.clone(), rest.clone()
        state_dict[t.ours] = value
    kept: dict[str, Any] = {
        "prefix": prefix,
        "bare": "model" not in checkpoint,
        "background": background,
        "anchors": {name: weights[name] for name in anchors},
    }
    back = mapping_in(checkpoint, _KEPT_IN_THEIRS)
    our_prefix = str(back.get("prefix", ""))
    state_dict |= _kept_counters(back, state_dict)
    state_dict = {our_prefix + name: value for name, value in state_dict.items()}
    warnings = []
    others = [name for name in anchors if not torch.equal(weights[name].float(), anchors[name])]
    if others:
        config, names = _config(depth), ", ".join(others)
        warnings = [f"anchors other than those of {config}: {names}; with it boxes will be wrong"]
    return Conversion(
        checkpoint={"state_dict": state_dict, _KEPT_IN_OURS: kept},
        found=f"the authors' Mask Scoring R-CNN, ResNet-{depth} FPN, {classes} classes",
        advice=f"use it with {_config(depth)}{_options(classes)}",
        left_out=keys_left_out(checkpoint, "model", _KEPT_IN_THEIRS),
        warnings=tuple(warnings),
    )


def _kept_counters(back: Mapping, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Our batch norms' counters, if a conversion kept them."""
    counters = mapping_in(back, "counters")
    norms = {name.rpartition(".")[0] for name in state_dict if name.endswith(".running_var")}
    wanted = {f"{norm}.{_COUNTER}" for norm in norms} & {str(name) for name in counters}
    require_kept("counters", counters, dict.fromkeys(wanted, ()))
    return counters


def _options(classes: int) -> str:
    """How to set another number of classes than the config's."""
    if classes == 80:
        return ""
    heads = ("bbox_head", "mask_head", "mask_iou_head")
    options = " ".join(f"model.roi_head.{head}.num_classes={classes}" for head in heads)
    return f", your data's classes in the order of the training, and --cfg-options {options}"


def _to_theirs(checkpoint: Mapping) -> Conversion:
    """Converts a checkpoint of ours."""
    weights, prefix = weights_of(checkpoint, "state_dict")
    require_bottlenecks(weights)
    counters = {name: value for name, value in weights.items() if name.endswith(f".{_COUNTER}")}
    weights = {name: value for name, value in weights.items() if name not in counters}
    depth, classes = _network(weights, "roi_head.bbox_head.fc_cls.bias")
    tensors = list(_tensors(depth, classes))
    require_shapes(weights, {t.ours: t.our_shape for t in tensors})
    kept = mapping_in(checkpoint, _KEPT_IN_OURS)
    background, anchors = mapping_in(kept, "background"), mapping_in(kept, "anchors")
    if background:
        shapes = {t.theirs: (t.rows, *t.shape[1:]) for t in tensors if t.rows and not t.background}
        require_kept("background", background, shapes)
    if anchors:
        require_kept("anchors", anchors, {n: tuple(a.shape) for n, a in _anchors().items()})

    model = {}
    for t in tensors:
        value = weights[t.ours]
        if t.background:
            value = torch.cat((value[-t.rows :], value[: -t.rows]))
        elif t.rows:
            first = background.get(t.theirs, value.new_zeros(t.rows, *t.shape[1:]))
            value = torch.cat((first.to(value), value))
        model[t.theirs] = value
    model |= anchors or _anchors()
    model = {f"{kept.get('prefix', '')}{name}": value for name, value in model.items()}
    bare = bool(kept.get("bare")) and not counters and not prefix
    new: dict[str, Any] = model if bare else {"model": model}
    if counters or prefix:
        new[_KEPT_IN_THEIRS] = {"counters": counters, "prefix": prefix}
    advice = f"use it with the authors' configs/e2e_ms_rcnn_R_{depth}_FPN_1x.yaml"
    if classes != 80:
        advice += f" MODEL.ROI_BOX_HEAD.NUM_CLASSES {classes + 1}"
    warnings = []
    meta = mapping_in(checkpoint, "meta")
    config = str(meta.get("cfg") or "")
    if config and DetectronAnchorGenerator.__name__ not in config:
        warnings = [
            "it was trained with another config than that of maskrcnn-benchmark's convention: the "
            "authors' code will take its anchors, boxes and perhaps its images otherwise"
        ]
    return Conversion(
        checkpoint=new,
        found=f"a Mask Scoring R-CNN of ours, ResNet-{depth} FPN, {classes} classes",
        advice=advice,
        left_out=keys_left_out(checkpoint, "state_dict", _KEPT_IN_OURS),
        warnings=tuple(warnings),
    )


FORMAT = Format(
    name="maskrcnn-benchmark",
    ours="a Mask Scoring R-CNN",
    are_theirs=_are_theirs,
    are_ours=_are_ours,
    to_ours=_to_ours,
    to_theirs=_to_theirs,
)
