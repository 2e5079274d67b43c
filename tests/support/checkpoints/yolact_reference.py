"""A reference implementation of the authors' YOLACT and YOLACT++, with their weight names.

Written from their description, for clarity instead of speed, without MMDetection. Our model must
compute the same from converted weights. Boxes are relative to the image's sides; class 0 is the
background.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

Weights = Mapping[str, Tensor]


def layer(weights: Weights, name: str) -> tuple[Tensor, Tensor | None]:
    return weights[f"{name}.weight"], weights.get(f"{name}.bias")


# ---- images to features


def normalised(image: Tensor) -> Tensor:
    """Normalises (3, H, W) blue, green, red in [0, 255] to the network's red, green, blue."""
    channels = []
    for i, mean, deviation in ((2, 123.68, 58.40), (1, 116.78, 57.12), (0, 103.94, 57.38)):
        channels.append((image[i] - mean) / deviation)
    return torch.stack(channels)[None]


def norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    centred = x - weights[f"{name}.running_mean"][:, None, None]
    scale = weights[f"{name}.weight"] / (weights[f"{name}.running_var"] + 1e-5).sqrt()
    return centred * scale[:, None, None] + weights[f"{name}.bias"][:, None, None]


def value_at(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Interpolates (channels, H, W) at (...) positions; 0 outside the image."""
    top, left = row.floor(), column.floor()
    total = torch.zeros(len(x), *row.shape, dtype=x.dtype)
    for r, weight_r in ((top, 1 - (row - top)), (top + 1, row - top)):
        for c, weight_c in ((left, 1 - (column - left)), (left + 1, column - left)):
            inside = (r >= 0) & (r < x.shape[1]) & (c >= 0) & (c < x.shape[2])
            rows = r.clamp(0, x.shape[1] - 1).long()
            columns = c.clamp(0, x.shape[2] - 1).long()
            total += x[:, rows, columns] * (weight_r * weight_c * inside)
    return total


def deformable_conv(weights: Weights, name: str, x: Tensor, stride: int) -> Tensor:
    """Computes a modulated deformable 3x3 convolution."""
    raw = F.conv2d(x, *layer(weights, f"{name}.conv_offset_mask"), stride=stride, padding=1)[0]
    height, width = raw.shape[1:]
    rows = (torch.arange(height, dtype=x.dtype) * stride)[:, None].expand(height, width)
    columns = (torch.arange(width, dtype=x.dtype) * stride)[None].expand(height, width)
    weight = weights[f"{name}.weight"]
    total = weights[f"{name}.bias"][:, None, None].expand(-1, height, width)
    for point in range(9):
        down, right = point // 3 - 1, point % 3 - 1
        seen = (
            value_at(x[0], rows + down + raw[2 * point], columns + right + raw[2 * point + 1])
            * raw[18 + point].sigmoid()
        )
        total = total + torch.einsum("oi,ihw->ohw", weight[:, :, point // 3, point % 3], seen)
    return total[None]


def block(weights: Weights, name: str, x: Tensor, stride: int) -> Tensor:
    """Computes a bottleneck block whose stride is in its second convolution."""
    y = F.conv2d(x, weights[f"{name}.conv1.weight"])
    y = norm(weights, f"{name}.bn1", y).relu()
    if f"{name}.conv2.conv_offset_mask.weight" in weights:
        y = deformable_conv(weights, f"{name}.conv2", y, stride)
    else:
        y = F.conv2d(y, weights[f"{name}.conv2.weight"], stride=stride, padding=1)
    y = norm(weights, f"{name}.bn2", y).relu()
    y = norm(weights, f"{name}.bn3", F.conv2d(y, weights[f"{name}.conv3.weight"]))
    if f"{name}.downsample.0.weight" in weights:
        x = F.conv2d(x, weights[f"{name}.downsample.0.weight"], stride=stride)
        x = norm(weights, f"{name}.downsample.1", x)
    return (x + y).relu()


def backbone(weights: Weights, image: Tensor) -> list[Tensor]:
    """Computes C2 to C5 of a normalised image."""
    x = F.conv2d(image, weights["backbone.conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(norm(weights, "backbone.bn1", x).relu(), 3, 2, padding=1)
    features = []
    for stage in range(4):
        index = 0
        while f"backbone.layers.{stage}.{index}.conv1.weight" in weights:
            stride = 2 if stage > 0 and index == 0 else 1
            x = block(weights, f"backbone.layers.{stage}.{index}", x, stride)
            index += 1
        features.append(x)
    return features


def pyramid(weights: Weights, features: list[Tensor]) -> list[Tensor]:
    """Computes P3 to P7 from C2 to C5."""
    levels: list[Tensor] = []
    above = None
    for i, feature in enumerate(reversed(features[1:])):
        x = F.conv2d(feature, *layer(weights, f"fpn.lat_layers.{i}"))
        if above is not None:
            x = x + F.interpolate(above, feature.shape[2:], mode="bilinear", align_corners=False)
        above = x
        out = F.conv2d(x, *layer(weights, f"fpn.pred_layers.{i}"), padding=1)
        levels.insert(0, out.relu())
    for i in (0, 1):
        name = f"fpn.downsample_layers.{i}"
        levels.append(F.conv2d(levels[-1], *layer(weights, name), stride=2, padding=1))
    return levels


# ---- heads


def prototypes(weights: Weights, level: Tensor) -> Tensor:
    """Computes (H, W, 32) prototypes from P3."""
    x = level
    for i in (0, 2, 4):
        x = F.conv2d(x, *layer(weights, f"proto_net.{i}"), padding=1).relu()
    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False).relu()
    x = F.conv2d(x, *layer(weights, "proto_net.8"), padding=1).relu()
    return F.conv2d(x, *layer(weights, "proto_net.10")).relu()[0].permute(1, 2, 0)


def predictions(weights: Weights, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Computes (A, C + 1) class logits, (A, 4) box offsets, (A, 32) coefficients, cell by cell."""
    name = "prediction_layers.0"
    x = F.conv2d(level, *layer(weights, f"{name}.upfeature.0"), padding=1).relu()
    scores = len(weights["semantic_seg_conv.bias"]) + 1

    def rows(part: str, length: int) -> Tensor:
        out = F.conv2d(x, *layer(weights, f"{name}.{part}"), padding=1)
        return out[0].permute(1, 2, 0).reshape(-1, length)

    return rows("conf_layer", scores), rows("bbox_layer", 4), rows("mask_layer", 32).tanh()


def mask_ious(weights: Weights, masks: Tensor) -> Tensor:
    """Computes (R, C) mask IoUs from (R, H, W) probabilities, cropped to their boxes."""
    x = masks[:, None]
    for i in (0, 2, 4, 6, 8):
        x = F.conv2d(x, *layer(weights, f"maskiou_net.maskiou_net.{i}"), stride=2).relu()
    x = F.conv2d(x, *layer(weights, "maskiou_net.maskiou_net.10")).relu()
    return x.amax(dim=(2, 3))


# ---- boxes and masks


def anchors(side: float, plus: bool, rows: int, columns: int) -> Tensor:
    """Computes (rows * columns * anchors, 4) centres and sides of a level, cell by cell."""
    found = []
    for y in range(rows):
        for x in range(columns):
            for scale in (1, 2 ** (1 / 3), 2 ** (2 / 3)) if plus else (1,):
                for ratio in (1, 1 / 2, 2):
                    width, height = side * scale * ratio**0.5, side * scale / ratio**0.5
                    if not plus:
                        height = width
                    found.append(((x + 0.5) / columns, (y + 0.5) / rows, width, height))
    return torch.tensor(found, dtype=torch.float64)


def decode(offsets: Tensor, priors: Tensor) -> Tensor:
    """Decodes (A, 4) offsets to left, top, right, bottom."""
    middles = priors[:, :2] + 0.1 * offsets[:, :2] * priors[:, 2:]
    sides = priors[:, 2:] * (0.2 * offsets[:, 2:]).exp()
    return torch.cat((middles - sides / 2, middles + sides / 2), dim=1)


def overlap(a: list[float], b: list[float]) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    shared = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (areas - shared)


def detections(logits: Tensor, boxes: Tensor, threshold: float = 0.05) -> list[tuple]:
    """Returns (score, class from 0, anchor) of the 100 best detections after fast NMS."""
    scores = logits.softmax(dim=1)[:, 1:]
    likely = (scores.amax(dim=1) > threshold).nonzero()[:, 0].tolist()
    found = []
    for label in range(scores.shape[1]):
        ranked = sorted(likely, key=lambda i: -scores[i, label].item())[:200]
        corners = [boxes[i].tolist() for i in ranked]
        for place, i in enumerate(ranked):
            if all(overlap(corners[place], better) <= 0.5 for better in corners[:place]):
                found.append((scores[i, label].item(), label, i))
    return sorted(found, reverse=True)[:100]


def mask(protos: Tensor, coefficients: Tensor, box: Tensor) -> Tensor:
    """Computes (H, W) probabilities, zero more than one pixel outside the box."""
    height, width = protos.shape[:2]
    found = (protos @ coefficients).sigmoid()
    left, right = box[0] * width - 1, box[2] * width + 1
    top, bottom = box[1] * height - 1, box[3] * height + 1
    columns, rows = torch.arange(width)[None], torch.arange(height)[:, None]
    return found * ((columns >= left) & (columns < right) & (rows >= top) & (rows < bottom))
