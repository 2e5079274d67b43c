"""Adds foreground probabilities and mask statistics to CondInst and BoxInst."""

import math
from typing import Any

from mmdet.models import dense_heads
from mmdet.registry import MODELS
from mmdet.utils import InstanceList
from torch import Tensor

from .mask_encoding import EncodesMasks, Rle
from .probability_fields import add_fields_of_maps


class _AddsProbabilities(EncodesMasks):
    """Adds ``foreground_probs`` and ``mask_statistics`` to the results of a mask head.

    Shape shorthand: D detections of an image, h x w cells of ``mask_out_stride`` (4) pixels.
    """

    mask_out_stride: int
    test_cfg: Any

    def predict_by_feat(
        self,
        mask_preds: list[Tensor],
        results_list: InstanceList,
        batch_img_metas: list[dict],
        rescale: bool = True,
        **kwargs: Any,
    ) -> InstanceList:
        """Adds masks, foreground probabilities and mask statistics to each image's detections.

        Args:
            mask_preds: (D, h, w) mask logits of each image; (0, 1, h, w) without detections.
            results_list: detections of each image, boxes in pixels of the network's input.
            batch_img_metas: meta information of each image.
            rescale: whether boxes and masks are scaled to the original images' size.
            **kwargs: not used.

        Returns:
            The detections with ``masks``, (D, height, width) bool or D RLEs, see
            :class:`.EncodesMasks`, ``foreground_probs``, (D,) in [0, 1], and ``mask_statistics``,
            (D, S), see :func:`.mask_statistics`.
        """
        results_list = super().predict_by_feat(  # type: ignore[misc]
            mask_preds, results_list, batch_img_metas, rescale, **kwargs
        )
        for results, logits, meta in zip(results_list, mask_preds, batch_img_metas, strict=True):
            probs = logits.view(-1, *logits.shape[-2:]).float().sigmoid()
            threshold = self.test_cfg.mask_thr
            add_fields_of_maps(
                results, probs, threshold, self.mask_out_stride, meta, self.patch_side
            )
        return results_list

    def _predict_by_feat_single(
        self, mask_preds: Tensor, bboxes: Tensor, img_meta: dict, rescale: bool, *args: Any
    ) -> Tensor | list[Rle]:
        """Returns the masks of one image; scales its boxes in place with ``rescale``."""
        scaled = bboxes.clone()

        def make(some: slice) -> Tensor:
            scaled.copy_(bboxes)
            masks: Tensor = super(_AddsProbabilities, self)._predict_by_feat_single(  # type: ignore[misc]
                mask_preds[some], scaled, img_meta, rescale, *args
            )
            return masks

        padded = math.prod(mask_preds.shape[1:]) * self.mask_out_stride**2
        pixels = max(padded, math.prod(img_meta["ori_shape"][:2]))
        masks = self.image_masks(make, len(mask_preds), pixels)
        bboxes.copy_(scaled)
        return masks


@MODELS.register_module(force=True)
class CondInstMaskHead(_AddsProbabilities, dense_heads.CondInstMaskHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class BoxInstMaskHead(_AddsProbabilities, dense_heads.BoxInstMaskHead):
    """Replaces MMDetection's class of the same name."""
