"""Evaluates masks by every score: compares them with the ground truth once, then ranks them."""

from collections.abc import Mapping

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.processes import in_processes

from .average_precision import Curves, count_instances, curves
from .boundary import boundary_overlaps
from .correlation import mask_iou_quality
from .evaluation_result import (
    ClassEvaluation,
    DetectionColumns,
    ScoreEvaluation,
)
from .gaps import differences, rankings_of
from .intervals import ap_gains, laece_changes, laece_intervals, resample
from .overlaps import Floats, Ints, Overlaps, find_overlaps, sorted_ids
from .protocol import (
    AREA_RANGES,
    ORACLE,
    QUALITY_ORACLE,
    REFERENCES,
    Protocol,
    coco_protocol,
)
from .rankings import expectations, ranking_notes, ranking_scores
from .score_parts import ScoreParts
from .tp_share import tp_shares


def evaluate_scores(
    coco: COCO,
    detections: Detections,
    protocol: Protocol | None = None,
    boundary: bool = False,
) -> ScoreEvaluation:
    """Evaluates masks by every score that they have.

    Args:
        coco: The annotations.
        detections: D masks, with the scores that they have.
        protocol: The classes, images and thresholds that count; by default COCO's own.
        boundary: Whether to rank by Boundary IoU as well; see :mod:`.boundary`.

    Returns:
        The evaluation; :func:`.evaluation_result.as_json` makes plain data of it.

    Raises:
        UserError: The detections have no masks; one has a score that is not a finite number, is of
            an image that the annotations do not have, or has a mask of another size than its
            image; two annotations have the same id, or one has no area.
    """
    protocol = protocol or coco_protocol(coco)
    overlaps = find_overlaps(coco, detections, protocol)
    true_ious = overlaps.spread(overlaps.best_ious(), len(detections))
    class_scores = detections.class_scores[overlaps.detections]
    shares = overlaps.spread(tp_shares(overlaps, class_scores, protocol), len(detections))
    by_ranking = ranking_scores(detections, true_ious, shares)
    mask_ious = detections.implied_mask_ious
    instances = count_instances(overlaps, AREA_RANGES[0])

    in_order = {name: values[overlaps.detections] for name, values in by_ranking.items()}

    def ordered(values: Floats, name: str) -> Floats:
        return in_order[name] if values is by_ranking[name] else values[overlaps.detections]

    expected = {
        name: (ordered(ious, name), ordered(precisions, name))
        for name, (ious, precisions) in expectations(detections, by_ranking).items()
    }

    def measure(compared: Overlaps, what: str) -> dict[str, Curves]:
        def of_ranking(name: str) -> Curves:
            return curves(compared, in_order[name], protocol)

        found = in_processes(of_ranking, list(in_order), what, len(protocol.image_ids))
        return dict(zip(in_order, found, strict=True))

    def parts_of(name: str) -> ScoreParts:
        return ScoreParts(overlaps, in_order[name], *expected[name], protocol, instances)

    measured = measure(overlaps, "rankings")
    scores = [name for name in in_order if name not in REFERENCES]
    found = in_processes(parts_of, scores, "errors", len(protocol.image_ids))
    parts = dict(zip(scores, found, strict=True))
    by_boundary = None
    if boundary:
        least = float(np.min(protocol.iou_thrs))
        outlines = boundary_overlaps(overlaps, coco, detections, least)
        by_boundary, _ = rankings_of(measure(outlines, "boundary rankings"))
    rankings, gaps = rankings_of(measured)
    laeces = {
        name: part.calibration_errors.laece
        for name, part in parts.items()
        if part.calibration_errors is not None
    }
    matched = {name: (expected[name][0], parts[name].matched) for name in laeces}
    resamples = resample(overlaps, in_order, matched, protocol)
    return ScoreEvaluation(
        images=len(set(protocol.image_ids)),
        instances=int(instances.sum()),
        iou_thrs=np.asarray(protocol.iou_thrs, float).tolist(),
        max_dets=protocol.max_dets[-1],
        ap_max_dets=protocol.ap_max_dets,
        rankings=rankings,
        boundary=by_boundary,
        oracle_gap=gaps[ORACLE],
        quality_gap=gaps[QUALITY_ORACLE],
        false_alarm_gap=differences(gaps[ORACLE], gaps[QUALITY_ORACLE]),
        resamples=resamples,
        ap_gains=ap_gains({name: one.ap["AP"] for name, one in rankings.items()}, resamples),
        laece_intervals=laece_intervals(laeces, resamples),
        laece_changes=laece_changes(laeces, resamples),
        mask_iou_quality=(
            None if mask_ious is None else mask_iou_quality(mask_ious, np.nan_to_num(true_ious))
        ),
        calibration_errors={
            name: part.calibration_errors
            for name, part in parts.items()
            if part.calibration_errors is not None
        },
        lrp={name: part.lrp for name, part in parts.items()},
        classes=_classes(coco, protocol, overlaps, instances, measured, parts),
        notes=[
            *_notes(overlaps, instances, len(detections)),
            *ranking_notes(by_ranking, detections),
        ],
        detections=DetectionColumns(
            image_ids=detections.image_ids,
            category_ids=detections.category_ids,
            class_scores=detections.class_scores,
            mask_ious=mask_ious,
            mask_scores=detections.mask_scores,
            maskness=detections.maskness,
            agreement_scores=detections.agreement_scores,
            consensus=detections.consensus,
            rescored_scores=detections.rescored_scores,
            true_ious=true_ious,
            tp_shares=shares,
            areas=overlaps.spread(overlaps.areas, len(detections)),
            matched_ious={
                name: overlaps.spread(part.matched, len(detections)) for name, part in parts.items()
            },
        ),
    )


def _classes(
    coco: COCO,
    protocol: Protocol,
    overlaps: Overlaps,
    instances: Ints,
    measured: Mapping[str, Curves],
    parts: Mapping[str, ScoreParts],
) -> list[ClassEvaluation]:
    counts = np.diff(overlaps.bounds)
    classes = []
    for k, category_id in enumerate(sorted_ids(protocol.category_ids)):
        rankings, gaps = rankings_of(measured, k)
        classes.append(
            ClassEvaluation(
                category_id=category_id,
                name=coco.cats[category_id]["name"],
                instances=int(instances[k]),
                detections=int(counts[k]),
                rankings=rankings,
                oracle_gap=gaps[ORACLE],
                quality_gap=gaps[QUALITY_ORACLE],
                false_alarm_gap=differences(gaps[ORACLE], gaps[QUALITY_ORACLE]),
                scores={name: part.by_class[k] for name, part in parts.items()},
            )
        )
    return classes


def _notes(overlaps: Overlaps, instances: Ints, given: int) -> list[str]:
    notes = []
    if not given:
        notes.append("there are no detections")
    if len(overlaps.detections) < given:
        left_out = given - len(overlaps.detections)
        notes.append(f"{left_out} detections are of classes or images that do not count")
    if not instances.any():
        notes.append("there is no ground truth: no AP is defined")
    if not overlaps.findable.all():
        notes.append(
            "an annotation has the id 0, which pycocotools takes for 'no match', so a detection"
            " that finds it counts as a false alarm: number annotations from 1"
        )
    return notes
