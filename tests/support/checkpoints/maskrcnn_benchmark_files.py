"""Makes checkpoints with the names and shapes of the Mask Scoring R-CNN authors' code."""

import torch
from torch import Tensor

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
# anchors of each level's first cell: heights 0.5, 1 and 2 times the widths
ANCHORS = (
    ((-22, -10, 25, 13), (-14, -14, 17, 17), (-10, -22, 13, 25)),
    ((-40, -20, 47, 27), (-28, -28, 35, 35), (-20, -44, 27, 51)),
    ((-84, -40, 99, 55), (-56, -56, 71, 71), (-36, -80, 51, 95)),
    ((-164, -72, 195, 103), (-112, -112, 143, 143), (-76, -168, 107, 199)),
    ((-332, -152, 395, 215), (-224, -224, 287, 287), (-148, -328, 211, 391)),
)


def shapes(depth: int = 50, classes: int = 81) -> dict[str, tuple[int, ...]]:
    """Lists names and shapes of all weights; ``classes`` include the background."""
    found: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{part}"] = (channels,)

    def linear(name: str, *shape: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = shape, shape[:1]

    found["backbone.body.stem.conv1.weight"] = (64, 3, 7, 7)
    norm("backbone.body.stem.bn1", 64)
    before = 64
    for stage, blocks in enumerate(BLOCKS[depth], 1):
        inside, after = (64, 128, 256, 512)[stage - 1], (256, 512, 1024, 2048)[stage - 1]
        for i in range(blocks):
            name = f"backbone.body.layer{stage}.{i}"
            if i == 0:
                found[f"{name}.downsample.0.weight"] = (after, before, 1, 1)
                norm(f"{name}.downsample.1", after)
            found[f"{name}.conv1.weight"] = (inside, before, 1, 1)
            norm(f"{name}.bn1", inside)
            found[f"{name}.conv2.weight"] = (inside, inside, 3, 3)
            norm(f"{name}.bn2", inside)
            found[f"{name}.conv3.weight"] = (after, inside, 1, 1)
            norm(f"{name}.bn3", after)
            before = after
    for i, channels in enumerate((256, 512, 1024, 2048), 1):
        linear(f"backbone.fpn.fpn_inner{i}", 256, channels, 1, 1)
        linear(f"backbone.fpn.fpn_layer{i}", 256, 256, 3, 3)
    for level in range(5):
        found[f"rpn.anchor_generator.cell_anchors.{level}"] = (3, 4)
    linear("rpn.head.conv", 256, 256, 3, 3)
    linear("rpn.head.cls_logits", 3, 256, 1, 1)
    linear("rpn.head.bbox_pred", 12, 256, 1, 1)
    linear("roi_heads.box.feature_extractor.fc6", 1024, 12544)
    linear("roi_heads.box.feature_extractor.fc7", 1024, 1024)
    linear("roi_heads.box.predictor.cls_score", classes, 1024)
    linear("roi_heads.box.predictor.bbox_pred", 4 * classes, 1024)
    for i in (1, 2, 3, 4):
        linear(f"roi_heads.mask.feature_extractor.mask_fcn{i}", 256, 256, 3, 3)
        linear(f"roi_heads.maskiou.feature_extractor.maskiou_fcn{i}", 256, 256 + (i == 1), 3, 3)
    linear("roi_heads.mask.predictor.conv5_mask", 256, 256, 2, 2)
    linear("roi_heads.mask.predictor.mask_fcn_logits", classes, 256, 1, 1)
    linear("roi_heads.maskiou.feature_extractor.maskiou_fc1", 1024, 12544)
    linear("roi_heads.maskiou.feature_extractor.maskiou_fc2", 1024, 1024)
    linear("roi_heads.maskiou.predictor.maskiou", classes, 1024)
    return found


def light_weights(depth: int = 50, classes: int = 81) -> dict[str, Tensor]:
    """Makes weights that differ by row and tensor, without memory of their own for each value."""
    weights = {}
    for i, (name, shape) in enumerate(shapes(depth, classes).items()):
        rows = torch.arange(shape[0], dtype=torch.float32) + 1000 * i
        weights[name] = rows.view(-1, *[1] * (len(shape) - 1)).expand(shape)
    return weights | cell_anchors()


def random_weights(depth: int = 50, classes: int = 81) -> dict[str, Tensor]:
    """Makes random weights of a scale at which activations neither vanish nor explode."""
    torch.manual_seed(0)
    weights = {}
    for name, shape in shapes(depth, classes).items():
        inputs = torch.Size(shape[1:]).numel() or 1
        weights[name] = torch.randn(shape) * (2 / inputs) ** 0.5
        if name.endswith("bias") or len(shape) == 1:
            weights[name] *= 0.05
        if name.endswith(("rpn.head.bbox_pred.weight", "cls_logits.weight")):
            weights[name] *= 0.1  # small box deltas, scores that do not tie at 1
        if name.endswith("cls_score.weight"):
            weights[name] *= 0.2  # several classes per box
        if ".bn" in name or "downsample.1" in name:
            if name.endswith((".weight", "running_var")):
                weights[name] = torch.rand(shape) + 0.5
            if ".bn3.weight" in name:
                weights[name] *= 0.3
    return weights | cell_anchors()


def cell_anchors() -> dict[str, Tensor]:
    return {
        f"rpn.anchor_generator.cell_anchors.{level}": torch.tensor(boxes, dtype=torch.float32)
        for level, boxes in enumerate(ANCHORS)
    }
