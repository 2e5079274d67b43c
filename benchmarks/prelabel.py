"""Counts the masks that may be accepted unseen by each score, over random splits of the images.

    python -m benchmarks.prelabel RESULTS.json ANNOTATIONS.json [--splits 200] \
        [--terms 0.95 0.8 --terms 0.9 0.75] [--score-thr 0.05] [--out FIGURE.png]

Half of the images fit a re-scorer, as ``rescore fit`` does. Two thirds of the other half are the
labelled split that promises are made from, for the masks of the last third; all scores get the same
images. A promise is broken where the masks of that third that are accepted, as few as they are,
miss one of the terms: least share of right masks and least mean IoU. Ctrl-C ends the run with the
tables of the splits that are done. The figure has the share of
all masks of that third, whatever their score, that are accepted for other shares of right ones,
with the mean IoU of the last terms.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Column
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.overlaps import Bools, Ints, find_overlaps
from msrcnn_mm.evaluation.protocol import RESCORED_SCORE, coco_protocol, words
from msrcnn_mm.evaluation.rankings import filled_scores
from msrcnn_mm.evaluation.summaries import text_table
from msrcnn_mm.processes import progress
from msrcnn_mm.report.figures.promise import draw_promises
from msrcnn_mm.report.figures.style import as_png, report_style
from msrcnn_mm.rescoring.features.collect import features_of
from msrcnn_mm.rescoring.features.image_groups import numbered
from msrcnn_mm.rescoring.promises.cuts import ScoredMasks
from msrcnn_mm.rescoring.promises.masks import Objects
from msrcnn_mm.rescoring.promises.promise import PromiseSearch, Terms
from msrcnn_mm.rescoring.rescorer_fit import targets_of
from msrcnn_mm.rescoring.trees.cross_fitting import cross_fit
from msrcnn_mm.rescoring.trees.symmetric import mean_probabilities

SHARES = np.linspace(0.7, 0.98, 15)


def part(scores: Column, places: Ints, start: int, end: int, kept: Bools) -> ScoredMasks:
    """Returns the masks of the images at some places of a random order.

    Args:
        scores: (D,).
        places: (D,), place of each mask's image.
        start: First place.
        end: First place behind.
        kept: (D,), which of these masks.
    """
    return ScoredMasks(scores[kept], places[kept] - start, end - start)


def main() -> None:
    """Prints a table for each pair of terms, and draws the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--terms", nargs=2, type=float, action="append")
    parser.add_argument("--score-thr", type=float, default=0.05)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    coco = load_annotations(args.annotations)
    detections = load_results(args.results, coco)
    all_terms = [Terms(*pair) for pair in args.terms or [(0.95, 0.8), (0.9, 0.75), (0.8, 0.7)]]

    numbers = {image_id: number for number, image_id in enumerate(coco.getImgIds())}
    images, total = numbered(detections.image_ids, numbers), len(numbers)
    fit, check = total // 2, total // 2 + total // 3
    unfitted = {k: v for k, v in filled_scores(detections).items() if k != RESCORED_SCORE}
    objects = Objects(coco, detections)
    ious = {name: objects.ious(own) for name, own in unfitted.items()}
    features = features_of(detections)
    protocol = coco_protocol(coco)
    overlaps = find_overlaps(coco, detections, protocol)
    targets = targets_of(overlaps, detections, protocol).tp_shares

    rows: dict[tuple[Terms, str], list[tuple[float, ...]]] = defaultdict(list)
    curves: dict[str, list[list[float]]] = defaultdict(list)

    def split(seed: int) -> None:
        order = np.random.default_rng(seed).permutation(total)
        places = np.argsort(order)[images]
        own = places < fit
        trees = cross_fit(features.values[own], targets[own], images[own], features.base).trees
        rescored = np.zeros(len(own))
        rescored[~own] = mean_probabilities(trees, features.values[~own])
        ious[RESCORED_SCORE] = objects.ious(rescored)
        for name, scores in {**unfitted, RESCORED_SCORE: rescored}.items():
            labelled = (places >= fit) & (places < check)
            others = (places >= check) & (scores >= args.score_thr)
            search = PromiseSearch(
                part(scores, places, fit, check, labelled),
                ious[name][labelled],
                part(scores, places, check, total, others),
            )
            for terms in all_terms:
                promise = search.promise(terms)
                accepted = others & (scores >= (np.inf if promise.cut is None else promise.cut))
                found = ious[name][accepted]
                share, mean = ((found > 0).mean(), found.mean()) if len(found) else (1.0, 1.0)
                broken = share < terms.share or mean < terms.mean_iou
                rows[terms, name].append(
                    (promise.accepted, others.sum(), promise.cut is not None, broken)
                )
            if args.out is not None:
                terms = all_terms[-1]
                curve = [Terms(float(share), terms.mean_iou) for share in SHARES]
                rest = (places >= check).sum()
                curves[name].append([search.promise(one).accepted / rest for one in curve])

    done = 0
    try:
        for seed in progress(range(args.splits), "splits"):
            split(seed)
            done += 1
    except KeyboardInterrupt:
        if not done:
            raise
        print(f"stopped after {done} of {args.splits} splits")
    header = ["score", "accepted", "of", "promises made", "broken in the rest"]
    print(f"{total} images: {fit} fit, {check - fit} check, {total - check} are the rest")
    for terms in all_terms:
        table = [
            [
                words(name),
                f"{np.mean(accepted):.1f}",
                f"{np.mean(of):.0f}",
                f"{np.mean(made):.1%}",
                f"{np.mean(broken):.1%}",
            ]
            for (these, name), row in rows.items()
            if these == terms
            for accepted, of, made, broken in [zip(*row[:done], strict=True)]
        ]
        print(f"share {terms.share:g}, mean IoU {terms.mean_iou:g}, {done} splits")
        print(text_table(header, table))
    if args.out is not None:
        with report_style():
            means = {name: np.mean(lines[:done], axis=0).tolist() for name, lines in curves.items()}
            figure = draw_promises(SHARES.tolist(), means, all_terms[-1].mean_iou)
            args.out.write_bytes(as_png(figure))


if __name__ == "__main__":
    main()
