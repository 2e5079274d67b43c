"""A reference implementation of the authors' Mask Scoring R-CNN, with its own weight names.

Written from its description, for clarity instead of speed, without MMDetection. Our model must
compute the same from converted weights. A box is its first and its last pixel.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

Weights = Mapping[str, Tensor]
STRIDES = (4, 8, 16, 32, 64)


def layer(weights: Weights, name: str) -> tuple[Tensor, Tensor | None]:
    return weights[f"{name}.weight"], weights.get(f"{name}.bias")


# ---- images to features


def fixed_norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    factor = weights[f"{name}.weight"] / weights[f"{name}.running_var"].sqrt()
    offset = weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * factor
    return x * factor[:, None, None] + offset[:, None, None]


def block(weights: Weights, name: str, x: Tensor, stride: int) -> Tensor:
    """Computes a bottleneck block whose stride is in its first convolution."""
    y = F.conv2d(x, weights[f"{name}.conv1.weight"], stride=stride)
    y = fixed_norm(weights, f"{name}.bn1", y).relu()
    y = F.conv2d(y, weights[f"{name}.conv2.weight"], padding=1)
    y = fixed_norm(weights, f"{name}.bn2", y).relu()
    y = F.conv2d(y, weights[f"{name}.conv3.weight"])
    y = fixed_norm(weights, f"{name}.bn3", y)
    if f"{name}.downsample.0.weight" in weights:
        x = F.conv2d(x, weights[f"{name}.downsample.0.weight"], stride=stride)
        x = fixed_norm(weights, f"{name}.downsample.1", x)
    return (x + y).relu()


def backbone(weights: Weights, image: Tensor) -> list[Tensor]:
    """Computes C2 to C5 of a normalised image."""
    stem = "backbone.body.stem"
    x = F.conv2d(image, weights[f"{stem}.conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(fixed_norm(weights, f"{stem}.bn1", x).relu(), 3, 2, padding=1)
    features = []
    for stage in (1, 2, 3, 4):
        index = 0
        while f"backbone.body.layer{stage}.{index}.conv1.weight" in weights:
            stride = 2 if stage > 1 and index == 0 else 1
            x = block(weights, f"backbone.body.layer{stage}.{index}", x, stride)
            index += 1
        features.append(x)
    return features


def pyramid(weights: Weights, features: list[Tensor]) -> list[Tensor]:
    """Computes P2 to P6."""
    levels: list[Tensor] = []
    above = None
    for i in (4, 3, 2, 1):
        inner = F.conv2d(features[i - 1], *layer(weights, f"backbone.fpn.fpn_inner{i}"))
        if above is not None:
            inner = inner + above.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        above = inner
        levels.insert(0, F.conv2d(inner, *layer(weights, f"backbone.fpn.fpn_layer{i}"), padding=1))
    return [*levels, levels[-1][:, :, ::2, ::2]]


# ---- proposals


def rpn(weights: Weights, levels: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Computes objectness logits and box deltas of each level."""
    outputs = []
    for level in levels:
        x = F.conv2d(level, *layer(weights, "rpn.head.conv"), padding=1).relu()
        logits = F.conv2d(x, *layer(weights, "rpn.head.cls_logits"))
        outputs.append((logits, F.conv2d(x, *layer(weights, "rpn.head.bbox_pred"))))
    return outputs


def anchors(weights: Weights, index: int, height: int, width: int) -> Tensor:
    """Computes a level's (height * width * 3, 4) anchors, cell by cell."""
    cell = weights[f"rpn.anchor_generator.cell_anchors.{index}"]
    return torch.stack(
        [
            anchor + cell.new_tensor([x, y, x, y]) * STRIDES[index]
            for y in range(height)
            for x in range(width)
            for anchor in cell
        ]
    )


def decode(boxes: Tensor, deltas: Tensor, factors: tuple[float, ...]) -> Tensor:
    """Decodes (R, 4) boxes and (R, 4 k) deltas to (R, 4 k) boxes."""
    decoded = torch.empty_like(deltas)
    for i in range(0, deltas.shape[1], 4):
        for first, delta in ((0, i), (1, i + 1)):
            side = boxes[:, first + 2] - boxes[:, first] + 1
            middle = boxes[:, first] + side / 2 + deltas[:, delta] / factors[first] * side
            growth = (deltas[:, delta + 2] / factors[first + 2]).clamp(max=math.log(1000 / 16))
            decoded[:, delta] = middle - side * growth.exp() / 2
            decoded[:, delta + 2] = middle + side * growth.exp() / 2 - 1
    return decoded


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    clipped = boxes.clone()
    clipped[:, 0::2] = boxes[:, 0::2].clamp(0, width - 1)
    clipped[:, 1::2] = boxes[:, 1::2].clamp(0, height - 1)
    return clipped


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> list[int]:
    """Returns the indices kept, in descending order of scores."""
    kept: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        if not kept or overlaps(boxes[i], boxes[kept]).max() <= threshold:
            kept.append(i)
    return kept


def overlaps(box: Tensor, others: Tensor) -> Tensor:
    """Computes the (R,) IoUs of one box with others."""
    first, last = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    shared = (last - first + 1).clamp(min=0).prod(dim=1)
    return shared / (area(box) + area(others) - shared)


def area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2] + 1).prod(dim=-1)


def proposals(weights: Weights, levels: list[Tensor], height: int, width: int) -> Tensor:
    """Computes the (R, 4) proposals of one image, at most 1000, best first."""
    boxes, scores = [], []
    for index, (logits, deltas) in enumerate(rpn(weights, levels)):
        rows, columns = logits.shape[-2:]
        score = logits[0].permute(1, 2, 0).reshape(-1).sigmoid()
        delta = deltas[0].reshape(3, 4, rows, columns).permute(2, 3, 0, 1).reshape(-1, 4)
        box = decode(anchors(weights, index, rows, columns), delta, (1, 1, 1, 1))
        best = score.argsort(descending=True)[:1000]
        box, score = clip(box[best], height, width), score[best]
        kept = nms(box, score, 0.7)
        boxes.append(box[kept])
        scores.append(score[kept])
    best = torch.cat(scores).argsort(descending=True)[:1000]
    return torch.cat(boxes)[best]


# ---- heads


def level_of(box: Tensor) -> int:
    side = math.sqrt(float(area(box)))
    return min(max(math.floor(4 + math.log2(side / 224 + 1e-6)), 2), 5) - 2


def pool(levels: list[Tensor], boxes: Tensor, size: int) -> Tensor:
    """Averages 2x2 samples per bin to (R, channels, size, size); values lie at cells' corners."""
    pooled = []
    for box in boxes:
        level = level_of(box)
        feature, scaled = levels[level][0], box / STRIDES[level]
        height, width = feature.shape[-2:]
        extent = (scaled[2:] - scaled[:2]).clamp(min=1)
        steps = (torch.arange(2 * size, dtype=box.dtype) + 0.5) / (2 * size)
        x, y = scaled[0] + steps * extent[0], scaled[1] + steps * extent[1]
        # 0 more than a cell outside the features, the border's value nearer
        seen_x, seen_y = (x >= -1) & (x <= width), (y >= -1) & (y <= height)
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
        left, top = x.floor().long(), y.floor().long()
        right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
        dx, dy = x - left, (y - top)[:, None]
        above = feature[:, top][:, :, left] * (1 - dx) + feature[:, top][:, :, right] * dx
        below = feature[:, bottom][:, :, left] * (1 - dx) + feature[:, bottom][:, :, right] * dx
        sampled = (above * (1 - dy) + below * dy) * (seen_y[:, None] & seen_x)
        pooled.append(F.avg_pool2d(sampled, 2))
    return torch.stack(pooled)


def box_head(weights: Weights, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """Computes (R, C + 1) class logits, background first, and (R, 4 (C + 1)) deltas."""
    name = "roi_heads.box"
    x = F.linear(pooled.flatten(1), *layer(weights, f"{name}.feature_extractor.fc6")).relu()
    x = F.linear(x, *layer(weights, f"{name}.feature_extractor.fc7")).relu()
    logits = F.linear(x, *layer(weights, f"{name}.predictor.cls_score"))
    return logits, F.linear(x, *layer(weights, f"{name}.predictor.bbox_pred"))


def mask_head(weights: Weights, pooled: Tensor) -> Tensor:
    """Computes (R, C + 1, 28, 28) mask logits."""
    x = pooled
    for i in (1, 2, 3, 4):
        name = f"roi_heads.mask.feature_extractor.mask_fcn{i}"
        x = F.conv2d(x, *layer(weights, name), padding=1).relu()
    name = "roi_heads.mask.predictor"
    x = F.conv_transpose2d(x, *layer(weights, f"{name}.conv5_mask"), stride=2).relu()
    return F.conv2d(x, *layer(weights, f"{name}.mask_fcn_logits"))


def mask_iou_head(weights: Weights, pooled: Tensor, mask_logits: Tensor) -> Tensor:
    """Computes (R, C + 1) mask IoUs from (R, 28, 28) logits of the target class."""
    x = torch.cat((pooled, F.max_pool2d(mask_logits.sigmoid()[:, None], 2)), dim=1)
    name = "roi_heads.maskiou.feature_extractor"
    for i in (1, 2, 3, 4):
        x = F.conv2d(
            x, *layer(weights, f"{name}.maskiou_fcn{i}"), padding=1, stride=2 if i == 4 else 1
        ).relu()
    x = F.linear(x.flatten(1), *layer(weights, f"{name}.maskiou_fc1")).relu()
    x = F.linear(x, *layer(weights, f"{name}.maskiou_fc2")).relu()
    return F.linear(x, *layer(weights, "roi_heads.maskiou.predictor.maskiou"))


# ---- results


def detections(
    boxes: Tensor, logits: Tensor, deltas: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns boxes, class scores and classes (from 1) of one image's 100 best detections."""
    probabilities = logits.softmax(dim=1)
    decoded = clip(decode(boxes, deltas, (10, 10, 5, 5)), height, width)
    found, scores, labels = [], [], []
    for label in range(1, logits.shape[1]):
        chosen = (probabilities[:, label] > 0.05).nonzero()[:, 0]
        box, score = decoded[chosen, 4 * label : 4 * label + 4], probabilities[chosen, label]
        kept = nms(box, score, 0.5)
        found.append(box[kept])
        scores.append(score[kept])
        labels.append(torch.full((len(kept),), label))
    best = torch.cat(scores).argsort(descending=True)[:100]
    return torch.cat(found)[best], torch.cat(scores)[best], torch.cat(labels)[best]


def paste(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """Pastes (28, 28) probabilities into an image; foreground is above 0.5."""
    x1, y1, x2, y2 = box.tolist()
    grow = 30 / 28
    edges = []
    for first, last in ((x1, x2), (y1, y2)):
        middle, reach = (last + first) / 2, (last - first) / 2 * grow
        edges.append((int(middle - reach), int(middle + reach)))
    (left, right), (top, bottom) = edges
    framed = torch.zeros(30, 30, dtype=mask.dtype)
    framed[1:-1, 1:-1] = mask
    size = (max(bottom - top + 1, 1), max(right - left + 1, 1))
    resized = F.interpolate(framed[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    image = torch.zeros(height, width, dtype=torch.bool)
    for y in range(max(top, 0), min(bottom + 1, height)):
        for x in range(max(left, 0), min(right + 1, width)):
            image[y, x] = resized[y - top, x - left] > 0.5
    return image
