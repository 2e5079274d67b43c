"""Tests of splitting a score into its factors."""

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibrators.factors import score_and_factors

NAN = float("nan")


def detections(**columns: list[float]) -> Detections:
    arrays = {name: np.array(values) for name, values in columns.items()}
    count = len(arrays["class_scores"])
    return Detections(image_ids=[1] * count, category_ids=[1] * count, **arrays)


def test_each_score_is_the_product_of_its_factors() -> None:
    whole = detections(
        class_scores=[0.5, 0.8], mask_scores=[0.25, 0.2], foreground_probs=[0.9, 0.75]
    )
    for score, other in (("mask_score", [0.5, 0.25]), ("maskness", [0.9, 0.75])):
        scores, factors = score_and_factors(whole, score)
        np.testing.assert_allclose(factors, [[0.5, 0.8], other])
        np.testing.assert_allclose(scores, factors.prod(axis=0))
    scores, factors = score_and_factors(whole, "class_score")
    assert scores.tolist() == factors[0].tolist() == [0.5, 0.8] and len(factors) == 1


def test_a_detection_without_the_other_factor_keeps_its_class_score() -> None:
    some = detections(class_scores=[0.5, 0.8], mask_scores=[0.25, NAN], mask_ious=[0.5, NAN])
    scores, factors = score_and_factors(some, "mask_score")
    assert scores.tolist() == [0.25, 0.8]
    assert factors.tolist() == [[0.5, 0.8], [0.5, 1]]


def test_an_absent_score_is_refused_and_the_present_ones_are_named() -> None:
    plain = detections(class_scores=[0.5], foreground_probs=[0.5])
    with pytest.raises(UserError, match=r"no mask score: .* --score class_score or maskness$"):
        score_and_factors(plain, "mask_score")


@pytest.mark.parametrize("column", ["class_scores", "mask_ious", "mask_scores"])
def test_a_score_outside_0_to_1_is_refused(column: str) -> None:
    columns = {name: [0.5, 0.25] for name in ("class_scores", "mask_ious", "mask_scores")}
    columns[column] = [0.5, 1.5 if column != "class_scores" else NAN]
    with pytest.raises(
        UserError, match="detection 1: its mask score, or a factor of it, is outside"
    ):
        score_and_factors(detections(**columns), "mask_score")
