"""Adds the scores of a re-scorer to the predictions of a model."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from mmdet.structures import DetDataSample

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.rescoring.rescorer import Rescorer, read_rescorer

from .predictions import LABELS, to_arrays, to_detections

SETTING = "rescorer"
"""Setting of ``model.test_cfg`` that names a re-scorer's file."""

OLD_SETTING = "calibration"
"""Its name in version 0.1."""


def rescorer_file(settings: Mapping[str, Any]) -> str | None:
    """Returns the file that :data:`SETTING` or, with a warning, :data:`OLD_SETTING` names.

    Args:
        settings: Such as ``model.test_cfg``.

    Raises:
        UserError: Both name one.
    """
    file, old = settings.get(SETTING), settings.get(OLD_SETTING)
    if old is None:
        return file
    if file is not None:
        raise UserError(
            f"model.test_cfg has {OLD_SETTING} and {SETTING}, which is its name now: leave one out"
        )
    _warn_of_old_name()
    return str(old)


@cache
def _warn_of_old_name() -> None:
    warn(f"model.test_cfg.{OLD_SETTING} is now called model.test_cfg.{SETTING}")


def read_named_rescorer(
    settings: Mapping[str, Any], classes: Sequence[str] | None, views: Sequence[str] = ()
) -> Rescorer | None:
    """Reads the re-scorer that settings name.

    Args:
        settings: Such as ``model.test_cfg``; see :func:`rescorer_file`.
        classes: Names of the model's classes; None if they are not known.
        views: Kinds of the views with which the model compares its masks.

    Raises:
        UserError: The file cannot be read, or was fitted with other views or on other classes.
    """
    file = rescorer_file(settings)
    if file is None:
        return None
    rescorer = read_rescorer(file)
    try:
        rescorer.check_model(classes, views)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return rescorer


def add_rescored_scores(sample: DetDataSample, rescorer: Rescorer) -> None:
    """Adds a re-scorer's columns, (D,) in double precision, to one image's D predictions.

    Raises:
        UserError: The model predicts no instances, or lacks what a score is computed from.
    """
    if "pred_instances" not in sample:
        raise UserError(f"test_cfg.{SETTING}: this model predicts no instances")
    instances = sample.pred_instances
    # encoding masks takes longer than a calibrator
    fields = {k: v for k, v in instances.items() if k != "masks" or rescorer.method.needs_masks}
    detections = to_detections(to_arrays(fields), sample.get("img_id"), LABELS)
    for name, column in rescorer.score(detections).columns().items():
        # In double precision: rounding would tie scores that differ.
        instances.set_field(torch.from_numpy(column).to(instances.scores.device), name)
