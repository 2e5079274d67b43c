"""The weights of the authors' YOLACT and YOLACT++: their names, our names, shapes."""

from collections.abc import Iterator
from typing import NamedTuple

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_DEFORMABLE_EVERY = {50: 1, 101: 3}  # block of C3 to C5 in YOLACT++
# a batch norm's; early torch has none, so it may be missing
COUNTER = "num_batches_tracked"
_SCORER = (1, 8, 16, 32, 64, 128)  # channels in YOLACT++'s scorer; the classes follow


class Network(NamedTuple):
    """What a checkpoint's weights tell of its network."""

    depth: int
    plus: bool  # YOLACT++: deformable convolutions, nine anchors, a scorer
    classes: int  # without the background

    def __str__(self) -> str:
        name = "YOLACT++" if self.plus else "YOLACT"
        return f"{name}, ResNet-{self.depth}, {self.classes} classes"

    @property
    def anchors(self) -> int:
        """How many a cell has."""
        return 9 if self.plus else 3


class NamedTensor(NamedTuple):
    """One tensor in both checkpoints."""

    theirs: str
    ours: str
    shape: tuple[int, ...]
    turned: int = 0  # rows in each group of which the first is our last


def _with_bias(theirs: str, ours: str, *shape: int, turned: int = 0) -> Iterator[NamedTensor]:
    yield NamedTensor(f"{theirs}.weight", f"{ours}.weight", shape, turned)
    yield NamedTensor(f"{theirs}.bias", f"{ours}.bias", shape[:1], turned)


def _normed(theirs: str, ours: str, norm: str, *shape: int) -> Iterator[NamedTensor]:
    """A convolution without a bias, and its batch norm."""
    yield NamedTensor(f"{theirs}.weight", f"{ours}.weight", shape)
    theirs, ours = (f"{name.rpartition('.')[0]}.{norm}" for name in (theirs, ours))
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield NamedTensor(f"{theirs}.{part}", f"{ours}.{part}", shape[:1])
    yield NamedTensor(f"{theirs}.{COUNTER}", f"{ours}.{COUNTER}", ())


def _backbone(depth: int, plus: bool) -> Iterator[NamedTensor]:
    yield from _normed("backbone.conv1", "backbone.conv1", "bn1", 64, 3, 7, 7)
    channels = 64
    for stage, blocks in enumerate(_BLOCKS[depth]):
        width = 64 * 2**stage
        for block in range(blocks):
            theirs, ours = f"backbone.layers.{stage}.{block}", f"backbone.layer{stage + 1}.{block}"
            shapes = ((width, channels, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1))
            for i, shape in enumerate(shapes, 1):
                yield from _normed(f"{theirs}.conv{i}", f"{ours}.conv{i}", f"bn{i}", *shape)
            if block == 0:
                names = f"{theirs}.downsample.0", f"{ours}.downsample.0"
                yield from _normed(*names, "1", 4 * width, channels, 1, 1)
            if plus and _is_deformable(depth, stage, block):
                names = f"{theirs}.conv2.conv_offset_mask", f"{ours}.conv2.conv_offset"
                yield from _with_bias(*names, 27, width, 3, 3)
            channels = 4 * width


def _is_deformable(depth: int, stage: int, block: int) -> bool:
    return stage > 0 and block % _DEFORMABLE_EVERY[depth] == 0


def named_tensors(network: Network) -> Iterator[NamedTensor]:
    """All tensors of a network, but for the biases of deformable convolutions."""
    yield from _backbone(network.depth, network.plus)
    for i in range(3):  # theirs from the coarsest level on
        lateral, out = f"fpn.lat_layers.{i}", f"fpn.pred_layers.{i}"
        channels, level = (2048, 1024, 512)[i], 2 - i
        yield from _with_bias(lateral, f"neck.lateral_convs.{level}.conv", 256, channels, 1, 1)
        yield from _with_bias(out, f"neck.fpn_convs.{level}.conv", 256, 256, 3, 3)
    for i in range(2):
        names = f"fpn.downsample_layers.{i}", f"neck.fpn_convs.{i + 3}.conv"
        yield from _with_bias(*names, 256, 256, 3, 3)
    for i in (0, 2, 4, 8):  # a ReLU behind each, upsampling at 6
        yield from _with_bias(f"proto_net.{i}", f"mask_head.protonet.{i}", 256, 256, 3, 3)
    yield from _with_bias("proto_net.10", "mask_head.protonet.10", 32, 256, 1, 1)

    head, anchors, classes = "prediction_layers.0", network.anchors, network.classes
    yield from _with_bias(f"{head}.upfeature.0", "bbox_head.head_convs.0.conv", 256, 256, 3, 3)
    yield from _with_bias(f"{head}.bbox_layer", "bbox_head.conv_reg", 4 * anchors, 256, 3, 3)
    rows = anchors * (classes + 1)
    names = f"{head}.conf_layer", "bbox_head.conv_cls"
    yield from _with_bias(*names, rows, 256, 3, 3, turned=classes + 1)
    yield from _with_bias(f"{head}.mask_layer", "bbox_head.conv_coeff", 32 * anchors, 256, 3, 3)
    names = "semantic_seg_conv", "mask_head.segm_branch.segm_conv"
    yield from _with_bias(*names, classes, 256, 1, 1, turned=classes)
    if network.plus:
        for i, channels in enumerate(_SCORER):
            names = f"maskiou_net.maskiou_net.{2 * i}", f"mask_head.mask_iou_head.convs.{i}"
            after, side = (classes, 1) if i == 5 else (_SCORER[i + 1], 3)
            yield from _with_bias(*names, after, channels, side, side)


def deformable_biases(network: Network) -> dict[str, str]:
    """Their biases of deformable convolutions, and the means that take them up, by their names."""
    if not network.plus:
        return {}
    return {
        f"{block}.conv2.bias": f"{block}.bn2.running_mean"
        for stage, blocks in enumerate(_BLOCKS[network.depth])
        for i in range(blocks)
        if _is_deformable(network.depth, stage, i)
        for block in [f"backbone.layers.{stage}.{i}"]
    }
