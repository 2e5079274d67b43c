import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.rescoring.fingerprints import DetectorFingerprint, result_fingerprints
from tests.support.rescoring_scenes import random_results


def fingerprint(scores: np.ndarray, images: int) -> DetectorFingerprint:
    return DetectorFingerprint.of(
        Detections(
            image_ids=[i % images for i in range(len(scores))],
            category_ids=[1] * len(scores),
            class_scores=scores,
        )
    )


def drawn(seed: int, many: int) -> np.ndarray:
    return np.random.default_rng(seed).beta(0.4, 2, many)


def test_results_of_one_detector_may_be_of_one():
    many = fingerprint(drawn(0, 5000), 100)
    assert many.difference(fingerprint(drawn(1, 5000), 100)) is None
    assert many.difference(fingerprint(drawn(2, 500), 10)) is None
    assert many.difference(fingerprint(drawn(3, 1), 1)) is not None


@pytest.mark.parametrize(
    ("scores", "images", "message"),
    [
        (drawn(1, 5000)[drawn(1, 5000) > 0.3], 100, "of the class scores are up to"),
        (drawn(1, 5000) ** 0.2, 100, "of the class scores are up to"),
        (drawn(1, 5000), 10, "images have 500 detections on average, not 50"),
    ],
)
def test_other_detectors_are_told_apart(scores, images, message):
    difference = fingerprint(drawn(0, 5000), 100).difference(fingerprint(scores, images))
    assert difference is not None and message in difference


def test_a_cut_of_few_scores_is_told_by_the_least():
    def confident(seed: int, many: int) -> np.ndarray:
        scores = np.random.default_rng(seed).beta(0.6, 0.5, 3 * many)
        return scores[scores >= 0.05][:many]

    whole, cut = fingerprint(confident(0, 500), 120), confident(1, 500)
    cut = fingerprint(cut[cut >= 0.3], 110)
    assert 0.2 < whole.share_below(0.3) < 0.3
    assert whole.difference(cut) == "the least class score is 0.301, not 0.0511"
    assert cut.difference(whole) == "the least class score is 0.0511, not 0.301"
    assert whole.difference(fingerprint(confident(1, 500) ** 0.25, 120)) is not None
    for seed in range(2, 40):
        assert whole.difference(fingerprint(confident(seed, 40), 10)) is None


def test_the_share_below_a_class_score():
    scores = drawn(0, 5000)
    for at in (0.0, 0.05, 0.3, 1.0):
        assert abs(fingerprint(scores, 100).share_below(at) - (scores <= at).mean()) < 0.01


def test_equal_scores():
    same = fingerprint(np.full(100, 0.5), 10)
    assert same.difference(same) is None
    assert same.difference(fingerprint(np.full(100, 0.6), 10)) is not None


def test_each_image_is_known_by_its_results():
    rows, _ = random_results(0, images=6)
    prints = result_fingerprints(Detections.from_rows(rows))
    images = {row["image_id"] for row in rows}
    assert len(prints) == len(images)
    # ids that start anew and another order of the rows change nothing but ties
    unique = [row | {"score": (i + 1) / 100} for i, row in enumerate(rows)]
    renamed = [row | {"image_id": f"x{row['image_id']}"} for row in reversed(unique)]
    assert result_fingerprints(Detections.from_rows(unique)) == result_fingerprints(
        Detections.from_rows(renamed)
    )
    others, _ = random_results(1, images=6)
    assert not set(prints) & set(result_fingerprints(Detections.from_rows(others)))
