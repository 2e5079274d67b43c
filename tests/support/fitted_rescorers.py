"""Fits a re-scorer to the predictions of a model, with some of them as the ground truth."""

import json
from collections.abc import Sequence
from pathlib import Path

from mmengine.structures import InstanceData

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.rescoring.calibrators.calibrated_score import CalibratedScore
from msrcnn_mm.rescoring.rescorer import Rescorer
from msrcnn_mm.rescoring.rescorer_fit import fit_rescorer
from tests.support.coco_scenes import as_coco

FIRST_CATEGORY, STEP = 3, 4  # category ids are no labels


def detections_of(predictions: Sequence[InstanceData], classes: Sequence[str]) -> Detections:
    """Returns the detections of images with the ids 10, 11 and so on."""
    ids = [FIRST_CATEGORY + STEP * label for label in range(len(classes))]
    return Detections.concatenate(
        [to_detections(to_arrays(one), 10 + i, ids) for i, one in enumerate(predictions)]
    )


def write_calibration(path: Path, method: CalibratedScore) -> Path:
    """Writes a re-scorer as a calibration of version 0.1."""
    content = {
        "format": "msrcnn_mm calibration 1",
        **{k: v for k, v in method.to_json().items() if k != "views"},
        "fitted_on": {"annotations": "gt.json", "detections": 9, "images": []},
    }
    path.write_text(json.dumps(content))
    return path


def rescorer_of(
    predictions: Sequence[InstanceData], classes: Sequence[str], name: str = "gt.json"
) -> Rescorer:
    """Fits a re-scorer for which every third detection is right."""
    found = detections_of(predictions, classes)
    assert found.masks is not None
    truth = [
        {
            "id": index + 1,
            "image_id": found.image_ids[index],
            "category_id": found.category_ids[index],
            "segmentation": found.masks[index],
            "area": 1000.0,
            "bbox": [0.0, 0.0, 1.0, 1.0],
            "iscrowd": 0,
        }
        for index in range(0, len(found), 3)
    ]
    categories = {FIRST_CATEGORY + STEP * label: name for label, name in enumerate(classes)}
    coco = as_coco(truth, len(predictions), categories)
    for image, prediction in zip(coco.imgs.values(), predictions, strict=True):
        image["height"], image["width"] = prediction.masks.shape[1:]
    return fit_rescorer(found, coco, name)
