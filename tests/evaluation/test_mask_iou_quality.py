"""Errors and correlations of s_iou against plain loops and SciPy's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from msrcnn_mm.evaluation.correlation import mask_iou_quality


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_equals_plain_computations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said, true = rng.random(30).round(1), rng.random(30)  # ties are common
    quality = mask_iou_quality(said, true)
    kept = [(s, t) for s, t in zip(said, true, strict=True) if t >= 0.1]
    s, t = np.array(kept).T
    assert quality.masks == len(kept)
    assert quality.mean_absolute_error == pytest.approx(
        sum(abs(a - b) for a, b in kept) / len(kept)
    )
    assert quality.bias == pytest.approx(sum(a - b for a, b in kept) / len(kept))
    assert quality.pearson == pytest.approx(pearsonr(s, t).statistic)
    assert quality.spearman == pytest.approx(spearmanr(s, t).statistic)
    good, bad = s[t > 0.75], s[t <= 0.75]
    wins = [1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad]
    assert quality.auroc == (pytest.approx(np.mean(wins)) if wins else None)


def test_masks_of_nothing_and_masks_without_s_iou_are_left_out() -> None:
    said = np.array([0.9, 0.8, np.nan, 0.2])
    quality = mask_iou_quality(said, np.array([0.0, 0.6, 0.5, 0.1]))
    assert quality.masks == 2
    assert quality.mean_absolute_error == pytest.approx((0.2 + 0.1) / 2)
    assert quality.bias == pytest.approx(0.15)


def test_what_does_not_vary_has_no_correlation() -> None:
    quality = mask_iou_quality(np.full(3, 0.5), np.array([0.2, 0.4, 0.6]))
    assert quality.pearson is quality.spearman is quality.auroc is None
    nothing = mask_iou_quality(np.zeros(0), np.zeros(0))
    assert (nothing.masks, nothing.mean_absolute_error, nothing.bias) == (0, None, None)
