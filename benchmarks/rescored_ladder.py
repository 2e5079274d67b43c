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

from benchmarks.ladder import above, draw_bars
from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import ScoreEvaluation
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, QUALITY_ORACLE, coco_protocol
from msrcnn_mm.report.score_styles import STYLES


def draw(axes: Axes, name: str, evaluation: ScoreEvaluation) -> None:
    """Draws the AP of each score of an evaluation."""
    low, high = (
        100 * (evaluation.rankings[one].ap["AP"] or 0) for one in (CLASS_SCORE, QUALITY_ORACLE)
    )
    bars = []
    for score, gain in evaluation.ap_gains.items():
        if score != QUALITY_ORACLE:
            ap, *ends = above(low, (gain.value, gain.low, gain.high))
            bars.append((STYLES[score].name, STYLES[score].colour, ap, ends))
    draw_bars(axes, name, (low, high), bars)


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
