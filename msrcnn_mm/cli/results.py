"""Reads results for a command."""

from pathlib import Path

from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.odd_results import warn_of_odd_results


def read_results(path: Path, coco: COCO | None = None, partial: bool = False) -> Detections:
    """Reads results by :func:`.load_results`, and warns of what is odd in them.

    Args:
        path: The file.
        coco: The annotations that the results should belong to; None for any.
        partial: Whether results of a part of the annotated images are as good.

    Raises:
        UserError: See :func:`.load_results`.
    """
    detections = load_results(path, coco, partial)
    warn_of_odd_results(detections, str(path), coco)
    return detections
