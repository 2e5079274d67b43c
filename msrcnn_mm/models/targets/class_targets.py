"""Which outputs of the MaskIoU head learn what: Mask Scoring R-CNN, section 4.3, table 5.

The target class of an RoI always learns the IoU of its mask with the instance that the RoI was
assigned to. The paper's other two settings teach the head's other outputs as well.

Shape shorthand:
    R: RoIs of one image
    C: classes
    G: ground-truth instances of the image
    M: side of the predicted masks
"""

import torch
from torch import Tensor

from .mask_iou_targets import mask_iou_targets
from .summed_area import SummedAreaTables

LEARNS = ("target_class", "all_classes", "positive_classes")
"""The paper's settings #1, #2 and #3."""

# Masks whose IoU is computed at once, which bounds the memory: about 100 KB each.
_CHUNK = 1024


def of_class(values: Tensor, labels: Tensor) -> Tensor:
    """Picks each RoI's entry for its class.

    Args:
        values: (R, C, ...), or (R, 1, ...) where they are the same for all classes.
        labels: (R,) classes in [0, C).

    Returns:
        (R, ...).
    """
    if values.size(1) == 1:
        return values[:, 0]
    return values[torch.arange(labels.size(0), device=labels.device), labels]


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
    """What each output of the head learns on each RoI.

    Args:
        learns: one of :data:`LEARNS`. Any but the first waits for the device once, to learn how
            many instances of other classes the RoIs hold.
        targets: (R,) mask IoU targets of the target class.
        mask_preds: (R, C or 1, M, M) mask logits.
        boxes: (R, 4) boxes of the masks as x1, y1, x2, y2 in pixels.
        labels: (R,) target classes.
        gt_labels: (G,) classes of the instances.
        gt_tables: the instances.
        outputs: K, the head's outputs: C, or 1 where it is class-agnostic.
        mask_thr: probability from which a pixel of a mask is foreground.

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
    """Writes the IoU of each class that appears in an RoI beside its target class.

    It is that of the class's own predicted mask with its whole instance; of several instances,
    with the one that the mask fits best.
    """
    rois, instances = _others_inside(boxes, labels, gt_labels, gt_tables)
    for some_rois, some in zip(rois.split(_CHUNK), instances.split(_CHUNK), strict=True):
        classes = gt_labels[some]
        logits = of_class(mask_preds[some_rois], classes)
        fits = mask_iou_targets(logits, boxes[some_rois], some, gt_tables, mask_thr)
        places = some_rois * ious.size(1) + classes
        ious.view(-1).scatter_reduce_(0, places, fits, "amax")
        learned.view(-1)[places] = True


def _others_inside(
    boxes: Tensor, labels: Tensor, gt_labels: Tensor, gt_tables: SummedAreaTables
) -> tuple[Tensor, Tensor]:
    """Every pair of an RoI and an instance of another class that has area inside the RoI's box."""
    count, instances = boxes.size(0), gt_labels.size(0)
    inds = torch.arange(instances, device=boxes.device).repeat(count)
    height, width = gt_tables.image_shape
    each = boxes.double().repeat_interleave(instances, dim=0)
    inside = gt_tables.area_in_cells(
        inds, each[:, 1::2].clamp(0, height), each[:, ::2].clamp(0, width)
    )
    others = (inside.view(count, instances) > 0) & (labels[:, None] != gt_labels)
    rois, found = others.nonzero(as_tuple=True)
    return rois, found
