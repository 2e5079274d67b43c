"""pycocotools' evaluation, made fast for images of many instances.

Its matching asks every detection at every IoU threshold about every instance, in Python: with 150
detections among 50 nuclei that takes nearly all of an evaluation's time, and we evaluate the same
masks three times over. Nearly all those pairs overlap too little for any threshold.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval


class FastCOCOeval(COCOeval):
    """``COCOeval`` whose matching looks only at pairs that overlap enough: same numbers, sooner.

    For evaluation by category, of ``segm`` or ``bbox``.
    """

    def evaluateImg(  # noqa: N802  # the name that COCOeval.evaluate calls
        self, image_id: Any, category_id: int, area_range: list[float], max_det: int
    ) -> dict[str, Any] | None:
        """Matches one image's detections of one category to its instances.

        Args:
            image_id: The image.
            category_id: The category.
            area_range: Smallest and largest area in pixels; what lies outside is ignored.
            max_det: How many of the best-ranked detections count.

        Returns:
            What ``COCOeval.accumulate`` reads; None without detections and instances.
        """
        instances = self._gts[image_id, category_id]
        detections = self._dts[image_id, category_id]
        if not instances and not detections:
            return None
        ignore = np.array([g["ignore"] or _outside(g, area_range) for g in instances], bool)
        order = np.argsort(ignore, kind="stable")  # those that count come first
        instances = [instances[i] for i in order]
        ranking = np.argsort([-d["score"] for d in detections], kind="stable")[:max_det]
        detections = [detections[i] for i in ranking]
        ious = np.zeros((len(detections), len(instances)))
        if instances and detections:  # else pycocotools has an empty list
            ious = self.ious[image_id, category_id][:, order]

        matches = _match(ious, ignore[order], instances, self.params.iouThrs)
        ids = np.array([*(g["id"] for g in instances), 0])  # matches' -1 finds the 0: unmatched
        matched = ids[matches]
        outside = np.array([_outside(d, area_range) for d in detections], bool)
        ignored_by_match = np.array([*ignore[order], False])[matches]
        return {
            "dtScores": [d["score"] for d in detections],
            "dtMatches": matched,
            "dtIgnore": ignored_by_match | ((matched == 0) & outside),
            "gtIgnore": ignore[order],
        }


def _outside(item: dict[str, Any], area_range: list[float]) -> bool:
    return not area_range[0] <= item["area"] <= area_range[1]


def _match(
    ious: NDArray[np.float64],
    ignore: NDArray[np.bool_],
    instances: list[dict[str, Any]],
    thresholds: NDArray[np.float64],
) -> NDArray[np.int64]:
    """The instance each detection takes at each threshold, best-ranked detection first.

    A detection takes the best overlapping instance that is free and counts, or else one that is
    ignored. Crowd regions are never used up. Of equal overlaps the later one wins.

    Args:
        ious: (D, G), by rank; instances that count first.
        ignore: (G,), ascending.
        instances: G annotations.
        thresholds: (T,), each in [0, 1].

    Returns:
        (T, D), an index into ``instances``, -1 for none.
    """
    thresholds = np.minimum(thresholds, 1 - 1e-10)  # as pycocotools: an IoU of 1 may fall short
    matches = np.full((len(thresholds), len(ious)), -1)
    crowd = [bool(g["iscrowd"]) for g in instances]
    candidates = [
        (row, [(int(g), float(ious[row, g])) for g in np.flatnonzero(overlaps)])
        for row, overlaps in enumerate(ious >= thresholds.min())
        if overlaps.any()
    ]
    for t, threshold in enumerate(thresholds):
        taken: set[int] = set()
        for row, pairs in candidates:
            best, best_iou = -1, threshold
            for g, iou in pairs:
                if best >= 0 and ignore[g] and not ignore[best]:
                    break
                if iou >= best_iou and (crowd[g] or g not in taken):
                    best, best_iou = g, iou
            if best >= 0:
                matches[t, row] = best
                taken.add(best)
    return matches
