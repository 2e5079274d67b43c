"""A page that says whether the scores of masks can be trusted, made of evaluations.

Every number in it is an evaluation's; nothing here computes a metric.
"""

from .evaluated_detector import ReportModel
from .page import Report
from .write import write_report

__all__ = ["Report", "ReportModel", "write_report"]
