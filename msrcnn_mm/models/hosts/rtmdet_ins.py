"""Adds foreground probabilities and mask statistics to RTMDet-Ins."""

from typing import Any

from mmdet.models import dense_heads
from mmdet.registry import MODELS
from mmdet.utils import ConfigType
from mmengine.structures import InstanceData
from torch import Tensor

from .mask_encoding import EncodesMasks
from .probability_fields import add_fields_of_maps


class _AddsProbabilities(EncodesMasks):
    """Adds ``foreground_probs`` and ``mask_statistics`` to the results of a head.

    Shape shorthand: D detections of an image, h x w cells of the finest stride (8 pixels).
    """

    prior_generator: Any
    _mask_predict_by_feat_single: Any

    def _bbox_mask_post_process(
        self,
        results: InstanceData,
        mask_feat: Tensor,
        cfg: ConfigType,
        rescale: bool = False,
        with_nms: bool = True,
        img_meta: dict | None = None,
    ) -> InstanceData:
        """Chooses the detections of one image and adds masks and mask statistics.

        Args:
            results: candidates, with the kernel of each.
            mask_feat: (prototypes, h, w) mask features.
            cfg: settings with ``mask_thr_binary``.
            rescale: whether boxes and masks are scaled to the original image's size.
            with_nms: must be true.
            img_meta: meta information of the image.

        Returns:
            D detections with ``masks``, (D, height, width) bool or D RLEs, see
            :class:`.EncodesMasks`, ``foreground_probs``, (D,) in [0, 1], and ``mask_statistics``,
            (D, S), see :func:`.mask_statistics`.
        """
        results = super()._bbox_mask_post_process(  # type: ignore[misc]
            results, mask_feat, cfg, rescale, with_nms, img_meta
        )
        logits = self._mask_predict_by_feat_single(mask_feat, results.kernels, results.priors)
        probs = logits.float().sigmoid()
        stride = self.prior_generator.strides[0][0]
        add_fields_of_maps(
            *(results, probs, cfg["mask_thr_binary"], stride, img_meta or {}, self.patch_side)
        )
        if self.encoder is not None:
            results.masks = self.encoder.whole(results.masks)
        return results


@MODELS.register_module(force=True)
class RTMDetInsHead(_AddsProbabilities, dense_heads.RTMDetInsHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class RTMDetInsSepBNHead(_AddsProbabilities, dense_heads.RTMDetInsSepBNHead):
    """Replaces MMDetection's class of the same name."""
