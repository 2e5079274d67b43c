"""Makes checkpoints with the names and shapes of the YOLACT authors' code."""

import torch
from torch import Tensor

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
# stages and blocks with a deformable 3x3 convolution in YOLACT++
DEFORMABLE = {
    50: [(1, b) for b in range(4)] + [(2, b) for b in range(6)] + [(3, b) for b in range(3)],
    101: [(1, 0), (1, 3), *((2, b) for b in (0, 3, 6, 9, 12, 15, 18, 21)), (3, 0)],
}


def shapes(
    depth: int = 50, plus: bool = False, classes: int = 80, counters: bool = True
) -> dict[str, tuple[int, ...]]:
    """Lists names and shapes of all weights; ``classes`` exclude the background."""
    found: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{part}"] = (channels,)
        if counters:
            found[f"{name}.num_batches_tracked"] = ()

    def conv(name: str, *shape: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = shape, shape[:1]

    found["backbone.conv1.weight"] = (64, 3, 7, 7)
    norm("backbone.bn1", 64)
    before = 64
    for stage, blocks in enumerate(BLOCKS[depth]):
        inside, after = (64, 128, 256, 512)[stage], (256, 512, 1024, 2048)[stage]
        for i in range(blocks):
            name = f"backbone.layers.{stage}.{i}"
            found[f"{name}.conv1.weight"] = (inside, before, 1, 1)
            norm(f"{name}.bn1", inside)
            found[f"{name}.conv2.weight"] = (inside, inside, 3, 3)
            if plus and (stage, i) in DEFORMABLE[depth]:
                found[f"{name}.conv2.bias"] = (inside,)
                conv(f"{name}.conv2.conv_offset_mask", 27, inside, 3, 3)
            norm(f"{name}.bn2", inside)
            found[f"{name}.conv3.weight"] = (after, inside, 1, 1)
            norm(f"{name}.bn3", after)
            if i == 0:
                found[f"{name}.downsample.0.weight"] = (after, before, 1, 1)
                norm(f"{name}.downsample.1", after)
            before = after
    for i in (0, 2, 4, 8):
        conv(f"proto_net.{i}", 256, 256, 3, 3)
    conv("proto_net.10", 32, 256, 1, 1)
    if plus:
        for i, channels, before, side in (
            (0, 8, 1, 3),
            (2, 16, 8, 3),
            (4, 32, 16, 3),
            (6, 64, 32, 3),
            (8, 128, 64, 3),
            (10, classes, 128, 1),
        ):
            conv(f"maskiou_net.maskiou_net.{i}", channels, before, side, side)
    for i, channels in enumerate((2048, 1024, 512)):
        conv(f"fpn.lat_layers.{i}", 256, channels, 1, 1)
        conv(f"fpn.pred_layers.{i}", 256, 256, 3, 3)
    for i in (0, 1):
        conv(f"fpn.downsample_layers.{i}", 256, 256, 3, 3)
    anchors = 9 if plus else 3
    conv("prediction_layers.0.upfeature.0", 256, 256, 3, 3)
    conv("prediction_layers.0.bbox_layer", anchors * 4, 256, 3, 3)
    conv("prediction_layers.0.conf_layer", anchors * (classes + 1), 256, 3, 3)
    conv("prediction_layers.0.mask_layer", anchors * 32, 256, 3, 3)
    conv("semantic_seg_conv", classes, 256, 1, 1)
    return found


def light_weights(
    depth: int = 50, plus: bool = False, classes: int = 80, counters: bool = True
) -> dict[str, Tensor]:
    """Makes weights that differ by row and tensor, without memory of their own for each value."""
    weights = {}
    for i, (name, shape) in enumerate(shapes(depth, plus, classes, counters).items()):
        if not shape:
            weights[name] = torch.tensor(1000 * i)
            continue
        rows = torch.arange(shape[0], dtype=torch.float32) / 7 + i
        weights[name] = rows.view(-1, *[1] * (len(shape) - 1)).expand(shape)
    return weights


def random_weights(depth: int = 50, plus: bool = False, classes: int = 80) -> dict[str, Tensor]:
    """Makes random weights of a scale at which activations neither vanish nor explode."""
    torch.manual_seed(0)
    weights = {}
    for name, shape in shapes(depth, plus, classes, counters=False).items():
        inputs = torch.Size(shape[1:]).numel() or 1
        value = torch.randn(shape, dtype=torch.float64) * (2 / inputs) ** 0.5
        if name.endswith("bias") or len(shape) == 1:
            value *= 0.05
        if ".bn" in name or "downsample.1" in name:
            if name.endswith((".weight", "running_var")):
                value = torch.rand(shape, dtype=torch.float64) + 0.5
            if ".bn3.weight" in name:
                value *= 0.3
        if name.endswith("conv2.bias") or "conv_offset_mask.bias" in name:
            value *= 10  # offsets of half a pixel and more
        if name.endswith(("bbox_layer.weight", "conf_layer.weight")):
            value *= 0.2  # small box offsets, scores that do not tie at 1
        if name.endswith("mask_layer.weight"):
            value *= 0.05  # coefficients that do not tie at 1, masks that are not empty
        if name.endswith("mask_layer.bias") or ("maskiou_net" in name and name.endswith("bias")):
            value += 0.3  # mask IoUs that are not zero
        if name == "proto_net.10.bias":
            value -= 4  # prototypes that are zero in places, as those of a trained network
        weights[name] = value
    return weights
