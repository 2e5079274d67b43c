"""Draws AP by every score between class score and quality oracle, one panel for each detector.

    python -m benchmarks.rescored_ladder PICTURE.png NAME RESULTS.json ANNOTATIONS.json [NAME ...]

The results hold their scores; ``benchmarks.rescored_ap --out`` writes such files. AP takes at most
as many detections of an image as it has, at least COCO's 100.
"""

import argparse
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import ScoreEvaluation
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, QUALITY_ORACLE, coco_protocol
from msrcnn_mm.report.figures.style import INK, RULE
from msrcnn_mm.report.score_styles import STYLES


def draw(axes: Axes, name: str, evaluation: ScoreEvaluation) -> None:
    """Draws the AP of each score as a bar from that of the class score."""
    low, high = (
        100 * (evaluation.rankings[one].ap["AP"] or 0) for one in (CLASS_SCORE, QUALITY_ORACLE)
    )
    scores = [s for s in evaluation.ap_gains if s != QUALITY_ORACLE]
    axes.barh(range(len(scores)), [high - low] * len(scores), 0.9, left=low, color=RULE)
    for row, score in enumerate(scores):
        gain = evaluation.ap_gains[score]
        axes.barh(row, 100 * gain.value, 0.55, left=low, color=STYLES[score].colour)
        if gain.low is not None and gain.high is not None:
            axes.plot([low + 100 * gain.low, low + 100 * gain.high], [row, row], color=INK)
        axes.annotate(
            f"{low + 100 * gain.value:.1f}",
            (high, row),
            (4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.axvline(low, color=STYLES[CLASS_SCORE].colour)
    axes.set_yticks(range(len(scores)), [STYLES[score].name for score in scores])
    axes.invert_yaxis()
    axes.set_title(name, loc="left", color=INK)
    axes.set_xlabel(f"AP; by class score {low:.1f}, by quality oracle {high:.1f}")
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("detectors", nargs="+", metavar="NAME RESULTS ANNOTATIONS")
    args = parser.parse_args()
    triples = list(zip(*(iter(args.detectors),) * 3, strict=True))
    figure, panels = plt.subplots(
        len(triples), figsize=(8, 2.1 * len(triples)), squeeze=False, layout="constrained"
    )
    for axes, (name, results, annotations) in zip(panels[:, 0], triples, strict=True):
        coco = load_annotations(Path(annotations))
        detections = load_results(Path(results), coco)
        most = max(Counter(detections.image_ids).values())
        draw(axes, name, evaluate_scores(coco, detections, coco_protocol(coco, max(100, most))))
    figure.savefig(args.picture, dpi=110)


if __name__ == "__main__":
    main()
