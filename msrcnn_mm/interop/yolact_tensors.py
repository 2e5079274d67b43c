"""The weights of the authors' YOLACT and YOLACT++: their names, ours, and shapes."""

from collections.abc import Iterator
from typing import NamedTuple

from .named_tensors import BLOCKS, NamedTensor, resnet, with_bias

_DEFORMABLE_EVERY = {50: 1, 101: 3}  # block of C3 to C5 in YOLACT++
_SCORER = (1, 8, 16, 32, 64, 128)  # input channels of the scorer's convolutions


class Network(NamedTuple):
    """The network of a checkpoint.

    Attributes:
        depth: of the ResNet, 50 or 101.
        plus: whether it is a YOLACT++, with deformable convolutions, nine anchors and a scorer.
        classes: C, without the background.
    """

    depth: int
    plus: bool
    classes: int

    def __str__(self) -> str:
        name = "YOLACT++" if self.plus else "YOLACT"
        return f"{name}, ResNet-{self.depth}, {self.classes} classes"

    @property
    def anchors(self) -> int:
        """Anchors per cell."""
        return 9 if self.plus else 3


def _block_name(stage: int, block: int) -> str:
    return f"backbone.layers.{stage}.{block}"


def _deformable_blocks(network: Network) -> Iterator[tuple[int, int]]:
    """Yields stage and block, both from 0, of each deformable convolution."""
    if network.plus:
        for stage in (1, 2, 3):
            for block in range(0, BLOCKS[network.depth][stage], _DEFORMABLE_EVERY[network.depth]):
                yield stage, block


def named_tensors(network: Network) -> Iterator[NamedTensor]:
    """Names all weights of a network, without the biases of deformable convolutions."""
    yield from resnet(network.depth, "backbone.conv1", _block_name, counters=True)
    for stage, block in _deformable_blocks(network):
        theirs = f"{_block_name(stage, block)}.conv2.conv_offset_mask"
        ours = f"backbone.layer{stage + 1}.{block}.conv2.conv_offset"
        yield from with_bias(theirs, ours, 27, 64 * 2**stage, 3, 3)
    for i in range(3):  # their first layers are those of the coarsest level
        lateral, out = f"fpn.lat_layers.{i}", f"fpn.pred_layers.{i}"
        channels, level = (2048, 1024, 512)[i], 2 - i
        yield from with_bias(lateral, f"neck.lateral_convs.{level}.conv", 256, channels, 1, 1)
        yield from with_bias(out, f"neck.fpn_convs.{level}.conv", 256, 256, 3, 3)
    for i in range(2):
        names = f"fpn.downsample_layers.{i}", f"neck.fpn_convs.{i + 3}.conv"
        yield from with_bias(*names, 256, 256, 3, 3)
    for i in (0, 2, 4, 8):  # a ReLU follows each; layer 6 upsamples
        yield from with_bias(f"proto_net.{i}", f"mask_head.protonet.{i}", 256, 256, 3, 3)
    yield from with_bias("proto_net.10", "mask_head.protonet.10", 32, 256, 1, 1)

    head, anchors, classes = "prediction_layers.0", network.anchors, network.classes
    yield from with_bias(f"{head}.upfeature.0", "bbox_head.head_convs.0.conv", 256, 256, 3, 3)
    yield from with_bias(f"{head}.bbox_layer", "bbox_head.conv_reg", 4 * anchors, 256, 3, 3)
    scores = f"{head}.conf_layer", "bbox_head.conv_cls"
    yield from with_bias(*scores, anchors * (classes + 1), 256, 3, 3, rotated=classes + 1)
    yield from with_bias(f"{head}.mask_layer", "bbox_head.conv_coeff", 32 * anchors, 256, 3, 3)
    segmentation = "semantic_seg_conv", "mask_head.segm_branch.segm_conv"
    yield from with_bias(*segmentation, classes, 256, 1, 1, rotated=classes)
    if network.plus:
        for i, channels in enumerate(_SCORER):
            names = f"maskiou_net.maskiou_net.{2 * i}", f"mask_head.mask_iou_head.convs.{i}"
            after, side = (classes, 1) if i == 5 else (_SCORER[i + 1], 3)
            yield from with_bias(*names, after, channels, side, side)


def deformable_biases(network: Network) -> dict[str, str]:
    """Maps the biases of deformable convolutions to the batch norms' means that absorb them."""
    blocks = [_block_name(*block) for block in _deformable_blocks(network)]
    return {f"{block}.conv2.bias": f"{block}.bn2.running_mean" for block in blocks}
