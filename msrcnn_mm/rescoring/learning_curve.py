"""Tells how the AP of a re-scorer grows with the number of labelled images.

Shape shorthand: D detections.
"""

from collections.abc import Sequence

from msrcnn_mm.coco.detections import Column
from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.evaluation.overlaps import Floats, Ints
from msrcnn_mm.evaluation.summaries import gain_text

from .trees.cross_fitting import FOLDS, cross_fit

FEWEST = 25
"""Fewest images of a point of the curve that is not the only one."""


def learning_curve(features: Floats, targets: Column, images: Ints, base: int) -> dict[int, Column]:
    """Cross-fits re-scorers to all images outside a fold, to half of them, a quarter, and so on.

    Args:
        features: (D, F), see :func:`.trees.cross_fitting.cross_fit`.
        targets: (D,).
        images: (D,), number of each detection's image, from 0.
        base: Number of the feature that the trees correct.

    Returns:
        Number of images fitted on, ascending -> (D,) scores of images that were not among them.
    """
    total = int(images.max()) + 1
    most = total - -(-total // FOLDS)  # outside the largest fold
    curve = {most: cross_fit(features, targets, images, base).scores}
    size = most // 2
    while size >= FEWEST:
        curve[size] = cross_fit(features, targets, images, base, size).scores
        size //= 2
    return dict(sorted(curve.items()))


def outlook(sizes: Sequence[int], gain: Estimate | None) -> str:
    """Says whether more labelled images would help.

    Each doubling of the images usually gains less than the one before it, so the last one bounds
    the next.

    Args:
        sizes: Numbers of images of the curve, ascending.
        gain: AP by the re-scorer fitted on the most images minus AP by that fitted on half of
            them; None for a curve of one point.

    Returns:
        A sentence.
    """
    if gain is None:
        return f"{sizes[-1]} images are too few to tell whether more labelled images would help"
    half, most = sizes[-2:]
    change = f"from {half} to {most} labelled images AP changes by {gain_text(gain)}"
    if gain.low is None:
        return f"{change}: the images are too few for an interval"
    if gain.low > 0:
        return f"{change}: twice as many would gain at most about as much again"
    return f"{change}: that more labelled images would help is not shown"
