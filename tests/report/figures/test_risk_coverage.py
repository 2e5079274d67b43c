"""Tests the risk-coverage curve against a loop over thresholds."""

import numpy as np
import pytest

from msrcnn_mm.report.figures.risk_coverage import risk_coverage


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_loop_over_thresholds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 8, 40) / 8  # ties are common
    ious = rng.random(40)
    scores[rng.integers(40)] = np.nan
    ious[rng.integers(40)] = np.nan
    curve = risk_coverage(scores, ious)
    known = ~np.isnan(scores) & ~np.isnan(ious)
    expected = []
    for threshold in sorted(set(scores[known]), reverse=True):
        kept = known & (scores >= threshold)
        expected.append((kept.sum() / known.sum(), ious[kept].mean()))
    found = np.column_stack([curve.coverage, curve.mean_iou])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_many_masks_make_a_short_curve_with_both_ends() -> None:
    scores = np.random.default_rng(0).random(5000)
    curve = risk_coverage(scores, scores)
    assert len(curve.coverage) == 400
    assert curve.coverage[0] == 1 / 5000 and curve.coverage[-1] == 1
    assert curve.mean_iou[0] == scores.max()
    assert curve.mean_iou[-1] == pytest.approx(scores.mean())


def test_no_mask_no_point() -> None:
    assert len(risk_coverage(np.zeros(0), np.zeros(0)).coverage) == 0
    assert len(risk_coverage(np.array([0.5]), np.array([np.nan])).mean_iou) == 0
