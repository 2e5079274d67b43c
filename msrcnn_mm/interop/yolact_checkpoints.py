"""YOLACT and YOLACT++ checkpoints of the authors' code, to ours and back.

Their code (github.com/dbolya/yolact) stores nothing but weights. The networks are the same, weight
by weight, on a ResNet-50 or ResNet-101. What in a checkpoint differs:

- the names, and the order of the FPN's layers: their first is of the coarsest level, C5;
- the background: first of each anchor's classes in their class score, last in ours. Their mask IoU
  and their semantic segmentation have none, as ours. The classes follow it in COCO's order, by
  which their label map numbers its categories: the order is ours, too;
- the semantic segmentation's channels: MMDetection trains a class in the one before its own, and
  the first class in the last;
- a bias in their deformable convolutions, which MMDetection's have none of. It goes into the mean
  that the next batch norm subtracts: the same but for rounding. Both are kept beside our weights,
  so that they come back bit by bit; where that mean was trained further, it stays as it is and the
  bias becomes zero;
- a third downsampling layer of the FPN in files of their version 1.0, and the backbone under a
  second name in still older ones: neither they nor we use them; they are kept, too.

What is the same, though it might not be: an anchor's values are neighbours in the heads' channels;
offsets' and masks' channels of a deformable convolution (18 offsets, row before column at each of
its nine points, then 9 masks); the stride of a block is in its 3x3 convolution; box variances 0.1,
0.1, 0.2, 0.2; the layers of the prototypes by number, with bilinear upsampling.

What the two do otherwise, and what `configs/yolact_plus/*_authors.py` do about it:

=====================  =================================  ======================================
                       theirs                             met by
=====================  =================================  ======================================
deformable             each block of C3 to C5, or each    ``DeformableResNet``
convolutions           third one (ResNet-101)
FPN                    ReLU behind P3 to P5; P6 from      ``YOLACTFPN``
                       there, P7 from P6 (MMDetection's
                       YOLACT: P6 from C5, no ReLU)
anchors                ratios 1, 1/2, 2 (width / height)  ``YOLACTAnchorGenerator``
                       within each scale; YOLACT's all
                       square, by an old mistake; centred
                       in image side / feature side
boxes                  cut to the image after NMS         ``AuthorsYOLACTHead``
NMS                    a box stays with all classes if    ``AuthorsYOLACTHead``, ``nms_pre=-1``
                       one exceeds the threshold
resizing               on floats, to a square             ``to_float32``, ``keep_ratio=False``
image                  BGR means 103.94, 116.78, 123.68,  MMDetection's YOLACT has the same
                       deviations 57.38, 57.12, 58.40,
                       then made RGB
=====================  =================================  ======================================

What remains: boxes that they report are cut to whole pixels, ours are not; MMDetection limits a
box's growth to 62.5 times its anchor; batch norm, matching of anchors and losses of a training are
MMDetection's way.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from msrcnn_mm.errors import CheckpointError

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
from .yolact_tensors import COUNTER, NamedTensor, Network, deformable_biases, named_tensors

_KEPT = "yolact"
# what their own loading skips: a third downsampling layer, the backbone under its older name
_UNUSED = re.compile(r"fpn\.downsample_layers\.([2-9]|\d\d+)\.|backbone\.layer\d")
_OTHER_BACKBONES = {
    "backbone._preconv.0.weight": "DarkNet-53",
    "backbone.layers.0.0.weight": "VGG-16",
}
_P6 = "neck.fpn_convs.3.conv.weight"
_CONVENTION = ("YOLACTFPN", "YOLACTAnchorGenerator")  # what a training by their convention names


def _are_theirs(names: Collection[str]) -> bool:
    """Whether these are names of a YOLACT of the authors' code, with any backbone."""
    return _all_start(names, "proto_net.", "prediction_layers.")


def _are_ours(names: Collection[str]) -> bool:
    """Whether these are names of a YOLACT of MMDetection."""
    return _all_start(names, "mask_head.protonet.", "bbox_head.conv_coeff.")


def _all_start(names: Collection[str], *starts: str) -> bool:
    return all(any(name.startswith(start) for name in names) for start in starts)


def _network(weights: Mapping[str, Any], block: str, score: str, plus: tuple[str, ...]) -> Network:
    """Reads a network's depth, kind and number of classes off its weights.

    Args:
        weights: all of them.
        block: start of a name that only a ResNet-101 has.
        score: name of the class score's bias.
        plus: parts of names that only a YOLACT++ has.
    """
    depth = 101 if any(name.startswith(block) for name in weights) else 50
    network = Network(depth, any(part in name for name in weights for part in plus), 80)
    bias = weights.get(score)
    rows = len(bias) if isinstance(bias, Tensor) and bias.dim() == 1 else 0
    scores, rest = divmod(rows, network.anchors)
    return network if rest or scores < 2 else network._replace(classes=scores - 1)


def _to_ours(checkpoint: Mapping) -> Conversion:
    """Converts a checkpoint of theirs."""
    weights, prefix = weights_of(checkpoint, "model")
    for name, backbone in _OTHER_BACKBONES.items():
        if name in weights:
            raise CheckpointError(
                f"its backbone is a {backbone} ({name}); ResNet-50 and ResNet-101 are known"
            )
    network = _network(
        weights,
        "backbone.layers.2.6.",
        "prediction_layers.0.conf_layer.bias",
        ("conv_offset_mask.", "maskiou_net."),
    )
    unused = {name: value for name, value in weights.items() if _is_unused(name, value)}
    weights = {name: value for name, value in weights.items() if name not in unused}
    table = _present(network, weights, theirs=True)
    shapes = {t.theirs: t.shape for t in table}
    biases = deformable_biases(network)
    require_shapes(weights, shapes | {bias: shapes[mean] for bias, mean in biases.items()})

    state_dict = {t.ours: _turned(weights[t.theirs], t.turned, -1) for t in table}
    names = {t.theirs: t.ours for t in table}
    folded: dict[str, Tensor] = {}
    for bias, mean in biases.items():
        state_dict[names[mean]] = weights[mean] - weights[bias]
        folded |= {bias: weights[bias], mean: weights[mean]}
    return Conversion(
        checkpoint={
            "state_dict": state_dict,
            _KEPT: {"prefix": prefix, "unused": unused, "folded": folded},
        },
        found=f"the authors' {network}",
        advice=f"use it with {_config(network)}{_options(network)}",
        left_out=keys_left_out(checkpoint, "model", _KEPT),
    )


def _is_unused(name: str, value: Any) -> bool:
    return isinstance(value, Tensor) and _UNUSED.match(name) is not None


def _present(network: Network, weights: Mapping[str, Any], theirs: bool) -> list[NamedTensor]:
    """The network's tensors, without counters that the weights do not have."""
    return [
        t
        for t in named_tensors(network)
        if not t.ours.endswith(COUNTER) or (t.theirs if theirs else t.ours) in weights
    ]


def _turned(value: Tensor, rows: int, by: int) -> Tensor:
    """Brings the first of each group of rows behind the others, or back.

    Args:
        value: (groups * rows, ...) a weight or bias.
        rows: in a group; none where nothing is to be moved.
        by: -1, or 1 for back.
    """
    if not rows:
        return value
    return value.reshape(-1, rows, *value.shape[1:]).roll(by, dims=1).reshape(value.shape)


def _config(network: Network) -> str:
    return f"configs/yolact_plus/yolact{'-plus' * network.plus}_r{network.depth}_authors.py"


def _options(network: Network) -> str:
    """What else to set: another number of classes than the config's, another size of images."""
    options = ""
    if network.classes != 80:
        heads = ["bbox_head", "mask_head"] + ["mask_head.mask_iou_head"] * network.plus
        settings = " ".join(f"model.{head}.num_classes={network.classes}" for head in heads)
        options = (
            f", your data's classes in the order of the training, and --cfg-options {settings}"
        )
    if network.classes == 20 and not network.plus:
        anchors = "model.bbox_head.anchor_generator"
        options += (
            f"; if it is theirs for Pascal, add {anchors}.square=False"
            f" {anchors}.sides=32,64,128,256,512"
        )
    if network.depth == 101 and not network.plus:
        config = _config(network).removesuffix(".py")
        options += f"; if it is theirs for 400 or 700 pixels, {config}_im400.py or ..._im700.py"
    return options


def _to_theirs(checkpoint: Mapping) -> Conversion:
    """Converts a checkpoint of ours."""
    weights, _ = weights_of(checkpoint, "state_dict")
    require_bottlenecks(weights)
    network = _network(
        weights,
        "backbone.layer3.6.",
        "bbox_head.conv_cls.bias",
        (".conv_offset.", "mask_iou_head."),
    )
    extra = weights.get(_P6)
    if isinstance(extra, Tensor) and extra.shape[1:2] == (2048,):
        raise CheckpointError(
            f"its P6 is made from C5, as MMDetection's YOLACT makes it, and theirs from P5 ({_P6})"
            "; for our configs it needs no conversion"
        )
    table = _present(network, weights, theirs=False)
    require_shapes(weights, {t.ours: t.shape for t in table})
    kept = mapping_in(checkpoint, _KEPT)
    folded, unused = mapping_in(kept, "folded"), mapping_in(kept, "unused")
    shapes = {t.theirs: t.shape for t in table}
    biases = deformable_biases(network)
    if folded:
        wanted = {name: shapes[mean] for bias, mean in biases.items() for name in (bias, mean)}
        require_kept("biases", folded, wanted)
    wanted = {n: tuple(v.shape) for n, v in unused.items() if _is_unused(str(n), v)}
    require_kept("unused weights", unused, wanted)

    model = {t.theirs: _turned(weights[t.ours], t.turned, 1) for t in table}
    for bias, mean in biases.items():
        model[bias] = torch.zeros_like(model[mean])
        if folded and torch.equal(folded[mean] - folded[bias], model[mean]):
            model |= {bias: folded[bias], mean: folded[mean]}
    model |= unused
    return Conversion(
        checkpoint={f"{kept.get('prefix', '')}{name}": value for name, value in model.items()},
        found=f"a {network} of ours",
        advice=f"use it with the authors' {_their_config(network)}",
        left_out=keys_left_out(checkpoint, "state_dict", _KEPT),
        warnings=_warnings(checkpoint),
    )


def _their_config(network: Network) -> str:
    depth = "resnet50" if network.depth == 50 else "base"
    config = f"yolact_plus_{depth}_config" if network.plus else f"yolact_{depth}_config"
    if network.classes != 80:
        config += f", with num_classes {network.classes + 1}"
    return config


def _warnings(checkpoint: Mapping) -> tuple[str, ...]:
    """That ours was trained with another config than the authors' convention needs."""
    config = str(mapping_in(checkpoint, "meta").get("cfg") or "")
    if not config or all(part in config for part in _CONVENTION):
        return ()
    return (
        "it was trained with another config than that of the authors' convention: their code will "
        "take its features, anchors and perhaps its images otherwise",
    )


FORMAT = Format(
    name="the YOLACT authors",
    ours="a YOLACT",
    are_theirs=_are_theirs,
    are_ours=_are_ours,
    to_ours=_to_ours,
    to_theirs=_to_theirs,
)
