"""``model.test_cfg.calibration``: detectors whose predictions carry ``calibrated_scores``.

Every detector of MMDetection keeps its ``test_cfg`` and predicts in ``BaseDetector.forward``, in a
test as in an inferencer, so the setting is read there.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.detectors import BaseDetector
from mmengine.structures import InstanceData

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibration_file import CalibrationFile, read_calibration


def let_detectors_calibrate() -> None:
    """Has all of MMDetection's detectors read ``test_cfg.calibration``, a file's name.

    Where it is set, ``pred_instances`` gain ``calibrated_scores``, (D,) in double precision; all
    other fields stay. Without it nothing changes.
    """
    forward = BaseDetector.forward

    @functools.wraps(forward)
    def calibrated_forward(
        self: BaseDetector, inputs: Any, data_samples: Any = None, mode: str = "tensor"
    ) -> Any:
        predicted = forward(self, inputs, data_samples, mode)
        path = (getattr(self, "test_cfg", None) or {}).get("calibration")
        if mode == "predict" and path is not None:
            calibration = _read(Path(path).resolve(), _version(Path(path)))
            for sample in predicted:
                if "pred_instances" not in sample:
                    raise UserError("test_cfg.calibration: this model predicts no instances")
                _calibrate(sample.pred_instances, calibration)
        return predicted

    BaseDetector.forward = calibrated_forward


@functools.cache
def _read(path: Path, version: tuple[int, ...] | None) -> CalibrationFile:
    return read_calibration(path)


def _version(path: Path) -> tuple[int, ...] | None:
    """What tells a file from its successor of the same name."""
    try:
        stat = path.stat()
    except OSError:
        return None  # reading it says why
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _calibrate(instances: InstanceData, calibration: CalibrationFile) -> None:
    """Sets ``calibrated_scores`` of one image's D predictions."""

    def column(field: str) -> np.ndarray | None:
        return instances[field].double().cpu().numpy() if field in instances else None

    scores = column("scores")
    assert scores is not None
    detections = Detections(
        image_ids=[None] * len(scores),
        category_ids=[None] * len(scores),
        class_scores=scores,
        mask_ious=column("mask_ious"),
        mask_scores=column("mask_scores"),
        foreground_probs=column("foreground_probs"),
    )
    # In double precision: rounding would tie what the calibrator keeps apart.
    values = torch.from_numpy(calibration.apply(detections))
    instances.calibrated_scores = values.to(instances.scores.device)
