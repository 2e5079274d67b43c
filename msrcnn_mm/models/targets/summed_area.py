"""Summed-area tables of instance masks, which give the area of an instance in any box.

The table of a mask holds, at each pixel corner, the mask's area above and to the left (Crow,
SIGGRAPH 1984). An instance's table covers the instance's tight box only. The tables of a batch are
concatenated in one flat tensor, whose size depends on the instances, not on the images.

Shape shorthand: G instances of all images of the batch; L entries of all tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from torch import Tensor

from .instance_crops import instance_crops, to_device


@dataclass(frozen=True)
class SummedAreaTables:
    """The tables of a batch's instances, image by image, all tensors on one device.

    Attributes:
        values: (L,) int32, the tables of all instances, each row by row, and zeros beyond them.
        starts: (G,) float64, index of each table's first entry in ``values``.
        tops: (G,) float64, image row of each tight box's first row.
        lefts: (G,) float64, image column of each tight box's first column.
        heights: (G,) float64, rows of each tight box; 0 for an empty mask.
        widths: (G,) float64, columns of each tight box; 0 for an empty mask.
        areas: (G,) float64, pixels of each instance.
        images: (G,) float64, index of each instance's image.
        image_heights: (G,) float64, height of each instance's image in pixels.
        image_widths: (G,) float64, likewise its width.
    """

    values: Tensor
    starts: Tensor
    tops: Tensor
    lefts: Tensor
    heights: Tensor
    widths: Tensor
    areas: Tensor
    images: Tensor
    image_heights: Tensor
    image_widths: Tensor

    @classmethod
    def from_masks(
        cls, masks: Sequence[BitmapMasks | PolygonMasks], device: torch.device
    ) -> "SummedAreaTables":
        """Builds the tables of MMDetection's ground-truth masks, which are on the CPU.

        Polygons are filled as by pycocotools, so polygons and bitmaps of the same annotation have
        the same areas.

        Args:
            masks: the instances of each image.
            device: device of the tables, copied to without synchronisation.
        """
        crops = [crop for of_image in masks for crop in instance_crops(of_image)]
        shapes = np.array([crop.bitmap.shape for crop in crops], np.int64).reshape(-1, 2)
        ends = np.cumsum((shapes + 1).prod(axis=1))
        firsts = ends - (shapes + 1).prod(axis=1)
        # a read at the end of a table goes on to its next row, with weight 0
        values = np.zeros(shapes[:, 1].max(initial=0) + 2 + ends.max(initial=0), np.int32)
        for crop, first, end in zip(crops, firsts, ends, strict=True):
            if crop.bitmap.size:
                table = values[first:end].reshape(crop.bitmap.shape[0] + 1, -1)
                cv2.integral((crop.bitmap != 0).view(np.uint8), table, cv2.CV_32S)
        corners = np.array([(crop.top, crop.left) for crop in crops], np.int64).reshape(-1, 2)
        images = [(i, m.height, m.width) for i, m in enumerate(masks) for _ in range(len(m))]
        columns = np.column_stack(
            (firsts, corners, shapes, values[ends - 1], np.array(images).reshape(-1, 3))
        )
        columns = np.ascontiguousarray(columns.T, np.float64)
        return cls(to_device(values, device), *to_device(columns, device))

    def area_above_left(self, inds: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
        """Computes the area of an instance above and to the left of a point.

        The area in a box is a sum over its corners, and so is that under any mask of cells.

        Args:
            inds: index of each point's instance, in [0, G).
            ys: ordinates of the points in pixels, at any sub-pixel position.
            xs: abscissas of the points in pixels. All three have shapes that broadcast.

        Returns:
            float64 areas in square pixels, exact up to rounding, of the broadcast shape.
        """
        # outside the tight box the area is that at its border
        ys = torch.minimum((ys - read(self.tops, inds)).clamp(min=0), read(self.heights, inds))
        xs = torch.minimum((xs - read(self.lefts, inds)).clamp(min=0), read(self.widths, inds))
        row, column = ys.floor(), xs.floor()
        row_length = read(self.widths, inds) + 1
        upper = read(self.starts, inds) + row * row_length + column
        lower = upper + row_length
        above, below = (
            torch.lerp(self._entries(left), self._entries(left + 1), xs - column)
            for left in (upper, lower)
        )
        return torch.lerp(above, below, ys - row)

    def _entries(self, positions: Tensor) -> Tensor:
        return read(self.values, positions.long()).double()


def read(values: Tensor, indices: Tensor) -> Tensor:
    """Returns ``values[indices]`` of a flat tensor, on a CPU three times as fast as by indexing."""
    return values.index_select(0, indices.flatten()).view(indices.shape)
