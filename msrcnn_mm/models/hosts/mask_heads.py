"""Adds foreground probabilities and mask statistics to the Mask R-CNN family.

Their mask targets take less memory than MMDetection's, see :mod:`...targets.mask_targets`.
"""

from collections.abc import Sequence

import torch
from mmdet.models.roi_heads import mask_heads
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor

from ..class_selection import select_class
from ..scorers.box_cells import map_cells
from ..scorers.mask_statistics import mask_statistics
from ..scorers.maskness import mean_over_foreground
from ..targets.mask_targets import mask_targets
from .mask_encoding import EncodesMasks, Rle
from .probability_fields import add_patches, resized_patches


class _AddsProbabilities(EncodesMasks):
    """Adds ``foreground_probs`` and ``mask_statistics`` to the results of a mask head.

    All RoI heads with masks, of one stage or several, end in ``predict_by_feat`` of their mask
    head. Maskness, which needs no scorer, follows from its ``foreground_probs``.

    Shape shorthand: D detections of an image, C classes, M side of the masks.

    Attributes:
        adds_numbers: Whether it adds ``foreground_probs`` and ``mask_statistics``. By default it
            does; a scorer that is trained with the host reads neither.
    """

    adds_numbers = True

    def predict_by_feat(
        self,
        mask_preds: Sequence[Tensor],
        results_list: InstanceList,
        batch_img_metas: list[dict],
        rcnn_test_cfg: ConfigType,
        rescale: bool = False,
        activate_map: bool = False,
    ) -> InstanceList:
        """Adds masks, foreground probabilities and mask statistics to each image's detections.

        Args:
            mask_preds: (D, C or 1, M, M) mask logits of each image.
            results_list: detections of each image, boxes in pixels of the network's input.
            batch_img_metas: meta information of each image.
            rcnn_test_cfg: settings with ``mask_thr_binary``.
            rescale: whether boxes and masks are scaled to the original images' size.
            activate_map: whether ``mask_preds`` are probabilities, means over stages.

        Returns:
            The detections with ``masks``, (D, height, width) bool or D RLEs, see
            :class:`.EncodesMasks`, ``foreground_probs``, (D,) in [0, 1], and ``mask_statistics``,
            (D, S), see :func:`.mask_statistics`.
        """
        counts = [len(results) for results in results_list]
        images = zip(mask_preds, results_list, strict=True)
        probs = torch.cat([select_class(preds, results.labels) for preds, results in images])
        probs = probs.float() if activate_map else probs.float().sigmoid()
        results_list = super().predict_by_feat(  # type: ignore[misc]
            mask_preds, results_list, batch_img_metas, rcnn_test_cfg, rescale, activate_map
        )
        if self.adds_numbers:
            foreground = probs >= rcnn_test_cfg["mask_thr_binary"]
            cells = map_cells(probs)
            statistics = mask_statistics(probs.flatten(), foreground.flatten(), cells).split(counts)
            means = mean_over_foreground(probs, foreground).split(counts)
            for results, of_image, image_means in zip(results_list, statistics, means, strict=True):
                results.foreground_probs = image_means
                results.mask_statistics = of_image
        if self.patch_side:
            patches = resized_patches(probs, self.patch_side).split(counts)
            for results, of_image in zip(results_list, patches, strict=True):
                add_patches(results, of_image, results.bboxes)
        return results_list

    def _predict_by_feat_single(
        self,
        mask_preds: Tensor,
        bboxes: Tensor,
        labels: Tensor,
        img_meta: dict,
        rcnn_test_cfg: ConfigType,
        rescale: bool = False,
        activate_map: bool = False,
    ) -> Tensor | list[Rle]:
        """Returns the masks of one image; scales its boxes in place with ``rescale``."""
        threshold = rcnn_test_cfg["mask_thr_binary"]
        if self.encoder is None or threshold < 0:  # then masks are not binary
            masks: Tensor = super()._predict_by_feat_single(  # type: ignore[misc]
                *(mask_preds, bboxes, labels, img_meta, rcnn_test_cfg, rescale, activate_map)
            )
            return masks
        height, width = img_meta["ori_shape"][:2]
        # a training pipeline that resizes no image sets none
        factors = bboxes.new_tensor(img_meta.get("scale_factor", (1.0, 1.0)))
        if rescale:
            bboxes /= factors.repeat(2)
        else:
            width, height = (
                round(side * factor)
                for side, factor in zip((width, height), factors.tolist(), strict=True)
            )
        probs = select_class(mask_preds if activate_map else mask_preds.sigmoid(), labels)
        return self.encoder.in_boxes(probs, bboxes, height, width, threshold)


class _IndexesInstances:
    """Computes the mask targets of a mask head without a copy of the instance for each RoI."""

    def get_targets(
        self,
        sampling_results: list[SamplingResult],
        batch_gt_instances: InstanceList,
        rcnn_train_cfg: ConfigType,
    ) -> Tensor:
        """Computes the mask targets of a batch, equal to MMDetection's.

        Args:
            sampling_results: sampled RoIs of each image; the positive ones are used.
            batch_gt_instances: ground truth of each image, with ``masks``.
            rcnn_train_cfg: settings with ``mask_size``.

        Returns:
            (R, height, width) float32, see :func:`.mask_targets`.
        """
        images = zip(sampling_results, batch_gt_instances, strict=True)
        return torch.cat(
            [
                mask_targets(
                    gt.masks, sampled.pos_priors, sampled.pos_assigned_gt_inds, rcnn_train_cfg
                )
                for sampled, gt in images
            ]
        )


@MODELS.register_module(force=True)
class FCNMaskHead(_AddsProbabilities, _IndexesInstances, mask_heads.FCNMaskHead):
    """Replaces MMDetection's class of the same name: Mask R-CNN, Cascade Mask R-CNN."""


@MODELS.register_module(force=True)
class CoarseMaskHead(_AddsProbabilities, _IndexesInstances, mask_heads.CoarseMaskHead):
    """Replaces MMDetection's class of the same name: PointRend, whose masks are refined."""


@MODELS.register_module(force=True)
class DynamicMaskHead(_AddsProbabilities, _IndexesInstances, mask_heads.DynamicMaskHead):
    """Replaces MMDetection's class of the same name: QueryInst."""


@MODELS.register_module(force=True)
class HTCMaskHead(_AddsProbabilities, _IndexesInstances, mask_heads.HTCMaskHead):
    """Replaces MMDetection's class of the same name: Hybrid Task Cascade."""


@MODELS.register_module(force=True)
class SCNetMaskHead(_AddsProbabilities, _IndexesInstances, mask_heads.SCNetMaskHead):
    """Replaces MMDetection's class of the same name: SCNet."""
