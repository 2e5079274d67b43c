"""Computes the TP share of detections: what COCO's AP rewards.

Ranked by it, detections reach the highest AP that any score can give them, and a re-scorer is
fitted to predict it. The true IoU does not serve: a duplicate has as high a one as the original.

Shape shorthand: D detections, T IoU thresholds.
"""

import numpy as np

from .matching import Candidates, Order
from .overlaps import Floats, Overlaps
from .protocol import AREA_RANGES, Protocol


def tp_shares(overlaps: Overlaps, class_scores: Floats, protocol: Protocol) -> Floats:
    """Returns the share of IoU thresholds at which each detection is matched to an instance.

    Detections are taken in class-score order, as for AP. A mask of IoU 0.72 that is matched first
    has 0.5 of COCO's ten thresholds; a false alarm and a duplicate have 0.

    Args:
        overlaps: Of D detections.
        class_scores: (D,), in the order of ``overlaps``.
        protocol: Its ``iou_thrs``, and its ``ap_max_dets`` best-ranked detections of a class in an
            image that count.

    Returns:
        (D,), multiples of 1 / T in [0, 1]; NaN for a detection that COCO ignores at every
        threshold because it lies in a crowd region, or that is beyond the most detections.
    """
    blocks = overlaps.class_blocks()
    return np.concatenate([_of_classes(part, class_scores[own], protocol) for part, own in blocks])


def _of_classes(overlaps: Overlaps, class_scores: Floats, protocol: Protocol) -> Floats:
    order = Order.by(class_scores, overlaps)
    thresholds = np.asarray(protocol.iou_thrs, float)
    candidates = Candidates(overlaps, order, thresholds, protocol.ap_max_dets)
    matches = candidates.match(AREA_RANGES[0])
    shares = np.zeros(len(class_scores))
    shares[matches.outside | (order.places >= protocol.ap_max_dets)] = np.nan
    own = matches.correct.mean(axis=0)
    shares[candidates.detections] = np.where(matches.ignored.all(axis=0), np.nan, own)
    return shares
