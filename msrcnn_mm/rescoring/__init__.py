"""Calibrators, which are fitted after training and bring a score nearer to the mask's IoU.

They are fitted on results and annotations (:func:`fit_calibration`), stored as a small JSON file
(:class:`CalibrationFile`) and applied to results (:func:`add_calibrated_scores`) or, by
``model.test_cfg.calibration``, to the predictions of a detector.
"""

from .calibration_file import METHODS, CalibrationFile, read_calibration
from .fitting import add_calibrated_scores, fit_calibration

__all__ = [
    "METHODS",
    "CalibrationFile",
    "add_calibrated_scores",
    "fit_calibration",
    "read_calibration",
]
