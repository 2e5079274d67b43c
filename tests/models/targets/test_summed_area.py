"""Tests of areas in cells against sums over pixels, and of polygons against pycocotools."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from msrcnn_mm.models.targets.summed_area import SummedAreaTables

CPU = torch.device("cpu")


def area_in_cells(
    tables: SummedAreaTables, inds: torch.Tensor, y_edges: torch.Tensor, x_edges: torch.Tensor
) -> torch.Tensor:
    """Computes the area of an instance in each cell of a grid, by the areas at its corners."""
    corners = tables.area_above_left(inds[:, None, None], y_edges[:, :, None], x_edges[:, None])
    return corners.diff(dim=1).diff(dim=2)


def area_by_overlap(mask: np.ndarray, y_edges: np.ndarray, x_edges: np.ndarray) -> np.ndarray:
    """Sums value x overlap in y x overlap in x over all pixels, by definition."""

    def overlaps(edges: np.ndarray, count: int) -> np.ndarray:
        pixels = np.arange(count)
        low = np.maximum(edges[:-1, None], pixels[None])
        high = np.minimum(edges[1:, None], pixels[None] + 1)
        return np.clip(high - low, 0, None)

    return overlaps(y_edges, mask.shape[0]) @ mask @ overlaps(x_edges, mask.shape[1]).T


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    low=st.floats(-30, 40),
    size=st.floats(0, 80),
    density=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
)
def test_exact_at_sub_pixel_positions(seed: int, low: float, size: float, density: float) -> None:
    rng = np.random.default_rng(seed)
    masks = (rng.random((3, 17, 23)) < density).astype(np.uint8)
    tables = SummedAreaTables.from_masks([BitmapMasks(masks, 17, 23)], CPU)
    y_edges = np.sort(low + size * rng.random(6))
    x_edges = np.sort(low + size * rng.random(9))
    inds = torch.tensor([2, 0, 1])
    areas = area_in_cells(
        tables,
        inds,
        torch.from_numpy(y_edges).expand(3, -1),
        torch.from_numpy(x_edges).expand(3, -1),
    )
    for query, g in enumerate(inds.tolist()):
        expected = area_by_overlap(masks[g].astype(float), y_edges, x_edges)
        np.testing.assert_allclose(areas[query].numpy(), expected, atol=1e-9)
    assert tables.areas.tolist() == masks.sum(axis=(1, 2)).tolist()


@settings(max_examples=200, deadline=None)
@given(
    points=st.lists(
        # tenths of a pixel, as in COCO: every other one lies halfway between lattice points
        st.lists(st.integers(-150, 600), min_size=6, max_size=14).map(
            lambda tenths: np.array(tenths[: len(tenths) // 2 * 2]) / 10
        ),
        min_size=1,
        max_size=3,
    )
)
def test_polygons_fill_the_pixels_that_pycocotools_fills(points: list[np.ndarray]) -> None:
    masks = PolygonMasks([points], 40, 50)
    tables = SummedAreaTables.from_masks([masks], CPU)
    edges = torch.arange(41.0)[None], torch.arange(51.0)[None]
    pixels = area_in_cells(tables, torch.tensor([0]), *edges)[0]
    np.testing.assert_array_equal(pixels.numpy(), masks.to_ndarray()[0])


def test_memory_follows_the_instance_not_the_image() -> None:
    masks = np.zeros((50, 1000, 1000), np.uint8)
    masks[:, 500:504, 300:308] = 1
    tables = SummedAreaTables.from_masks([BitmapMasks(masks, 1000, 1000)], CPU)
    assert tables.values.numel() == 50 * 5 * 9 + 8 + 2  # one row and an entry to read beyond


@pytest.mark.parametrize("masks", [BitmapMasks(np.zeros((0, 8, 9)), 8, 9), PolygonMasks([], 8, 9)])
def test_no_instances(masks: BitmapMasks | PolygonMasks) -> None:
    tables = SummedAreaTables.from_masks([masks], CPU)
    assert tables.areas.shape == (0,)
