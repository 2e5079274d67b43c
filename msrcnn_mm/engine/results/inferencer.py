"""An inferencer whose predictions keep the scores of masks."""

from pathlib import Path
from typing import Any

import mmengine
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmengine.registry import INFERENCERS

from msrcnn_mm.coco.detections import SCORE_ENTRIES
from msrcnn_mm.rescoring.calibration_file import read_calibration

from .predictions import add_calibrated_scores, calibration_of


@INFERENCERS.register_module()
class MaskScoringInferencer(DetInferencer):
    """``DetInferencer`` whose predictions keep the scores of masks.

    Beside ``labels``, ``scores``, ``bboxes`` and ``masks`` a prediction has ``mask_ious``,
    ``mask_scores`` and ``foreground_probs``, each a list of D numbers, where the detector predicts
    them; and ``calibrated_scores`` where ``model.test_cfg.calibration`` names a calibration.
    ``DetInferencer`` itself does neither.

    Args:
        *args: Those of ``DetInferencer``; a config must be given beside the weights.
        **kwargs: Likewise.

    Raises:
        UserError: The calibration cannot be read, or the detector lacks a score that it needs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        path = calibration_of(self.model)
        self.calibration = None if path is None else read_calibration(path)

    def forward(self, inputs: Any, **kwargs: Any) -> list[DetDataSample]:
        """Predicts a batch, and calibrates its scores."""
        samples = super().forward(inputs, **kwargs)
        if self.calibration is not None:
            for sample in samples:
                add_calibrated_scores(sample, self.calibration)
        return samples

    def pred2dict(self, data_sample: DetDataSample, pred_out_dir: str = "") -> dict[str, Any]:
        """Converts one image's predictions to a dictionary, and writes it where a folder is given.

        Args:
            data_sample: The predictions.
            pred_out_dir: Folder in whose ``preds`` a JSON file is written; none without.
        """
        number = self.num_predicted_imgs
        result: dict[str, Any] = super().pred2dict(data_sample, pred_out_dir)
        instances = data_sample.get("pred_instances", {})
        scores = {name: instances[name].tolist() for name in SCORE_ENTRIES if name in instances}
        result.update(scores)
        if pred_out_dir and scores:  # the base class has written it without them
            name = Path(data_sample.img_path).stem if "img_path" in data_sample else number
            mmengine.dump(result, f"{pred_out_dir}/preds/{name}.json")
        return result
