"""Tests the outlines of masks against a plain loop over pairs of cells."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from msrcnn_mm.models.scorers.mask_outline import OUTLINE, mask_outline

PROBABILITIES = st.floats(0, 1, width=32) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def plain(p: np.ndarray) -> list[float]:
    """Computes the numbers of one (M, M) map."""
    side = len(p)
    edges, falls = 0, 0.0
    steps: list[float] = []
    for y in range(side):
        for x in range(side):
            for other in ((y + 1, x), (y, x + 1)):
                if max(other) == side:
                    continue
                step = abs(float(p[y, x]) - float(p[other]))
                steps.append(step)
                if (p[y, x] >= 0.5) != (p[other] >= 0.5):
                    edges += 1
                    falls += step
    area = sum(value >= 0.5 for value in p.flat)
    of_direction = side * (side - 1)
    return [
        falls / edges if edges else 0.0,
        edges / max(area, 1) ** 0.5,
        area / side**2,
        sum(steps) / of_direction,
        sum(step**2 for step in steps) / of_direction,
    ]


@given(
    st.integers(2, 6).flatmap(
        lambda side: arrays(np.float32, (3, side, side), elements=PROBABILITIES)
    )
)
@settings(max_examples=60, deadline=None)
def test_a_plain_loop_agrees(maps: np.ndarray) -> None:
    found = mask_outline(torch.from_numpy(maps))
    assert found.shape == (3, OUTLINE)
    for one, p in zip(found.tolist(), maps, strict=True):
        assert one == pytest.approx(plain(p), abs=1e-5)


def test_empty_full_and_square_masks() -> None:
    maps = torch.zeros(3, 28, 28)
    maps[1] = 1
    maps[2, 4:14, 4:14] = 1
    empty, full, square = mask_outline(maps).tolist()
    assert empty == [0, 0, 0, 0, 0]
    assert full == [0, 0, 1, 0, 0]
    means = pytest.approx(40 / (28 * 27))
    assert square == [1, 4, pytest.approx(100 / 28**2), means, means]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    maps = torch.rand(4, 28, 28, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = mask_outline(maps)
    assert found.dtype == torch.float32
    assert torch.equal(found, mask_outline(maps.float()))


def test_no_masks() -> None:
    assert mask_outline(torch.zeros(0, 28, 28)).shape == (0, OUTLINE)
