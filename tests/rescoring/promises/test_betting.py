"""Tests the p-values against a loop over images and by images of the hypothesis."""

import numpy as np
import pytest

from msrcnn_mm.rescoring.promises.betting import STAKES, WEIGHTS, p_values


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 1.0])
def test_equals_a_loop_over_images(share: float) -> None:
    rng = np.random.default_rng(3)
    masks = rng.integers(0, 6, (40, 7)).astype(float)
    losses = masks * (rng.random((40, 7)) < 0.1)
    most = np.array([0, 1, 3, 4, 5, 6, 9.0])
    expected = []
    for t in range(7):
        money, best = dict.fromkeys(STAKES, 1.0), 1.0
        for a, x in zip(masks[:, t], losses[:, t], strict=True):
            if 0 < most[t] >= a and share < 1:
                for stake in STAKES:
                    money[stake] *= 1 + stake * (share * a - x) / ((1 - share) * most[t])
            best = max(best, WEIGHTS @ list(money.values()))
        expected.append(0 if share == 1 else 1 / best)
    np.testing.assert_allclose(p_values(masks, losses, share, most), expected, rtol=1e-12)


@pytest.mark.parametrize("dependent", [False, True])
def test_a_true_hypothesis_is_rarely_rejected(dependent: bool) -> None:
    rng = np.random.default_rng(4)
    splits, images, share = 4000, 80, 0.3
    masks = rng.integers(0, 5, (images, splits)).astype(float)
    chance = rng.random((images, splits)) < share if dependent else share
    losses = masks * chance if dependent else rng.binomial(masks.astype(int), share)
    p = p_values(masks, losses, share, np.full(splits, 4.0))
    error = 2 * np.sqrt(0.05 * 0.95 / splits)
    assert 0.005 < (p <= 0.05).mean() <= 0.05 + error
    better = p_values(masks, losses / 4, share, np.full(splits, 4.0))
    assert (better <= 0.05).mean() > 0.5


def test_a_flawless_image_of_one_mask_is_worth_what_it_rules_out() -> None:
    """59 images of one right mask each show 95% with 95% confidence, 58 do not: 0.95^59 < 0.05.

    The mixture of stakes needs a few more.
    """
    masks = np.ones((70, 1))
    p = [float(p_values(masks[:n], 0 * masks[:n], 0.05, np.ones(1))[0]) for n in range(1, 71)]
    assert p[57] > 0.05 and p[69] <= 0.05
    assert all(p_n >= 0.95 ** (n + 1) for n, p_n in enumerate(p))
