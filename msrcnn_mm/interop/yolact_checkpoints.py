"""Checkpoints of the YOLACT authors' code: YOLACT and YOLACT++.

``docs/interop.md`` lists what differs in the checkpoints and in the conventions around them.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from msrcnn_mm.errors import CheckpointError

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
from .named_tensors import COUNTER, NamedTensor
from .yolact_tensors import Network, deformable_biases, named_tensors

_KEPT = "yolact"
# Weights that their code skips: a third downsampling layer (files of version 1.0), and the backbone
# under its older name.
_UNUSED = re.compile(r"fpn\.downsample_layers\.([2-9]|\d\d+)\.|backbone\.layer\d")
_OTHER_BACKBONES = {
    "backbone._preconv.0.weight": "DarkNet-53",
    "backbone.layers.0.0.weight": "VGG-16",
}
_P6 = "neck.fpn_convs.3.conv.weight"


def _network(weights: Mapping[str, Any], block: str, score: str, plus: tuple[str, ...]) -> Network:
    """Reads a network's depth, kind and number of classes from its weights.

    Args:
        weights: all weights.
        block: prefix of names that only a ResNet-101 has.
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
                f"its backbone is a {backbone} ({name}); only ResNet-50 and -101 can be converted"
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

    state_dict = {t.ours: t.to_ours(weights[t.theirs]) for t in table}
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
    """Names the network's weights, without counters that the checkpoint does not have."""
    return [
        t
        for t in named_tensors(network)
        if not t.ours.endswith(COUNTER) or (t.theirs if theirs else t.ours) in weights
    ]


def _config(network: Network) -> str:
    return f"configs/yolact_plus/yolact{'-plus' * network.plus}_r{network.depth}_authors.py"


def _options(network: Network) -> str:
    """Returns advice on what else to set: classes, Pascal's anchors, the size of images."""
    heads = ["bbox_head", "mask_head"] + ["mask_head.mask_iou_head"] * network.plus
    options = class_options(network.classes, heads)
    if network.classes == 20 and not network.plus:
        anchors = "model.bbox_head.anchor_generator"
        options += (
            f"; if it was trained on Pascal, add {anchors}.square=False"
            f" {anchors}.sides=32,64,128,256,512"
        )
    if network.depth == 101 and not network.plus:
        config = _config(network).removesuffix(".py")
        options += f"; for images of 400 or 700 pixels, with {config}_im400.py or ..._im700.py"
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
            f"its P6 comes from C5, as in MMDetection's YOLACT, and theirs from P5 ({_P6}); use it "
            "with MMDetection's configs, without conversion"
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

    model = {t.theirs: t.to_theirs(weights[t.ours]) for t in table}
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
        warnings=convention_warnings(checkpoint, ["YOLACTFPN", "YOLACTAnchorGenerator"]),
    )


def _their_config(network: Network) -> str:
    depth = "resnet50" if network.depth == 50 else "base"
    config = f"yolact_plus_{depth}_config" if network.plus else f"yolact_{depth}_config"
    if network.classes != 80:
        config += f", with num_classes {network.classes + 1}"
    return config


FORMAT = Format(
    name="the YOLACT authors",
    ours="a YOLACT",
    their_prefixes=("proto_net.", "prediction_layers."),
    our_prefixes=("mask_head.protonet.", "bbox_head.conv_coeff."),
    to_ours=_to_ours,
    to_theirs=_to_theirs,
)
