"""Tests of the three calibrators against grids, plain code and known optima."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import expit, logit

from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibrators.exponents import Exponents
from msrcnn_mm.rescoring.calibrators.isotonic import Isotonic
from msrcnn_mm.rescoring.calibrators.temperature import Temperature


def cross_entropy(predicted: np.ndarray, targets: np.ndarray) -> float:
    p = np.clip(predicted, 1e-7, 1 - 1e-7)
    return float(-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean())


def sample(seed: int, factors: int = 2, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Returns factors of scores, and IoUs roughly equal to their product, a third of them 0."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.02, 0.98, (factors, count))
    ious = np.clip(values.prod(axis=0) + rng.normal(0, 0.2, count), 0, 1)
    return values, ious * (rng.random(count) < 0.67)


def least_on(grid: np.ndarray, loss: Callable[[Any], float]) -> float:
    return min(loss(point) for point in grid)


@pytest.mark.parametrize("seed", range(4))
def test_no_exponents_on_a_grid_are_better(seed: int) -> None:
    factors, ious = sample(seed)
    a, b = np.meshgrid(np.linspace(0, 4, 81), np.linspace(0, 4, 81))

    def loss(exponents: np.ndarray) -> float:
        return cross_entropy(np.prod(factors ** exponents[:, None], axis=0), ious)

    found = Exponents.fit(factors, ious)
    ours = cross_entropy(found.apply(factors), ious)
    best = least_on(np.stack([a.ravel(), b.ravel()], axis=1), loss)
    assert best - 2e-3 < ours <= best + 1e-9


def test_exponents_that_made_the_ious_are_found() -> None:
    factors, _ = sample(0)
    ious = factors[0] ** 1.4 * factors[1] ** 0.3
    found = Exponents.fit(factors, ious)
    assert found.exponents == pytest.approx([1.4, 0.3], abs=1e-4)
    np.testing.assert_allclose(found.apply(factors), ious, atol=1e-4)


def test_exponents_of_another_ratio_rank_otherwise() -> None:
    factors = np.array([[0.9, 0.6], [0.5, 0.7]])
    assert np.argmax(Exponents([1.0, 1.0]).apply(factors)) == 0
    assert np.argmax(Exponents([0.5, 1.0]).apply(factors)) == 1
    assert np.argmax(Exponents([2.0, 2.0]).apply(factors)) == 0


def test_exponents_need_as_many_factors() -> None:
    with pytest.raises(UserError, match="2 exponents, but the score has 1 factors"):
        Exponents([1.0, 1.0]).apply(np.ones((1, 3)))


@pytest.mark.parametrize("seed", range(4))
def test_no_temperature_on_a_grid_is_better(seed: int) -> None:
    factors, ious = sample(seed, 1)
    scores = factors[0]
    found = Temperature.fit(scores, ious)
    best = least_on(
        np.geomspace(0.05, 20, 2000), lambda t: cross_entropy(expit(logit(scores) / t), ious)
    )
    assert best - 1e-5 < cross_entropy(expit(logit(scores) / found.temperature), ious)
    assert cross_entropy(expit(logit(scores) / found.temperature), ious) <= best + 1e-9


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_temperature_that_made_the_ious_is_found(temperature: float) -> None:
    scores = np.linspace(0.01, 0.99, 50)
    found = Temperature.fit(scores, expit(logit(scores) / temperature))
    assert found.temperature == pytest.approx(temperature, rel=1e-6)


@pytest.mark.parametrize(("iou", "expected"), [(0.5, 20.0), (1.0, 0.05)])
def test_a_temperature_stays_within_its_bounds(iou: float, expected: float) -> None:
    assert Temperature.fit(np.array([0.6, 0.9]), np.full(2, iou)).temperature == expected


def pooled(scores: np.ndarray, ious: np.ndarray) -> np.ndarray:
    """Returns isotonic regression by its definition, the max-min formula."""
    order = np.argsort(scores)
    y = ious[order]
    fitted = [
        max(min(y[i : j + 1].mean() for j in range(k, len(y))) for i in range(k + 1))
        for k in range(len(y))
    ]
    back = np.empty(len(y))
    back[order] = fitted
    return back


@pytest.mark.parametrize("seed", range(4))
def test_isotonic_is_the_max_min_formula(seed: int) -> None:
    factors, ious = sample(seed, 1, 40)
    found = Isotonic.fit(factors[0], ious)
    np.testing.assert_allclose(found.apply(factors[0]), pooled(factors[0], ious), atol=2e-6)


STEPS = 1 << 24  # of single precision from 0.5 to 1
unit = arrays.arrays(np.int64, st.integers(2, 30), elements=st.integers(0, STEPS)).map(
    lambda steps: steps / STEPS
)


@settings(max_examples=200, deadline=None)
@given(unit, st.sampled_from([0.05, 0.3, 1.0, 4.0, 20.0]), st.integers(0, 100))
def test_all_but_exponents_rank_exactly_as_the_score(
    scores: np.ndarray, temperature: float, seed: int
) -> None:
    factors, ious = sample(seed, 1, 50)
    curves = [Temperature(temperature), Isotonic.fit(factors[0], ious), Isotonic([0.5], [0.5])]
    for curve in curves:
        calibrated = curve.apply(scores)
        assert ((calibrated >= 0) & (calibrated <= 1)).all()
        before, after = (np.sign(v[:, None] - v[None]) for v in (scores, calibrated))
        assert (before == after).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Exponents([]),
        lambda: Exponents([1.0, 2.0, 3.0]),
        lambda: Exponents([-0.1]),
        lambda: Exponents([float("nan")]),
        lambda: Temperature(0.0),
        lambda: Temperature(float("nan")),
        lambda: Isotonic([], []),
        lambda: Isotonic([0.1, 0.2], [0.5]),
        lambda: Isotonic([0.2, 0.1], [0.1, 0.2]),
        lambda: Isotonic([0.1, 0.2], [0.2, 0.1]),
        lambda: Isotonic([0.1, 1.2], [0.1, 0.2]),
    ],
)
def test_invalid_parameters_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(UserError):
        make()


def test_one_exponent_never_ends_the_order_of_scores() -> None:
    scores = np.array([[0.2, 0.5, 0.9]])
    calibrated = Exponents.fit(scores, np.ones(3)).apply(scores)
    assert (np.diff(calibrated) > 0).all()
