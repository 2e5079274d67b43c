"""Tests the learning curve and the sentence that follows from it."""

import numpy as np
import pytest

from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.rescoring.learning_curve import learning_curve, outlook
from msrcnn_mm.rescoring.trees.cross_fitting import cross_fit


def test_the_curve_halves_the_images_outside_a_fold():
    image = np.repeat(np.arange(131), 4)
    features = np.column_stack((np.full(len(image), 0.5), np.arange(len(image)) % 4))
    targets = features[:, 1] / 4
    curve = learning_curve(features, targets, image, base=0)
    assert list(curve) == [26, 52, 104]
    assert (curve[52] == cross_fit(features, targets, image, 0, 52).scores).all()
    assert (curve[104] == cross_fit(features, targets, image, 0).scores).all()
    assert list(learning_curve(features[:160], targets[:160], image[:160], base=0)) == [32]


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        (
            Estimate(0.004, 0.001, 0.007),
            "from 52 to 104 labelled images AP changes by +0.4 (95% interval +0.1 to +0.7): twice"
            " as many would gain at most about as much again",
        ),
        (
            Estimate(0.004, -0.001, 0.009),
            "from 52 to 104 labelled images AP changes by +0.4 (95% interval -0.1 to +0.9): that"
            " more labelled images would help is not shown",
        ),
        (
            Estimate(-0.004, None, None),
            "from 52 to 104 labelled images AP changes by -0.4: the images are too few for an"
            " interval",
        ),
        (None, "104 images are too few to tell whether more labelled images would help"),
    ],
)
def test_outlook(gain, sentence):
    assert outlook([26, 52, 104], gain) == sentence
