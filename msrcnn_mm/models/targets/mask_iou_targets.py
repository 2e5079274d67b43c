"""Mask IoU targets: the IoU of each predicted mask with the whole instance it is assigned to.

Mask Scoring R-CNN, section 3.2: the target of the MaskIoU head is the IoU between the binarised
predicted mask of the target class and the *whole* ground-truth instance. Ground truth outside the
box counts in the union.

Shape shorthand:
    R: RoIs of one image
    G: ground-truth instances of the image
    M: side of the predicted masks (28)
    K: cells along a side of the grid that areas are summed over, ``_SUBCELLS * M``
    H, W: height and width of the image in pixels

Method: a predicted mask is resized to its box as at test (bilinear in probability, zero outside),
but sampled on a K x K grid over the box instead of at pixel centres. The area of an instance in
each cell is read from the instance's summed-area table by bilinear interpolation at the cell's
corners. A bitmap is constant over a pixel, so its integral is bilinear within the pixel and the
area is exact at sub-pixel positions. The remaining error is the sampling of the mask's outline.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from torch import Tensor

from .summed_area import SummedAreaTables

# Cells of the area grid per cell of the predicted mask, along a side. The paper's code has 1; 2
# halves the error, larger values gain little.
_SUBCELLS = 2


@torch.no_grad()
def mask_iou_targets(
    mask_logits: Tensor,
    boxes: Tensor,
    gt_inds: Tensor,
    gt_tables: SummedAreaTables,
    mask_thr: float = 0.5,
) -> Tensor:
    """Computes the IoU of each binarised predicted mask with its whole ground-truth instance.

    Runs on the device of ``boxes`` without synchronising with it. Area outside the image is not
    counted, since masks are pasted into the image.

    Args:
        mask_logits: (R, M, M) logits of the target class, any float type.
        boxes: (R, 4) boxes of the masks as x1, y1, x2, y2 in pixels, also outside the image.
        gt_inds: (R,) index of the instance that each mask is assigned to, in [0, G).
        gt_tables: summed-area tables of the image's instances.
        mask_thr: probability from which a pixel is foreground, in (0, 1).

    Returns:
        (R,) float32 IoUs in [0, 1]; 0 if the box or the predicted mask is empty.
    """
    if boxes.size(0) == 0:
        return boxes.new_zeros((0,), dtype=torch.float32)
    boxes = boxes.double()
    inside = _binarised_cells(mask_logits, mask_thr)
    x_edges = _cell_edges(boxes[:, 0], boxes[:, 2], inside.size(-1))
    y_edges = _cell_edges(boxes[:, 1], boxes[:, 3], inside.size(-1))

    height, width = gt_tables.image_shape
    cell_heights = y_edges.clamp(0, height).diff(dim=1)
    cell_widths = x_edges.clamp(0, width).diff(dim=1)
    predicted = torch.einsum("rk,rkl,rl->r", cell_heights, inside, cell_widths)
    overlap = (gt_tables.area_in_cells(gt_inds, y_edges, x_edges) * inside).sum(dim=(1, 2))
    union = predicted + gt_tables.areas[gt_inds] - overlap
    iou = torch.where(union > 0, overlap / union, torch.zeros_like(union))
    return iou.clamp(0, 1).float()


@torch.no_grad()
def whole_mask_ious(masks: Tensor, gt_masks: Tensor, mask_thr: float = 0.5) -> Tensor:
    """Computes the IoU of each binarised predicted mask with its whole instance, pixel by pixel.

    YOLACT++ trains its scorer toward it (arXiv 1912.06218, section 6.1), at the prototypes' size.

    Args:
        masks: (R, H, W) mask probabilities, 0 outside the mask's box.
        gt_masks: (R, H, W) whole instances, 0 or 1.
        mask_thr: probability above which a pixel is foreground, in (0, 1), as in YOLACT's test.

    Returns:
        (R,) float32 IoUs in [0, 1]; 0 if both masks are empty.
    """
    predicted, whole = (masks > mask_thr).flatten(1), gt_masks.flatten(1) > 0
    overlap = (predicted & whole).sum(dim=1)
    union = (predicted | whole).sum(dim=1)
    return overlap / union.clamp(min=1)


def _binarised_cells(mask_logits: Tensor, mask_thr: float) -> Tensor:
    """Turns (R, M, M) logits into (R, K, K) cells, 1.0 where the centre is foreground.

    A ring of zeros makes the interpolation that of the pasted mask, which falls to zero from the
    outermost cell centres outward.
    """
    # in float32: fp16 rounds the probabilities of all logits above 11 to 1
    probabilities = F.pad(mask_logits.float().sigmoid(), (1, 1, 1, 1))
    fine = F.interpolate(
        probabilities[:, None], scale_factor=_SUBCELLS, mode="bilinear", align_corners=False
    )
    ring = _SUBCELLS
    return (fine[:, 0, ring:-ring, ring:-ring] >= mask_thr).double()


def _cell_edges(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Divides (R,) intervals into (R, cells + 1) edges; an inverted interval becomes empty."""
    steps = torch.linspace(0, 1, cells + 1, dtype=low.dtype, device=low.device)
    return low[:, None] + (high - low).clamp(min=0)[:, None] * steps
