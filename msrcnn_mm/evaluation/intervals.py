"""Puts intervals around the figures from which conclusions are drawn.

Each is a bootstrap interval over images: the quantiles of the resampled figures, moved so that
their mean is the figure itself. Drawing with replacement alone raises AP and LaECE_0, because a set
drawn so has fewer different images; the move takes that out. The interval says how far the figure
would differ on another set of as many images.
"""

from collections.abc import Mapping

import numpy as np

from msrcnn_mm.processes import in_processes

from .bootstrap import draw_images, resampled_aps, resampled_laeces
from .evaluation_result import Estimate, Resamples, ScoreEvaluation
from .overlaps import Floats, Overlaps
from .protocol import CLASS_SCORE, ORACLE, TP_SHARE, Protocol

LEVEL = 0.95
FEWEST_IMAGES = 10
"""An interval needs so many images with masks, and so many with instances."""

_ROUNDING = 1e-9  # sums that are equal may differ by so much


def resample(
    overlaps: Overlaps,
    scores: Mapping[str, Floats],
    matched: Mapping[str, tuple[Floats, Floats]],
    protocol: Protocol,
) -> Resamples | None:
    """Computes AP and LaECE_0 on images drawn with replacement.

    Args:
        overlaps: Of D detections.
        scores: Ranking -> (D,); that of oracle and TP share, which no score reaches, is not judged.
        matched: Score -> (D,) IoUs that it expects, in [0, 1], and (D,) IoUs with the instance
            found, where any overlap makes a match.
        protocol: That of ``overlaps``.

    Returns:
        None for too few images: see :data:`FEWEST_IMAGES`.
    """
    of_instances = overlaps.instance_images[~overlaps.crowds]
    if min(len(np.unique(images)) for images in (overlaps.images, of_instances)) < FEWEST_IMAGES:
        return None
    draws = draw_images(len(set(protocol.image_ids)))
    judged = [name for name in scores if name not in (ORACLE, TP_SHARE)]

    def of_ranking(name: str) -> tuple[Floats, Floats | None]:
        aps = resampled_aps(overlaps, scores[name], protocol, draws)
        if name not in matched:
            return aps, None
        return aps, resampled_laeces(overlaps, *matched[name], draws)

    found = in_processes(of_ranking, judged, "intervals", len(draws))
    aps, laeces = zip(*found, strict=True)
    return Resamples(
        aps=dict(zip(judged, aps, strict=True)),
        laeces={n: own for n, own in zip(judged, laeces, strict=True) if own is not None},
    )


def ap_gains(
    aps: Mapping[str, float | None], resamples: Resamples | None, over: str = CLASS_SCORE
) -> dict[str, Estimate]:
    """Returns ranking -> AP - AP by one ranking, of the rankings that are judged.

    Args:
        aps: Ranking -> AP; None without ground truth.
        resamples: From :func:`resample`.
        over: The one ranking, whose AP is subtracted.
    """
    base = aps[over]
    gains = {}
    for name, ap in aps.items():
        if ap is not None and base is not None and name not in (over, ORACLE, TP_SHARE):
            own = resamples.aps[name] - resamples.aps[over] if resamples else None
            gains[name] = _estimate(ap - base, own)
    return gains


def laece_intervals(
    laeces: Mapping[str, float | None], resamples: Resamples | None
) -> dict[str, Estimate]:
    """Returns score -> LaECE_0, where it is defined.

    Args:
        laeces: Score -> LaECE_0.
        resamples: From :func:`resample`.
    """
    return {
        name: _estimate(laece, resamples.laeces[name] if resamples else None, least=0)
        for name, laece in laeces.items()
        if laece is not None
    }


def laece_changes(
    laeces: Mapping[str, float | None], resamples: Resamples | None
) -> dict[str, Estimate]:
    """Returns score -> LaECE_0 - LaECE_0 of the class score, where both are defined.

    Args:
        laeces: Score -> LaECE_0.
        resamples: From :func:`resample`.
    """
    by_class = laeces.get(CLASS_SCORE)
    changes = {}
    for name, laece in laeces.items():
        if laece is not None and by_class is not None and name != CLASS_SCORE:
            own = resamples.laeces[name] - resamples.laeces[CLASS_SCORE] if resamples else None
            changes[name] = _estimate(laece - by_class, own)
    return changes


def ap_difference(
    one: ScoreEvaluation, ranking: str, other: ScoreEvaluation, other_ranking: str
) -> Estimate | None:
    """Returns the AP of one detector minus that of another.

    Args:
        one: Evaluation of the one.
        ranking: The score that ranks its masks.
        other: Evaluation of the other, of the same images and by the same protocol.
        other_ranking: The score that ranks its masks.

    Returns:
        None without ground truth.
    """
    ap, other_ap = one.rankings[ranking].ap["AP"], other.rankings[other_ranking].ap["AP"]
    if ap is None or other_ap is None:
        return None
    resampled = None
    if one.resamples is not None and other.resamples is not None:
        resampled = one.resamples.aps[ranking] - other.resamples.aps[other_ranking]
    return _estimate(ap - other_ap, resampled)


def _estimate(value: float, resampled: Floats | None, least: float = -np.inf) -> Estimate:
    """Returns a figure with its interval.

    Args:
        value: On the images at hand.
        resampled: (B,), NaN where undefined; None for no interval.
        least: The least value that the figure can have.
    """
    if resampled is None or np.isnan(resampled).all():
        return Estimate(value, None, None)
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail]) - np.nanmean(resampled) + value
    low, high = (0.0 if abs(end) < _ROUNDING else float(end) for end in (low, high))
    return Estimate(value, max(low, least), max(high, least))
