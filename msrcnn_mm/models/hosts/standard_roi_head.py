"""Mask R-CNN's RoI head, with foreground probabilities and statistics of its masks."""

import torch
from mmdet.models import roi_heads
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from torch import Tensor

from ..class_selection import select_class
from ..scorers.mask_statistics import mask_statistics
from ..scorers.maskness import mean_over_foreground


@MODELS.register_module(force=True)
class StandardRoIHead(roi_heads.StandardRoIHead):
    """Replaces MMDetection's class of the same name and adds ``foreground_probs`` and
    ``mask_statistics`` to its results.

    Maskness, which needs no scorer, follows from them for a stock Mask R-CNN too.
    """

    def predict_mask(
        self,
        x: tuple[Tensor, ...],
        batch_img_metas: list[dict],
        results_list: InstanceList,
        rescale: bool = False,
    ) -> InstanceList:
        """Adds masks and numbers of their probabilities to each image's detections.

        Args:
            x: feature maps of all levels.
            batch_img_metas: meta information of each image.
            results_list: detections of each image, boxes in pixels of the network's input.
            rescale: whether boxes and masks are scaled to the original images' size.

        Returns:
            The detections with ``masks``, (D, height, width) bool, ``foreground_probs``, (D,) in
            [0, 1], and ``mask_statistics``, (D, S), see :func:`.mask_statistics`.
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
        """Adds masks, given (R, C or 1, M, M) mask logits of all detections of the batch."""
        counts = [len(results) for results in results_list]
        labels = torch.cat([results.labels for results in results_list])
        probs = select_class(mask_preds, labels).float().sigmoid()
        foreground = probs >= self.test_cfg.mask_thr_binary
        means = mean_over_foreground(probs, foreground)
        statistics = mask_statistics(probs, foreground)
        results_list = self.mask_head.predict_by_feat(
            mask_preds=mask_preds.split(counts),
            results_list=results_list,
            batch_img_metas=batch_img_metas,
            rcnn_test_cfg=self.test_cfg,
            rescale=rescale,
        )
        images = zip(results_list, means.split(counts), statistics.split(counts), strict=True)
        for results, image_means, image_statistics in images:
            results.foreground_probs = image_means
            results.mask_statistics = image_statistics
        return results_list
