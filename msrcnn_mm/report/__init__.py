"""A page that says whether the scores of masks can be trusted, made of evaluations.

Data (:mod:`.model`, :mod:`.answers`, :mod:`.risk_coverage`) become figures (:mod:`.ap_figures`,
:mod:`.score_figures`, :mod:`.gallery`), and these a page (:mod:`.page`). Every number in it is an
evaluation's; nothing here computes a metric.
"""

from .model import ReportModel
from .page import Report
from .write import write_report

__all__ = ["Report", "ReportModel", "write_report"]
