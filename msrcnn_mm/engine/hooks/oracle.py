"""The oracle as a test run: MS R-CNN* of section 4.4 of Huang et al., CVPR 2019.

There the predicted mask IoU stays where the true IoU is 0. Here, as in every ranking by the oracle,
it becomes 0.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.true_ious import true_ious

from ..adapters.coco_dataset import meta_of
from ..adapters.dump import category_ids
from ..adapters.predictions import change_predictions, to_arrays, to_detections


@HOOKS.register_module()
class OracleHook(Hook):
    """Replaces s_iou by the true IoU in all that a test measures, writes and draws.

    ``scores`` stay, so box AP does. A host without a scorer, such as Mask R-CNN, gets mask scores
    too. The true IoU is that with the best-fitting instance of the mask's class in its image, crowd
    regions left out.

    Args:
        ann_file: The annotations of the tested images, in COCO's format.

    Raises:
        UserError: ``ann_file`` cannot be read, lacks a class of the data set, or the model predicts
            no masks.
    """

    def __init__(self, ann_file: str | Path) -> None:
        self.ann_file = ann_file
        self._coco = load_annotations(ann_file)

    def before_test(self, runner: Runner) -> None:
        """Starts to replace s_iou in the model's predictions."""
        if isinstance(runner.model, BaseTTAModel):
            raise UserError("--oracle: test-time augmentation merges boxes without their masks")
        classes = meta_of(runner.test_loop.dataloader.dataset)["classes"]
        ids = category_ids(self._coco.dataset["categories"], classes, self.ann_file)
        self._handle = change_predictions(runner.model, partial(self._score, ids=ids))
        MMLogger.get_current_instance().warning(
            "oracle, not a result: mask_ious are the true IoUs, taken from the ground truth, and "
            "mask_scores follow"
        )

    def after_test(self, runner: Runner) -> None:
        """Ends the replacement, and repeats the warning."""
        self._handle.remove()
        MMLogger.get_current_instance().warning(
            "the figures of masks above are those of the oracle, not a result of this model"
        )

    def _score(self, sample: DetDataSample, ids: Sequence[int]) -> None:
        """Sets ``mask_ious`` and ``mask_scores`` of one image's D predictions."""
        predicted = sample.get("pred_instances", ())
        if "masks" not in predicted:
            raise UserError("--oracle: the model predicts no masks")
        detections = to_detections(to_arrays(predicted), sample.img_id, ids)
        ious = torch.from_numpy(true_ious(self._coco, detections))
        # In double precision, as the oracle of an evaluation ranks: rounding would tie masks.
        predicted.mask_ious = ious.to(predicted.scores.device)
        predicted.mask_scores = predicted.scores.double() * predicted.mask_ious
