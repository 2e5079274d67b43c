"""Summed-area tables of instance masks, which give the area of an instance in any box.

The table of a mask holds, at each pixel corner, the mask's area above and to the left (Crow,
SIGGRAPH 1984). An instance's table covers the instance's tight box only. The tables of an image are
concatenated in one flat tensor, whose size depends on the instances, not on the image.

Shape shorthand: G instances of one image; L entries of all tables; R queries; A x B cells a query.
"""

from dataclasses import dataclass

import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from pycocotools import mask as coco_mask
from torch import Tensor


@dataclass(frozen=True)
class SummedAreaTables:
    """The tables of one image's instances, all tensors on one device.

    Attributes:
        values: (L,) int32, the tables of all instances, each row by row.
        starts: (G,) int64, index of each table's first entry in ``values``.
        tops: (G,) int64, image row of each tight box's first row.
        lefts: (G,) int64, image column of each tight box's first column.
        heights: (G,) int64, rows of each tight box; 0 for an empty mask.
        widths: (G,) int64, columns of each tight box; 0 for an empty mask.
        areas: (G,) float64, pixels of each instance.
        image_shape: height and width of the image in pixels.
    """

    values: Tensor
    starts: Tensor
    tops: Tensor
    lefts: Tensor
    heights: Tensor
    widths: Tensor
    areas: Tensor
    image_shape: tuple[int, int]

    @classmethod
    def from_masks(
        cls, masks: BitmapMasks | PolygonMasks, device: torch.device
    ) -> "SummedAreaTables":
        """Builds the tables of MMDetection's ground-truth masks, which are on the CPU.

        Polygons are filled as by pycocotools, so polygons and bitmaps of the same annotation have
        the same areas.

        Args:
            masks: G instances.
            device: device of the tables, copied to without synchronisation.
        """
        crops = [_tight_crop(masks, g) for g in range(len(masks))]
        tables = [_table(crop).ravel() for crop, _, _ in crops]
        sizes = [table.size for table in tables]

        def on_device(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.int64).to(device, non_blocking=True)

        values = np.concatenate(tables) if tables else np.zeros(0, np.int32)
        areas = torch.tensor([int(table[-1]) for table in tables], dtype=torch.float64)
        return cls(
            values=torch.from_numpy(values).to(device, non_blocking=True),
            starts=on_device([0, *np.cumsum(sizes)[:-1].tolist()] if sizes else []),
            tops=on_device([top for _, top, _ in crops]),
            lefts=on_device([left for _, _, left in crops]),
            heights=on_device([crop.shape[0] for crop, _, _ in crops]),
            widths=on_device([crop.shape[1] for crop, _, _ in crops]),
            areas=areas.to(device, non_blocking=True),
            image_shape=(masks.height, masks.width),
        )

    def area_in_cells(self, inds: Tensor, y_edges: Tensor, x_edges: Tensor) -> Tensor:
        """Computes the area of an instance in each cell of a grid.

        Args:
            inds: (R,) index of each query's instance, in [0, G).
            y_edges: (R, A + 1) ascending cell edges in pixels, at any sub-pixel position.
            x_edges: (R, B + 1) the same along x.

        Returns:
            (R, A, B) float64 areas in square pixels, exact up to rounding.
        """
        y_low, y_high, y_part = _neighbours(y_edges - self.tops[inds, None], self.heights[inds])
        x_low, x_high, x_part = _neighbours(x_edges - self.lefts[inds, None], self.widths[inds])
        row_length = self.widths[inds, None] + 1
        start = self.starts[inds, None]
        # along the rows above and below every edge, then between these rows
        rows = torch.stack((start + y_low * row_length, start + y_high * row_length), dim=1)
        left = self._read(rows[..., None] + x_low[:, None, None])
        right = self._read(rows[..., None] + x_high[:, None, None])
        strips = torch.lerp(left, right, x_part[:, None, None]).diff(dim=3)
        return torch.lerp(strips[:, 0], strips[:, 1], y_part[:, :, None]).diff(dim=1)

    def _read(self, positions: Tensor) -> Tensor:
        return self.values.take(positions).double()


def _neighbours(position: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the table indices below and above each position, and its fraction between them.

    Positions outside the table are clamped to its border, beyond which the integral is constant.
    """
    position = torch.minimum(position.double().clamp(min=0), length[:, None].double())
    low = position.floor()
    high = torch.minimum(low + 1, length[:, None].double())
    return low.long(), high.long(), position - low


def _table(crop: np.ndarray) -> np.ndarray:
    """Computes the (h + 1, w + 1) int32 table of an (h, w) bitmap."""
    table = np.zeros((crop.shape[0] + 1, crop.shape[1] + 1), np.int32)
    np.cumsum(crop, axis=0, dtype=np.int32, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    return table


def _tight_crop(masks: BitmapMasks | PolygonMasks, index: int) -> tuple[np.ndarray, int, int]:
    """Returns the bitmap of an instance's tight box, and the box's top and left in the image."""
    if isinstance(masks, PolygonMasks):
        bitmap = _filled(masks.masks[index], masks.height, masks.width)
    else:
        bitmap = masks.masks[index]
    rows = np.flatnonzero(bitmap.any(axis=1))
    if rows.size == 0:
        return np.zeros((0, 0), bool), 0, 0
    band = bitmap[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(band.any(axis=0))
    return band[:, columns[0] : columns[-1] + 1] != 0, int(rows[0]), int(columns[0])


def _filled(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Fills polygons on a canvas that ends just beyond them, instead of at the image's corner.

    The canvas starts at the image's origin: pycocotools rounds points to fifths of a pixel, and
    moved points that lie halfway, as tenths do, could round the other way.
    """
    if not polygons:
        return np.zeros((0, 0), np.uint8)
    points = np.concatenate([np.asarray(p, np.float64).reshape(-1, 2) for p in polygons])
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 2, 0, (width, height))
    if right == 0 or bottom == 0:
        return np.zeros((0, 0), np.uint8)
    rles = coco_mask.frPyObjects([p.tolist() for p in polygons], int(bottom), int(right))
    return coco_mask.decode(coco_mask.merge(rles))
