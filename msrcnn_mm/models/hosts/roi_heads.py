"""Gives the detections of RoI heads with masks the same fields where there are none."""

from typing import Any

import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models import roi_heads
from mmdet.registry import MODELS
from mmdet.utils import InstanceList
from torch import Tensor

from .probability_fields import add_empty_fields


class _FillsEmptyResults:
    """Adds empty ``foreground_probs`` and ``mask_statistics`` to images without detections.

    Those of detections are added by the mask head, see :mod:`.mask_heads`. RoI heads do
    not call it for a batch without any detection.
    """

    def predict_mask(self, *args: Any, **kwargs: Any) -> InstanceList:
        """Adds masks to each image's detections as MMDetection's class does.

        Args:
            *args: passed on to MMDetection's class.
            **kwargs: passed on to MMDetection's class.

        Returns:
            The detections with ``masks``, ``foreground_probs`` and ``mask_statistics``.
        """
        results_list = super().predict_mask(*args, **kwargs)  # type: ignore[misc]
        for results in results_list:
            if not len(results):
                add_empty_fields(results)
        return results_list


@MODELS.register_module(force=True)
class StandardRoIHead(_FillsEmptyResults, roi_heads.StandardRoIHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class PISARoIHead(_FillsEmptyResults, roi_heads.PISARoIHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class PointRendRoIHead(_FillsEmptyResults, roi_heads.PointRendRoIHead):
    """Replaces MMDetection's class of the same name.

    That class fails at an image without detections if another image of the batch has some.
    """

    def _mask_point_forward_test(
        self, x: tuple[Tensor, ...], rois: Tensor, label_preds: Tensor, mask_preds: Tensor
    ) -> Tensor:
        """Refines the masks of an image; no masks get the size of refined ones too."""
        if not len(rois):
            for _ in range(self.test_cfg.subdivision_steps):
                mask_preds = F.interpolate(mask_preds, scale_factor=self.test_cfg.scale_factor)
            return mask_preds
        return super()._mask_point_forward_test(x, rois, label_preds, mask_preds)


@MODELS.register_module(force=True)
class CascadeRoIHead(_FillsEmptyResults, roi_heads.CascadeRoIHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class HybridTaskCascadeRoIHead(_FillsEmptyResults, roi_heads.HybridTaskCascadeRoIHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class SCNetRoIHead(_FillsEmptyResults, roi_heads.SCNetRoIHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class SparseRoIHead(_FillsEmptyResults, roi_heads.SparseRoIHead):
    """Replaces MMDetection's class of the same name."""
