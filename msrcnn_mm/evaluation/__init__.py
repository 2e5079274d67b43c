"""Evaluation of masks ranked by class score, mask score, maskness and the oracle.

It knows result fields only, never models: what it measures may come from any detector, live
(:class:`MaskScoreMetric`) or from a results file (:func:`load_results`).
"""

from .annotation_file import load_annotations
from .average_precision import average_precisions
from .evaluate import evaluate_scores
from .examples import Example, ScoredMask, choose_examples
from .mask_score_metric import MaskScoreMetric
from .oracle import GroundTruth, ground_truth_masks, true_mask_ious
from .protocol import Protocol, coco_protocol
from .results_file import DumpCocoResults, load_results
from .score_evaluation import ScoreEvaluation, as_json

__all__ = [
    "DumpCocoResults",
    "Example",
    "GroundTruth",
    "MaskScoreMetric",
    "Protocol",
    "ScoreEvaluation",
    "ScoredMask",
    "as_json",
    "average_precisions",
    "choose_examples",
    "coco_protocol",
    "evaluate_scores",
    "ground_truth_masks",
    "load_annotations",
    "load_results",
    "true_mask_ious",
]
