"""Measures AP by every score and by re-scorers that did not see the image, with 95% intervals.

    python -m benchmarks.rescored_ap RESULTS.json ANNOTATIONS.json \
        [--also RESULTS.json ANNOTATIONS.json] [--draws 3] [--max-dets 100] [--out RESCORED.json]

An image is scored by trees that were fitted on four fifths of the other images, and on all those of
``--also``. Results that hold their agreement with views (python -m msrcnn_mm agree) or mask
statistics have more features than others. Each draw divides the images in another way, and the mean
over the draws is reported; the intervals, and the scores of ``--out``, are those of the first.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.results_file import load_results, write_results
from msrcnn_mm.evaluation.average_precision import curves
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.intervals import ap_difference
from msrcnn_mm.evaluation.overlaps import Floats, Ints, find_overlaps
from msrcnn_mm.evaluation.protocol import REFERENCES, RESCORED_SCORE, Protocol, coco_protocol, words
from msrcnn_mm.evaluation.summaries import gain_text, score_table
from msrcnn_mm.rescoring.features.collect import Features, features_of
from msrcnn_mm.rescoring.features.image_groups import numbered
from msrcnn_mm.rescoring.rescorer_fit import targets_of
from msrcnn_mm.rescoring.trees.boosting import fit_trees

FOLDS = 5

Labelled = tuple[Features, Column]
"""Features of D detections, and their (D,) targets, NaN for those that do not count."""


def out_of_fold(own: Labelled, images: Ints, also: list[Labelled], seed: int) -> Column:
    """Returns (D,) scores of ``own``, each by trees fitted on other images and on ``also``."""
    features, targets = own
    random = np.random.default_rng(seed)
    folds = (random.permutation(int(images.max()) + 1) % FOLDS)[images]
    scores = np.zeros(len(targets))
    for fold in range(FOLDS):
        parts = [_rows(own, folds != fold, features.names)]
        parts += [_rows(one, np.ones(len(one[1]), bool), features.names) for one in also]
        values, wanted = (np.concatenate(column) for column in zip(*parts, strict=True))
        trees = fit_trees(values, wanted, features.base, seed=fold)
        scores[folds == fold] = trees.apply(features.values[folds == fold])
    return scores


def _rows(labelled: Labelled, among: Column, names: list[str]) -> tuple[Floats, Column]:
    features, targets = labelled
    rows = among & ~np.isnan(targets)
    return features.values[rows][:, [features.names.index(name) for name in names]], targets[rows]


def read(
    results: Path, annotations: Path, max_dets: int
) -> tuple[COCO, Detections, Protocol, Labelled]:
    """Reads detections and annotations, and computes features and targets."""
    coco = load_annotations(annotations)
    detections = load_results(results, coco)
    protocol = coco_protocol(coco, max_dets)
    features = features_of(detections)
    targets = targets_of(coco, detections, protocol).tp_shares
    return coco, detections, protocol, (features, targets)


def main() -> None:
    """Prints AP by every score, and the AP that the re-scorer gains over each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--also", nargs=2, type=Path, action="append", default=[])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--max-dets", type=int, default=100)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    coco, detections, protocol, own = read(args.results, args.annotations, args.max_dets)
    also = [read(*paths, args.max_dets)[-1] for paths in args.also]
    images = numbered(detections.image_ids)
    draws = [out_of_fold(own, images, also, seed) for seed in range(args.draws)]
    overlaps = find_overlaps(coco, detections, protocol)
    aps = [100 * curves(overlaps, one[overlaps.detections], protocol).columns()[0] for one in draws]
    rescored = replace(detections, rescored_scores=draws[0])
    evaluation = evaluate_scores(coco, rescored, protocol)
    print(score_table(evaluation))
    print(
        f"re-scored, {args.draws} divisions of the images: AP {np.mean(aps):.2f}"
        f" ({', '.join(f'{ap:.2f}' for ap in aps)})"
    )
    for name in evaluation.rankings:
        if name not in (RESCORED_SCORE, *REFERENCES):
            gain = ap_difference(evaluation, RESCORED_SCORE, evaluation, name)
            assert gain is not None
            print(f"re-scored over {words(name)}: {gain_text(gain)}")
    if args.out is not None:
        write_results(rescored, args.out)


if __name__ == "__main__":
    main()
