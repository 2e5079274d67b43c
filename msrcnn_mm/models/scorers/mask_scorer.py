"""The base class of the scorers, which computes mask scores from predicted mask IoUs.

Shape shorthand: D detections of an image or of several, C classes.
"""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from msrcnn_mm.errors import SettingError

from ..class_selection import select_class
from .seen_detections import SeenDetections


class MaskScorer(BaseModule):
    """Base class of the networks that predict the IoU of each mask with its ground truth.

    A scorer that can learn from a host's own detections has :meth:`quality` too.

    Attributes:
        patch_side: Side of the masks that :meth:`quality` reads.
        roi_feat_size: Side of the features that it reads; 0 for none.
        in_channels: Channels of these features.
        num_classes: C.
        unused_by_quality: Names of the settings that :meth:`quality` does not read.
    """

    patch_side: int = 28
    roi_feat_size: int = 0
    in_channels: int
    num_classes: int
    unused_by_quality: tuple[str, ...] = ()
    loss_iou: nn.Module

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
            self.add_scores(results, select_class(predicted, results.labels))
        return results_list

    def add_scores(self, results: InstanceData, quality: Tensor) -> None:
        """Adds ``mask_ious`` and ``mask_scores`` to an image's detections.

        Args:
            results: D detections with ``scores``; changed in place.
            quality: (D,) predicted mask IoUs.
        """
        results.mask_ious = quality.float().clamp(0, 1)
        results.mask_scores = results.scores * results.mask_ious

    def require_channels(self, found: int) -> None:
        """Checks the number of channels of a host's features.

        Raises:
            SettingError: The scorer reads features, of another number.
        """
        if self.roi_feat_size and found != self.in_channels:
            raise SettingError(
                f"scorer.in_channels={self.in_channels}: the host's feature maps have"
                f" {found} channels: set it to {found}"
            )

    def quality(self, seen: SeenDetections) -> Tensor:
        """Predicts (D,) TP shares of a host's own detections, not clamped.

        A scorer without this method cannot learn from a host's detections.
        """
        raise NotImplementedError

    def quality_loss(self, seen: SeenDetections, targets: Tensor) -> dict[str, Tensor]:
        """Computes the loss of a host's own detections, a mean over those that count.

        Args:
            seen: D detections.
            targets: (D,) TP shares in [0, 1]; NaN for a detection that does not count.

        Returns:
            ``loss_tp_share``, a scalar; 0, with gradients of 0, where none counts.
        """
        counted = ~targets.isnan()
        quality = self.quality(seen).float()
        predicted = torch.where(counted, quality, 0)
        loss = self.loss_iou(
            predicted, targets.nan_to_num(0), avg_factor=counted.sum().clamp(min=1)
        )
        return {"loss_tp_share": loss}
