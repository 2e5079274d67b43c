"""Measures AP by every score and by re-scorers that did not see the image, with 95% intervals.

    python -m benchmarks.rescored_ap RESULTS.json ANNOTATIONS.json \
        [--also RESULTS.json ANNOTATIONS.json] [--draws 3] [--max-dets 100] [--out RESCORED.json]

An image is scored by a re-scorer that was fitted, as ``rescore fit`` does, on the images of the
other four fifths and on all those of ``--also``. Results that hold their agreement with views
(python -m msrcnn_mm agree) or mask statistics have more features than others. Each draw divides the
images in another way, and the mean over the draws is reported; the intervals, and the scores of
``--out``, are those of the first.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.results_file import load_results, write_results
from msrcnn_mm.evaluation.average_precision import curves
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.intervals import ap_difference
from msrcnn_mm.evaluation.overlaps import Ints, find_overlaps
from msrcnn_mm.evaluation.protocol import REFERENCES, RESCORED_SCORE, Protocol, coco_protocol, words
from msrcnn_mm.evaluation.summaries import gain_text, score_table
from msrcnn_mm.rescoring.features.collect import Features, features_of
from msrcnn_mm.rescoring.features.image_groups import image_numbers
from msrcnn_mm.rescoring.rescorer_fit import targets_of
from msrcnn_mm.rescoring.trees.cross_fitting import FOLDS, cross_fit
from msrcnn_mm.rescoring.trees.symmetric import mean_probabilities


@dataclass(frozen=True)
class Labelled:
    """Features, targets (NaN for those that do not count) and images of D detections."""

    features: Features
    targets: Column
    images: Ints


def out_of_fold(own: Labelled, also: list[Labelled], seed: int) -> Column:
    """Returns (D,) scores of ``own``, each by a re-scorer fitted on other images."""
    names, base = own.features.names, own.features.base
    random = np.random.default_rng(seed)
    folds = (random.permutation(int(own.images.max()) + 1) % FOLDS)[own.images]
    scores = np.zeros(len(folds))
    for fold in range(FOLDS):
        values, targets, images = [own.features.values], [own.targets.copy()], [own.images]
        targets[0][folds == fold] = np.nan
        for one in also:
            values.append(one.features.values[:, [one.features.names.index(n) for n in names]])
            targets.append(one.targets)
            images.append(one.images + 1 + max(part.max() for part in images))
        rows = ~np.isnan(np.concatenate(targets))
        fitted = cross_fit(
            np.concatenate(values)[rows],
            np.concatenate(targets)[rows],
            np.concatenate(images)[rows],
            base,
        )
        scores[folds == fold] = mean_probabilities(fitted.trees, values[0][folds == fold])
    return scores


def read(
    results: Path, annotations: Path, max_dets: int, on_head: bool = False
) -> tuple[COCO, Detections, Protocol, Labelled]:
    """Reads detections and annotations, and computes features and targets.

    With ``on_head`` the rescored score that they have is a feature, in place of their mask IoU.
    """
    coco = load_annotations(annotations)
    detections = load_results(results, coco)
    protocol = coco_protocol(coco, max_dets)
    known = replace(detections, mask_ious=detections.rescored_scores) if on_head else detections
    features = features_of(known)
    overlaps = find_overlaps(coco, detections, protocol)
    targets = targets_of(overlaps, detections, protocol).tp_shares
    labelled = Labelled(features, targets, image_numbers(detections.image_ids))
    return coco, detections, protocol, labelled


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
    draws = [out_of_fold(own, also, seed) for seed in range(args.draws)]
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
