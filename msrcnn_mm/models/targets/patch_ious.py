"""Computes the mask IoUs of detections with the instances of a training batch.

No mask is made as large as the image: detections are probabilities in their boxes, instances
summed-area tables.

Shape shorthand: D detections and G instances of all images, crowd regions included; m side of the
probabilities.
"""

from collections.abc import Sequence

import torch
from mmdet.structures import DetDataSample
from torch import Tensor

from .mask_iou_targets import mask_iou_targets
from .summed_area import SummedAreaTables

_CHUNK = 1024  # pairs at once, of 100 KB each with m = 28


@torch.no_grad()
def patch_ious(
    probs: Tensor,
    boxes: Tensor,
    labels: Tensor,
    images: Tensor,
    samples: Sequence[DetDataSample],
    mask_thr: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Computes them for all pairs of one image and class, on the device of the detections.

    Synchronises with the device once, for the number of pairs whose boxes overlap.

    Args:
        probs: (D, m, m) mask probabilities in the boxes.
        boxes: (D, 4) x1, y1, x2, y2 in pixels of the network's input.
        labels: (D,) classes.
        images: (D,) index of each detection's image in the batch.
        samples: the images' ``gt_instances`` and, where there are any with masks,
            ``ignored_instances``, the crowd regions; their masks have the network's input's size.
        mask_thr: probability from which a pixel is foreground, in (0, 1).

    Returns:
        (D, G) float64 IoUs, 0 where image or class differs; with a crowd region the share of the
        detection in it. (G,) bool, which are crowd regions.
    """
    masks, columns = [], [labels.new_zeros(0, 3)]
    for image, sample in enumerate(samples):
        for name, crowd in (("gt_instances", 0), ("ignored_instances", 1)):
            instances = sample.get(name)
            if instances is not None and "masks" in instances:
                own = instances.labels
                masks.append(instances.masks)
                columns.append(
                    torch.stack(
                        (own, own.new_full(own.shape, image), own.new_full(own.shape, crowd)), 1
                    )
                )
    gt_labels, gt_images, crowds = torch.cat(columns).unbind(dim=1)
    crowds = crowds.bool()
    tables = SummedAreaTables.from_masks(masks, boxes.device)
    pairs = (images[:, None] == gt_images) & (labels[:, None] == gt_labels) & _meet(boxes, tables)
    rows, inds = pairs.nonzero(as_tuple=True)
    logits = probs.logit(eps=1e-6)
    ious = boxes.new_zeros(pairs.shape, dtype=torch.float64)
    for row, ind in zip(rows.split(_CHUNK), inds.split(_CHUNK), strict=True):
        found = mask_iou_targets(logits[row], boxes[row], ind, tables, mask_thr, crowds)
        ious[row, ind] = found.double()
    return ious, crowds


def _meet(boxes: Tensor, tables: SummedAreaTables) -> Tensor:
    """Returns (D, G) bool, which boxes overlap which instances' tight boxes."""
    x1, y1, x2, y2 = boxes.double().T[..., None]
    lefts, tops = tables.lefts, tables.tops
    across = (x1 < lefts + tables.widths) & (x2 > lefts)
    return across & (y1 < tops + tables.heights) & (y2 > tops)
