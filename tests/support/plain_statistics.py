"""Computes statistics of mask probabilities by a plain loop over the cells of one box."""

import numpy as np
import pytest
import torch

from msrcnn_mm.models.scorers.mask_statistics import NAMES


def plain(p: np.ndarray, foreground: np.ndarray) -> dict[str, float]:
    """Computes the statistics of the (h, w) probabilities of one box."""
    p = p.astype(float)
    total = entropy = on = rest = rim = 0.0
    rim_cells = 0
    height, width = p.shape
    for y in range(height):
        for x in range(width):
            v = p[y, x]
            total += v
            entropy -= sum(q * np.log(q) for q in (v, 1 - v) if q > 0)
            if foreground[y, x]:
                on += v
            else:
                rest += v
            if y in (0, height - 1) or x in (0, width - 1):
                rim += v
                rim_cells += 1
    area = foreground.sum()

    def over(a: float, b: float) -> float:
        return a / b if b else 0.0

    return {
        "background_mean": over(rest, p.size - area),
        "uncertain_share": over(((p > 0.2) & (p < 0.8)).sum(), p.size),
        "stability": over((p >= 0.7).sum(), (p >= 0.3).sum()),
        "wide_stability": over((p >= 0.9).sum(), (p >= 0.1).sum()),
        "maximum": p.max() if p.size else 0.0,
        "entropy": over(entropy, p.size),
        "foreground_entropy": over(entropy, area),
        "soft_iou": over(on, area + rest),
        "rim_mean": over(rim, rim_cells),
    }


def compare(found: torch.Tensor, p: np.ndarray, foreground: np.ndarray) -> None:
    expected = plain(p, foreground)
    assert set(NAMES) == set(expected)
    for name, value in zip(NAMES, found.tolist(), strict=True):
        assert value == pytest.approx(expected[name], abs=1e-5), name
