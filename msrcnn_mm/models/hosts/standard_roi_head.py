"""Mask R-CNN's own RoI head, with what its masks say of themselves."""

import torch
from mmdet.models import roi_heads
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from torch import Tensor

from ..scorers.maskness import foreground_probs
from ..targets.class_targets import of_class


@MODELS.register_module(force=True)
class StandardRoIHead(roi_heads.StandardRoIHead):
    """MMDetection's class of the name; results of a mask head gain ``foreground_probs``.

    So maskness, the score of masks that needs no scorer, is measured of a stock Mask R-CNN, too.
    """

    def predict_mask(
        self,
        x: tuple[Tensor, ...],
        batch_img_metas: list[dict],
        results_list: InstanceList,
        rescale: bool = False,
    ) -> InstanceList:
        """Adds masks and their foreground probabilities to each image's detections.

        Args:
            x: feature maps of all levels.
            batch_img_metas: meta information of each image.
            results_list: detections of each image, boxes in the network's input coordinates.
            rescale: bring boxes and masks back to the original images' size.

        Returns:
            The detections with ``masks`` (boolean, image-sized) and ``foreground_probs``.
        """
        mask_rois = bbox2roi([results.bboxes for results in results_list])
        mask_preds = self._mask_forward(x, mask_rois)["mask_preds"]
        return self._add_masks(mask_preds, batch_img_metas, results_list, rescale)

    def _add_masks(
        self,
        mask_preds: Tensor,
        batch_img_metas: list[dict],
        results_list: InstanceList,
        rescale: bool,
    ) -> InstanceList:
        """The same, of (R, C|1, M, M) mask logits of all detections."""
        counts = [len(results) for results in results_list]
        labels = torch.cat([results.labels for results in results_list])
        probs = foreground_probs(of_class(mask_preds, labels), self.test_cfg.mask_thr_binary)
        results_list = self.mask_head.predict_by_feat(
            mask_preds=mask_preds.split(counts),
            results_list=results_list,
            batch_img_metas=batch_img_metas,
            rcnn_test_cfg=self.test_cfg,
            rescale=rescale,
        )
        for results, of_image in zip(results_list, probs.split(counts), strict=True):
            results.foreground_probs = of_image
        return results_list
