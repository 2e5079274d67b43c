"""The base class of the scorers, which computes mask scores from predicted mask IoUs.

Shape shorthand: D detections of an image, C classes.
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from ..class_selection import select_class


class MaskScorer(BaseModule):
    """Base class of the networks that predict the IoU of each mask with its ground truth."""

    def predict_by_feat(
        self, mask_ious: Sequence[Tensor], results_list: list[InstanceData]
    ) -> list[InstanceData]:
        """Adds mask IoUs and mask scores to each image's detections.

        Args:
            mask_ious: (D, C) or (D, 1) predicted mask IoUs of each image.
            results_list: detections of each image, with ``scores`` and ``labels``.

        Returns:
            The same detections with ``mask_ious``, (D,) s_iou in [0, 1], and ``mask_scores``, (D,)
            s_mask = s_cls * s_iou. ``scores`` do not change.
        """
        for results, predicted in zip(results_list, mask_ious, strict=True):
            results.mask_ious = select_class(predicted, results.labels).float().clamp(0, 1)
            results.mask_scores = results.scores * results.mask_ious
        return results_list
