"""Writes an HTML report on the scores of masks, from evaluations.

Every number in it comes from an evaluation; this package computes no metric.
"""

from .evaluated_detector import EvaluatedDetector
from .page import Report
from .write import write_report

__all__ = ["EvaluatedDetector", "Report", "write_report"]
