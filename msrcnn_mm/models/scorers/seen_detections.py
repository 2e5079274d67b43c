"""The detections of a host as a scorer sees them.

Shape shorthand: D detections of one image or of several, S side of the features, M side of the
mask patches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class SeenDetections:
    """D post-NMS detections of a host.

    Attributes:
        features: (D, channels, S, S), the host's feature maps pooled in the boxes; (D, 0, 0, 0)
            where the scorer reads none.
        patches: (D, M, M) probabilities in [0, 1] of the masks in their boxes.
        scores: (D,) class scores in [0, 1].
        labels: (D,) classes.
        geometry: (D, 5), see :func:`geometry`.
    """

    features: Tensor
    patches: Tensor
    scores: Tensor
    labels: Tensor
    geometry: Tensor

    @classmethod
    def concatenate(cls, parts: Sequence["SeenDetections"]) -> "SeenDetections":
        """Joins the detections of several images."""
        return cls(
            **{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)}
        )

    def to(self, device: torch.device) -> "SeenDetections":
        """Copies to a device."""
        return SeenDetections(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


GEOMETRY = 5
"""Columns of :func:`geometry`."""


def geometry(boxes: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
    """Describes the boxes of an image by their size and by what overlaps them.

    The overlaps tell a duplicate from the detection that it duplicates, which no pixel does.

    Args:
        boxes: (D, 4) x1, y1, x2, y2 in pixels of the network's input: a share of the image would be
            another in the crops of a training than in whole images at test.
        scores: (D,) class scores.
        labels: (D,) classes.

    Returns:
        (D, 5) float32: log of the box's area, log of its width over its height, the greatest box
        IoU with a detection of higher class score of the same class and of any class, and the
        number of detections of its class with a higher score and a box IoU of 0.3 or more. Of equal
        scores the earlier detection is the higher.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3).float()
    areas = sides.prod(dim=1)
    aspect = (sides[:, 0] / sides[:, 1]).log()
    top_left = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    low_right = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    inter = (low_right - top_left).clamp(min=0).prod(dim=2).float()
    ious = inter / (areas[:, None] + areas - inter)
    order = torch.argsort(scores, descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    any_class = torch.where(place[None] < place[:, None], ious, 0)
    own_class = torch.where(labels[None] == labels[:, None], any_class, 0)
    empty = ious.new_zeros(len(boxes), 1)  # so that there is a greatest one without detections
    columns = (
        areas.log(),
        aspect,
        torch.cat((own_class, empty), dim=1).amax(dim=1),
        torch.cat((any_class, empty), dim=1).amax(dim=1),
        (own_class >= 0.3).sum(dim=1).float(),
    )
    return torch.stack(columns, dim=1)
