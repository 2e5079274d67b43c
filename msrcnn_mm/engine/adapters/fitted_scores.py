"""Adds scores that were fitted after training to the predictions of a model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibration_file import read_calibration
from msrcnn_mm.rescoring.rescorer import read_rescorer

from .predictions import to_arrays, to_detections

SETTINGS = {"calibration": "calibrated_scores", "rescorer": "rescored_scores"}
"""Setting of ``model.test_cfg`` that names a file -> the field of ``pred_instances`` it gives."""

FittedScores = Mapping[str, Callable[[Detections], Column]]
"""Setting of :data:`SETTINGS` -> function that computes (D,) scores of one image's detections."""

_LABELS = range(2**31)  # as category ids: only which detections share a class matters


def fitted_scores(settings: Mapping[str, Any], classes: Sequence[str] | None) -> FittedScores:
    """Reads the files that settings name.

    Args:
        settings: Such as ``model.test_cfg``; those of :data:`SETTINGS` count.
        classes: Names of the model's classes; None if they are not known.

    Raises:
        UserError: A file cannot be read, or a re-scorer was fitted with views or other classes.
    """
    found: dict[str, Callable[[Detections], Column]] = {}
    if settings.get("calibration") is not None:
        found["calibration"] = read_calibration(settings["calibration"]).apply
    if settings.get("rescorer") is not None:
        rescorer = read_rescorer(settings["rescorer"])
        try:
            rescorer.check_model(classes)
        except UserError as error:
            raise UserError(f"{settings['rescorer']}: {error}") from error
        found["rescorer"] = rescorer.score_image
    return found


def add_fitted_scores(sample: DetDataSample, scores: FittedScores) -> None:
    """Sets fields of :data:`SETTINGS`, (D,) in double precision, of one image's D predictions.

    Raises:
        UserError: The model predicts no instances, or lacks what a score is computed from.
    """
    if "pred_instances" not in sample:
        raise UserError(f"test_cfg.{' and '.join(scores)}: this model predicts no instances")
    instances = sample.pred_instances
    # encoding masks takes longer than a calibration
    fields = {k: v for k, v in instances.items() if k != "masks" or "rescorer" in scores}
    detections = to_detections(to_arrays(fields), sample.get("img_id"), _LABELS)
    for setting, compute in scores.items():
        # In double precision: rounding would tie scores that differ.
        values = torch.from_numpy(compute(detections)).to(instances.scores.device)
        instances.set_field(values, SETTINGS[setting])
