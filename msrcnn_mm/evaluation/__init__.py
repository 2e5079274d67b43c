"""Evaluation of masks ranked by class score, by mask score and by the oracle.

It knows result fields only, never models: what it measures may come from any detector, live
(:class:`MaskScoreMetric`) or from a results file (:func:`load_results`).
"""

from .examples import Example, ScoredMask, choose_examples
from .mask_score_metric import MaskScoreMetric
from .oracle import GroundTruth, ground_truth_masks, true_mask_ious
from .rankings import Protocol, ScoreRankings, average_precisions, rank_by_scores
from .results_file import DumpCocoResults, load_annotations, load_results

__all__ = [
    "DumpCocoResults",
    "Example",
    "GroundTruth",
    "MaskScoreMetric",
    "Protocol",
    "ScoreRankings",
    "ScoredMask",
    "average_precisions",
    "choose_examples",
    "ground_truth_masks",
    "load_annotations",
    "load_results",
    "rank_by_scores",
    "true_mask_ious",
]
