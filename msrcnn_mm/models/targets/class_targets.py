"""Targets of each output of the MaskIoU head (Mask Scoring R-CNN, section 4.3, table 5).

The output of an RoI's target class learns the IoU of its mask with the instance that the RoI is
assigned to. With the paper's settings #2 and #3 the outputs of other classes learn too.

Shape shorthand:
    R: RoIs of one image
    C: classes
    G: ground-truth instances of the image
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
    labels: Tensor,
    gt_labels: Tensor,
    gt_tables: SummedAreaTables,
    outputs: int,
    mask_thr: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Computes the targets of all outputs for the RoIs of one image.

    Args:
        learns: one of :data:`LEARNS`. All but the first synchronise with the device once.
        targets: (R,) mask IoU targets of the target class.
        mask_preds: (R, C or 1, M, M) mask logits.
        boxes: (R, 4) boxes of the masks as x1, y1, x2, y2 in pixels.
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
        _add_other_classes(ious, learned, mask_preds, boxes, labels, gt_labels, gt_tables, mask_thr)
    if learns == "all_classes":
        learned.fill_(True)
    column = labels[:, None] if outputs > 1 else torch.zeros_like(labels)[:, None]
    return ious.scatter_(1, column, targets[:, None]), learned.scatter_(1, column, True)


def _add_other_classes(
    ious: Tensor,
    learned: Tensor,
    mask_preds: Tensor,
    boxes: Tensor,
    labels: Tensor,
    gt_labels: Tensor,
    gt_tables: SummedAreaTables,
    mask_thr: float,
) -> None:
    """Writes the targets of the other classes in each RoI into ``ious`` and ``learned``.

    The target is the IoU of the class's predicted mask with its whole instance, the largest one if
    the RoI has several instances of the class.
    """
    rois, instances = _others_inside(boxes, labels, gt_labels, gt_tables)
    for some_rois, some in zip(rois.split(_CHUNK), instances.split(_CHUNK), strict=True):
        classes = gt_labels[some]
        logits = select_class(mask_preds[some_rois], classes)
        fits = mask_iou_targets(logits, boxes[some_rois], some, gt_tables, mask_thr)
        places = some_rois * ious.size(1) + classes
        ious.view(-1).scatter_reduce_(0, places, fits, "amax")
        learned.view(-1)[places] = True


def _others_inside(
    boxes: Tensor, labels: Tensor, gt_labels: Tensor, gt_tables: SummedAreaTables
) -> tuple[Tensor, Tensor]:
    """Returns all pairs of an RoI and an instance of another class with area inside its box."""
    count, instances = boxes.size(0), gt_labels.size(0)
    inds = torch.arange(instances, device=boxes.device)[:, None, None]
    ys, xs = boxes[:, None, 1::2, None].double(), boxes[:, None, None, ::2].double()
    inside = gt_tables.area_above_left(inds, ys, xs).diff(dim=2).diff(dim=3)
    others = (inside.view(count, instances) > ROUNDING) & (labels[:, None] != gt_labels)
    rois, others_inds = others.nonzero(as_tuple=True)
    return rois, others_inds
