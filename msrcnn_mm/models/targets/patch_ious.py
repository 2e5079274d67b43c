"""Computes the mask IoUs of detections with the instances of a training image.

No mask is made as large as the image: detections are probabilities in their boxes, instances
summed-area tables.

Shape shorthand: D detections, G instances, crowd regions included, m side of the probabilities.
"""

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
    sample: DetDataSample,
    mask_thr: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Computes the mask IoU of each detection with each instance of its class.

    Works on the device of the detections and synchronises with it once, for the number of pairs
    whose boxes overlap.

    Args:
        probs: (D, m, m) mask probabilities in the boxes.
        boxes: (D, 4) x1, y1, x2, y2 in pixels of the network's input.
        labels: (D,) classes.
        sample: the image's ``gt_instances`` and, where there are any with masks,
            ``ignored_instances``, the crowd regions; their masks have the network's input's size.
        mask_thr: probability from which a pixel is foreground, in (0, 1).

    Returns:
        (D, G) float64 IoUs, 0 where the class differs; with a crowd region the share of the
        detection in it. (G,) bool, which are crowd regions.
    """
    given = [
        (found, crowd)
        for name, crowd in (("gt_instances", 0), ("ignored_instances", 1))
        if (found := sample.get(name)) is not None and "masks" in found
    ]
    none = labels[:0]
    gt_labels = torch.cat([none, *(found.labels for found, _ in given)])
    crowds = torch.cat([none, *(found.labels.new_full((len(found),), c) for found, c in given)])
    crowds = crowds.bool()
    tables = SummedAreaTables.from_masks([found.masks for found, _ in given], boxes.device)
    pairs = (labels[:, None] == gt_labels) & _meet(boxes, tables)
    rows, inds = pairs.nonzero(as_tuple=True)
    logits = probs.logit(eps=1e-6)
    ious = boxes.new_zeros(pairs.shape, dtype=torch.float64)
    for row, ind in zip(rows.split(_CHUNK), inds.split(_CHUNK), strict=True):
        of_pairs = mask_iou_targets(logits[row], boxes[row], ind, tables, mask_thr, crowds)
        ious[row, ind] = of_pairs.double()
    return ious, crowds


def _meet(boxes: Tensor, tables: SummedAreaTables) -> Tensor:
    """Returns (D, G) bool, which boxes overlap which instances' tight boxes."""
    x1, y1, x2, y2 = boxes.double().T[..., None]
    lefts, tops = tables.lefts, tables.tops
    across = (x1 < lefts + tables.widths) & (x2 > lefts)
    return across & (y1 < tops + tables.heights) & (y2 > tops)
