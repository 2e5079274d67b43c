"""Tests the figure of scores against true IoUs."""

import matplotlib as mpl
import numpy as np

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.correlation import score_points
from msrcnn_mm.report.figures.correlation import draw_correlation

NAN = float("nan")
DETECTIONS = Detections(
    image_ids=[1] * 4,
    category_ids=[1] * 4,
    class_scores=np.array([0.9, 0.05, 0.04, 0.6]),
    mask_ious=np.array([0.5, 0.8, 0.3, NAN]),
    mask_scores=np.array([0.45, 0.04, 0.012, NAN]),
)


def test_each_score_has_a_panel_with_its_coefficients() -> None:
    found = score_points(DETECTIONS, np.array([0.4, 0.9, 0.1, 0.7]), 0.05)
    figure = draw_correlation(found)
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    assert [ax.get_xlabel() for ax in panels] == [
        "class score",
        "mask IoU (predicted)",
        "mask score",
    ]
    everything, matched = panels[1].get_title(loc="left").split("\n")
    assert everything == "all: Pearson 1.00, Spearman 1.00, 2 masks"
    assert matched == "IoU ≥ 0.5: Pearson -, Spearman -, 1 mask"
    # the histogram counts every mask once
    (mesh,) = (c for c in panels[0].collections if isinstance(c, mpl.collections.QuadMesh))
    counts = np.ma.filled(mesh.get_array(), 0)
    assert counts.sum() == 3
    side = len(counts)
    assert counts[int(0.4 * side), int(0.9 * side)] == 1  # row: true IoU, column: score
