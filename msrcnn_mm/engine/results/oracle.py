"""The upper bound of mask scoring, as a test run: MS R-CNN* of the paper's section 4.4.

(Huang et al., CVPR 2019.) There the predicted mask IoU stays where the true one is 0; here, as in
every ranking by the oracle, it becomes 0.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.true_ious import true_ious

from .dump import category_ids
from .predictions import to_arrays, to_detections


class UpperBoundHook(Hook):
    """Replaces s_iou by the true IoU in all that a test sees, writes and draws.

    It changes what the model's ``test_step`` returns, as the one place that every host, every
    wrapper of a model and test-time augmentation have in common: metrics, results files and
    pictures all come after it. ``scores`` stay, so box AP does. A host without a scorer, as Mask
    R-CNN, gets mask scores too.

    The true IoU is that of :func:`true_ious`: with the best-fitting instance of the mask's
    class in its image, crowd regions left out.

    Args:
        ann_file: The annotations of the tested images, in COCO's format.

    Raises:
        UserError: ``ann_file`` cannot be read, at once and not after the test.
    """

    def __init__(self, ann_file: str | Path) -> None:
        self.ann_file = ann_file
        self._coco = load_annotations(ann_file)

    def before_test(self, runner: Runner) -> None:
        """Has the model's predictions carry true IoUs from here on.

        Raises:
            UserError: The annotations lack a class of the data set.
        """
        classes = runner.test_loop.dataloader.dataset.metainfo["classes"]
        ids = category_ids(self._coco.dataset["categories"], classes, self.ann_file)
        predict: Callable[[Any], Sequence[DetDataSample]] = runner.model.test_step

        @functools.wraps(predict)
        def test_step(data: Any) -> Sequence[DetDataSample]:
            samples = predict(data)
            for sample in samples:
                self._score(sample, ids)
            return samples

        runner.model.test_step = test_step
        MMLogger.get_current_instance().warning(
            "upper bound, not a result: mask_ious are the true IoUs, taken from the ground truth,"
            " and mask_scores follow"
        )

    def after_test(self, runner: Runner) -> None:
        """Gives the model its own predictions back, and says once more what the figures are."""
        del runner.model.test_step  # the class's own shows again
        MMLogger.get_current_instance().warning(
            "the figures of masks above are an upper bound, not a result of this model"
        )

    def _score(self, sample: DetDataSample, ids: Sequence[int]) -> None:
        """Sets ``mask_ious`` and ``mask_scores`` of one image's D predictions."""
        predicted = sample.pred_instances
        if "masks" not in predicted:
            raise UserError("--upper-bound: the model predicts no masks")
        detections = to_detections(to_arrays(predicted), sample.img_id, ids)
        ious = torch.from_numpy(true_ious(self._coco, detections))
        # In double precision, as the oracle of an evaluation ranks: rounding would tie masks.
        predicted.mask_ious = ious.to(predicted.scores.device)
        predicted.mask_scores = predicted.scores.double() * predicted.mask_ious
