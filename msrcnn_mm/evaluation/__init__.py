"""Evaluation of masks ranked by class score, mask score, maskness and the oracle.

It reads detections and annotations only, so the masks may come from any detector.
"""

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results

from .evaluate import evaluate_scores
from .evaluation_result import ScoreEvaluation, as_json
from .protocol import Protocol, coco_protocol
from .true_ious import true_ious

__all__ = [
    "Protocol",
    "ScoreEvaluation",
    "as_json",
    "coco_protocol",
    "evaluate_scores",
    "load_annotations",
    "load_results",
    "true_ious",
]
