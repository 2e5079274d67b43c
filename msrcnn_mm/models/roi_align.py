"""RoIAlign on a CPU as weighted sums of feature vectors (Mask R-CNN, section 3).

mmcv's operator walks through each channel on one core. Here each bin's value is a weighted sum of a
few rows of a table that has one feature vector for each position, which ``embedding_bag`` of torch
computes, with its gradient. Values are those of mmcv's operator up to rounding.

Shape shorthand: R RoIs, C channels, H x W positions of N images, P bins along a side, S samples of
a bin, K positions that a bin's samples touch along a side, L lookups over all bins.
"""

import mmcv.ops
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from torch import Tensor

_AT_ONCE = 2**22  # lookups whose indices and weights, 12 bytes each, are in memory at once


class RoIAlign(mmcv.ops.RoIAlign):
    """Replaces mmcv's class on a CPU; elsewhere, and for the maximum over samples, it is that."""

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pools the features of RoIs.

        Args:
            input: (N, C, H, W) feature maps.
            rois: (R, 5) number of the image and x1, y1, x2, y2 in pixels of the network's input.

        Returns:
            (R, C, *output_size).
        """
        if input.device.type != "cpu" or self.pool_mode != "avg" or self.use_torchvision:
            return super().forward(input.contiguous(), rois)  # mmcv does not look at strides
        return pooled_by_lookups(
            input, rois, self.spatial_scale, self.output_size, self.sampling_ratio, self.aligned
        )


def pooled_by_lookups(
    features: Tensor,
    rois: Tensor,
    scale: float,
    output_size: tuple[int, int],
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Pools the features of RoIs; only the features have a gradient, as in mmcv.

    Args:
        features: (N, C, H, W), float32 or float64.
        rois: (R, 5) number of the image and x1, y1, x2, y2 in pixels of the network's input; a
            coordinate that is not finite counts as 0.
        scale: Positions a pixel.
        output_size: Bins along y and x.
        sampling_ratio: Samples of a bin along a side; 0 for as many as the bin has positions.
        aligned: Whether positions are at the centres of cells, so that boxes move by half a cell.

    Returns:
        (R, C, *output_size).
    """
    images, channels, height, width = features.shape
    tall, wide = output_size
    if not len(rois):
        return features.new_zeros(0, channels, tall, wide)
    table = features.permute(0, 2, 3, 1).reshape(images * height * width, channels)
    with torch.no_grad():
        corners = rois[:, 1:].nan_to_num(0, 0, 0) * scale - (0.5 if aligned else 0.0)
        rows, row_weights = _touched(corners[:, 1::2], height, tall, sampling_ratio, aligned)
        columns, column_weights = _touched(corners[:, ::2], width, wide, sampling_ratio, aligned)
        rows = rows + rois[:, :1, None].long() * height
        some = max(1, _AT_ONCE // (rows[0].numel() * columns[0].numel()))  # RoIs at once
        axes = [t.split(some) for t in (rows, row_weights, columns, column_weights)]
    pooled = [_sums(table, width, *parts) for parts in zip(*axes, strict=True)]
    return torch.cat(pooled).view(-1, tall, wide, channels).permute(0, 3, 1, 2)


def _sums(
    table: Tensor,
    width: int,
    rows: Tensor,
    row_weights: Tensor,
    columns: Tensor,
    column_weights: Tensor,
) -> Tensor:
    """Returns the (R * P * P, C) sums of rows of a table, given each axis's positions."""
    with torch.no_grad():
        weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]
        places = (rows * width)[:, :, None, :, None] + columns[:, None, :, None, :]
        used = weights != 0
        counts = used.flatten(3).sum(dim=3).flatten()
        starts = counts.cumsum(0) - counts
        places, weights = places[used], weights[used]
    return F.embedding_bag(places, table, starts, mode="sum", per_sample_weights=weights)


def _touched(
    ends: Tensor, length: int, bins: int, sampling_ratio: int, aligned: bool
) -> tuple[Tensor, Tensor]:
    """Returns the positions that the samples of each bin touch along one axis, and their weights.

    Samples more than a cell outside the map count as 0, others are moved into it.

    Args:
        ends: (R, 2), first and last coordinate of each RoI, in positions.
        length: H or W.
        bins: P.
        sampling_ratio: As in :func:`pooled_by_lookups`.
        aligned: Likewise; a RoI that is not aligned is at least a position wide.

    Returns:
        (R, P, K) int64 positions, and their (R, P, K) weights.
    """
    low, size = ends[:, :1], ends[:, 1:] - ends[:, :1]
    if not aligned:
        size = size.clamp(min=1)
    size = size / bins
    counts = torch.full_like(size, sampling_ratio)
    most = sampling_ratio
    if sampling_ratio <= 0:
        counts = size.ceil().clamp(min=0)
        most = int(counts.max().clamp(1, 2 * length + 5))  # on the map: steps are longer than 1/2
    starts = low + torch.arange(bins, dtype=ends.dtype) * size
    steps = (size / counts.clamp(min=1)).clamp(min=0.5)
    before = ((-1 - starts) / steps - 1).floor().clamp(min=0)  # samples left of the map
    sample = before[..., None] + torch.arange(most, dtype=ends.dtype)
    at = starts[..., None] + (sample + 0.5) * size[..., None] / counts[..., None].clamp(min=1)
    counted = (sample < counts[..., None]) & (at >= -1) & (at <= length)
    at = torch.where(counted, at, at[..., :1]).clamp(0, length - 1)
    first = at.amin(dim=-1).floor()
    span = int((at.amax(dim=-1) - first).max()) + 2
    touched = first[..., None] + torch.arange(span, dtype=ends.dtype)
    near = (1 - (at[..., None, :] - touched[..., None]).abs()).clamp(min=0)
    weights = (near * counted[..., None, :]).sum(dim=-1) / counts[..., None].clamp(min=1)
    return touched.clamp(max=length - 1).long(), weights
