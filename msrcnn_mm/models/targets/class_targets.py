"""Targets of each output of the MaskIoU head (Mask Scoring R-CNN, section 4.3, table 5).

The output of an RoI's target class learns the IoU of its mask with the instance that the RoI is
assigned to. With the paper's settings #2 and #3 the outputs of other classes learn too.

Shape shorthand:
    R: RoIs over all images of the batch
    C: classes
    G: ground-truth instances of all images
    M: side of the predicted masks
"""

import torch
from torch import Tensor

from ..class_selection import select_class
from .mask_iou_targets import ROUNDING, mask_iou_targets
from .summed_area import SummedAreaTables

LEARNS = ("target_class", "all_classes", "positive_classes")
"""Choices of outputs that learn: settings #1, #2 and #3 of the paper's table 5."""

# Number of masks whose IoU is computed at once. Each takes about 100 KB of memory.
_CHUNK = 1024


@torch.no_grad()
def class_targets(
    learns: str,
    targets: Tensor,
    mask_preds: Tensor,
    boxes: Tensor,
    gt_inds: Tensor,
    labels: Tensor,
    gt_labels: Tensor,
    gt_tables: SummedAreaTables,
    outputs: int,
    mask_thr: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Computes the targets of all outputs for the RoIs of a batch.

    Args:
        learns: one of :data:`LEARNS`. All but the first synchronise with the device twice.
        targets: (R,) mask IoU targets of the target class.
        mask_preds: (R, C or 1, M, M) mask logits.
        boxes: (R, 4) boxes of the masks as x1, y1, x2, y2 in pixels.
        gt_inds: (R,) index of the instance that each RoI is assigned to, in [0, G).
        labels: (R,) target classes.
        gt_labels: (G,) classes of the instances.
        gt_tables: summed-area tables of the instances.
        outputs: K, the number of outputs: C, or 1 if the head is class-agnostic.
        mask_thr: probability from which a pixel of a mask is foreground, in (0, 1).

    Returns:
        (R, K) float32 mask IoU targets in [0, 1], and (R, K) bool, which outputs learn theirs.
    """
    ious = targets.new_zeros((targets.size(0), outputs))
    learned = torch.zeros_like(ious, dtype=torch.bool)
    if learns != "target_class":
        rois, others = _others_inside(boxes, gt_inds, labels, gt_labels, gt_tables)
        for some_rois, some in zip(rois.split(_CHUNK), others.split(_CHUNK), strict=True):
            classes = gt_labels[some]
            logits = select_class(mask_preds[some_rois], classes)
            fits = mask_iou_targets(logits, boxes[some_rois], some, gt_tables, mask_thr)
            places = some_rois * outputs + classes
            ious.view(-1).scatter_reduce_(0, places, fits, "amax")
            learned.view(-1)[places] = True
    if learns == "all_classes":
        learned.fill_(True)
    column = labels[:, None] if outputs > 1 else torch.zeros_like(labels)[:, None]
    return ious.scatter_(1, column, targets[:, None]), learned.scatter_(1, column, True)


def _others_inside(
    boxes: Tensor, gt_inds: Tensor, labels: Tensor, gt_labels: Tensor, gt_tables: SummedAreaTables
) -> tuple[Tensor, Tensor]:
    """Returns all pairs of an RoI and an instance of another class with area inside its box."""
    same_image = gt_tables.images[gt_inds][:, None] == gt_tables.images
    rois, others = (same_image & (labels[:, None] != gt_labels)).nonzero(as_tuple=True)
    ys, xs = boxes[rois, 1::2, None].double(), boxes[rois, None, ::2].double()
    areas = gt_tables.area_above_left(others[:, None, None], ys, xs).diff(dim=1).diff(dim=2)
    inside = (areas.flatten() > ROUNDING).nonzero()[:, 0]
    return rois[inside], others[inside]
