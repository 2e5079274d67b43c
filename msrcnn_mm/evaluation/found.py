"""What each detection found when detections take their turn by one score.

Calibration and LRP ask for it; AP, which needs it at every threshold and size, has curves of its
own.
"""

import numpy as np

from .matching import NONE, match, ranks
from .overlaps import Floats, Overlaps
from .protocol import AREA_RANGES, Protocol


def found_ious(
    overlaps: Overlaps, scores: Floats, protocol: Protocol, thresholds: tuple[float, ...]
) -> Floats:
    """IoU of each detection with the instance that it finds.

    Args:
        overlaps: Of D detections.
        scores: (D,), what to rank by.
        protocol: Its ``ap_max_dets`` best-ranked detections of a class in an image count.
        thresholds: T least IoUs of a match; 0 asks for any overlap.

    Returns:
        (T, D): the IoU of a correct detection; 0 for a false alarm, also for one that finds what
        another has found; NaN for one that does not count, in a crowd region or beyond the most
        detections.
    """
    places = ranks(overlaps, scores)
    matches = match(overlaps, places, np.array(thresholds), AREA_RANGES[0], protocol.ap_max_dets)
    ious = np.append(overlaps.ious, 0)[matches.pairs]
    found = np.where(matches.correct & (matches.pairs != NONE), ious, 0)
    found[matches.ignored | (places >= protocol.ap_max_dets)] = np.nan
    return found
