"""Mask IoU targets: the IoU of each predicted mask with the whole instance it is assigned to.

Mask Scoring R-CNN, section 3.2: the target of the MaskIoU head is the IoU between the binarised
predicted mask of the target class and the *whole* ground-truth instance. Ground truth outside the
box counts in the union.

Shape shorthand:
    R: RoIs over all images of the batch
    G: ground-truth instances of all images
    M: side of the predicted masks (28)
    K: cells along a side of the grid that areas are summed over, ``_SUBCELLS * M``
    H, W: height and width of the image in pixels

Method: a predicted mask is resized to its box as at test (bilinear in probability, zero outside),
but sampled on a K x K grid over the box instead of at pixel centres. An area under the mask is a
sum over the corners of the mask's outline of the area above and to the left of each, with the
corner's sign. The instance's is read from its summed-area table by bilinear interpolation. A bitmap
is constant over a pixel, so its integral is bilinear within the pixel and the area is exact at
sub-pixel positions. The remaining error is the sampling of the mask's outline.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from torch import Tensor

from .summed_area import SummedAreaTables, read

# Cells of the area grid per cell of the predicted mask, along a side. The paper's code has 1; 2
# halves the error, larger values gain little.
_SUBCELLS = 2

ROUNDING = 1e-6
"""Square pixels up to which an area may be the rounding of a sum that is zero."""


@torch.no_grad()
def mask_iou_targets(
    mask_logits: Tensor,
    boxes: Tensor,
    gt_inds: Tensor,
    gt_tables: SummedAreaTables,
    mask_thr: float = 0.5,
    crowds: Tensor | None = None,
) -> Tensor:
    """Computes the IoU of each binarised predicted mask with its whole ground-truth instance.

    Runs on the device of ``boxes`` without synchronising with it. Area outside the image is not
    counted, since masks are pasted into the image.

    Args:
        mask_logits: (R, M, M) logits of the target class, any float type.
        boxes: (R, 4) boxes of the masks as x1, y1, x2, y2 in pixels, also outside the image.
        gt_inds: (R,) index of the instance that each mask is assigned to, in [0, G).
        gt_tables: summed-area tables of the instances.
        mask_thr: probability from which a pixel is foreground, in (0, 1).
        crowds: (G,) bool, which instances are crowd regions. With one, the result is the share of
            the predicted mask that lies in it. By default none is.

    Returns:
        (R,) float32 IoUs in [0, 1]; 0 if the box or the predicted mask is empty.
    """
    if boxes.size(0) == 0:
        return boxes.new_zeros((0,), dtype=torch.float32)
    boxes = boxes.double()
    signs = _outline_signs(mask_logits, mask_thr)
    corners = _outline_corners if signs.device.type == "cpu" else _all_corners
    weights, rows, columns, rois = corners(signs)
    cells = signs.size(0) - 1
    heights, widths = gt_tables.image_heights[gt_inds], gt_tables.image_widths[gt_inds]
    ys = read(_cell_edges(boxes[:, 1], boxes[:, 3], cells, heights).flatten(), rows)
    xs = read(_cell_edges(boxes[:, 0], boxes[:, 2], cells, widths).flatten(), columns)

    def under_mask(above_left: Tensor) -> Tensor:
        parts = (weights * above_left).flatten()
        return parts.new_zeros(len(boxes)).index_add_(0, rois.expand_as(weights).flatten(), parts)

    predicted = under_mask(ys * xs)
    overlap = under_mask(gt_tables.area_above_left(read(gt_inds, rois), ys, xs))
    union = predicted + gt_tables.areas[gt_inds] - overlap
    if crowds is not None:
        union = torch.where(crowds[gt_inds], predicted, union)
    iou = torch.where(overlap > ROUNDING, overlap / union, torch.zeros_like(union))
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


def _outline_signs(mask_logits: Tensor, mask_thr: float) -> Tensor:
    """Binarises (R, M, M) logits on K x K cells and returns the signs of the cells' corners.

    The sum of an area above and to the left of the corners, times these signs, is the area under
    the mask. Signs are 0 except at the corners of the mask's outline.

    Returns:
        (K + 1, K + 1, R) int8 in [-2, 2].
    """
    # in float32: fp16 rounds the probabilities of all logits above 11 to 1. A ring of zeros makes
    # the interpolation that of the pasted mask, which falls to zero from the outermost cell centres
    # outward. With the RoIs last in memory, torch interpolates 30 times as fast.
    probabilities = F.pad(mask_logits.float().sigmoid(), (1, 1, 1, 1))[None]
    fine = F.interpolate(
        probabilities.contiguous(memory_format=torch.channels_last),
        scale_factor=_SUBCELLS,
        mode="bilinear",
        align_corners=False,
    )[0].permute(1, 2, 0)
    ring = _SUBCELLS
    inside = fine[ring:-ring, ring:-ring].ge_(mask_thr).to(torch.int8)
    return F.pad(inside, (0, 0, 1, 1, 1, 1)).diff(dim=0).diff(dim=1)


def _all_corners(signs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns signs and indices of all corners.

    Returns:
        float64 signs, and the corners' indices in the (K + 1, R) edges along y, in those along x,
        and in the RoIs. The indices broadcast to the shape of the signs.
    """
    side, _, count = signs.shape
    edges = torch.arange(side * count, device=signs.device).view(side, count)
    return signs.double(), edges[:, None], edges[None], edges[0]


def _outline_corners(signs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns those of :func:`_all_corners` that have a sign, a few percent.

    On a GPU this would synchronise with it.
    """
    side, _, count = signs.shape
    flat = np.flatnonzero(signs.numpy() != 0)
    rois = flat % count
    rows, columns = flat // (side * count) * count + rois, flat % (side * count)
    some = torch.from_numpy(signs.numpy().ravel()[flat]).double()
    return some, torch.from_numpy(rows), torch.from_numpy(columns), torch.from_numpy(rois)


def _cell_edges(low: Tensor, high: Tensor, cells: int, end: Tensor) -> Tensor:
    """Divides (R,) intervals into (cells + 1, R) edges, moved into [0, end].

    An inverted interval becomes empty.
    """
    steps = torch.linspace(0, 1, cells + 1, dtype=low.dtype, device=low.device)
    edges = low + (high - low).clamp(min=0) * steps[:, None]
    return torch.minimum(edges.clamp(min=0), end)
