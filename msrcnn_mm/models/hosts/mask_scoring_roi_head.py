"""Mask Scoring R-CNN's host: Mask R-CNN's RoI head with a MaskIoU head beside the mask head.

Shape shorthand: R RoIs over all images of the batch, C classes, S RoI feature side, M mask side.
"""

import torch
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmdet.utils import ConfigType, InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from msrcnn_mm.errors import SettingError

from ..targets.class_targets import class_targets, of_class
from ..targets.mask_iou_targets import mask_iou_targets
from ..targets.summed_area import SummedAreaTables
from .standard_roi_head import StandardRoIHead


@MODELS.register_module(force=True)
class MaskScoringRoIHead(StandardRoIHead):
    """Scores each mask by the IoU that a MaskIoU head predicts for it.

    Training (paper, section 3.3): the MaskIoU head learns on the positive RoIs of the mask
    branch, scoring the mask of the ground-truth class. Test: after NMS on the class score and
    the cut to the top detections, it scores the mask of the predicted class; results gain
    ``mask_ious`` and ``mask_scores`` beside ``foreground_probs`` and keep their ``scores``.

    It takes the place of MMDetection's class of the same name.

    Args:
        mask_iou_head: config of the MaskIoU head.
        mask_iou_roi_extractor: config of an RoI extractor of the MaskIoU head's own, for features
            of another size (design (d) of the paper's figure 4); without it, the head reads the
            features of the mask branch.
        **kwargs: what ``StandardRoIHead`` takes; a mask head is required.
            ``train_cfg.mask_thr_binary`` is the probability from which a predicted mask counts
            as foreground in the mask IoU targets (0.5 in the paper).
    """

    def __init__(
        self,
        mask_iou_head: ConfigType,
        mask_iou_roi_extractor: ConfigType | None = None,
        **kwargs: ConfigType,
    ) -> None:
        super().__init__(**kwargs)
        if not self.with_mask:
            raise SettingError("MaskScoringRoIHead scores masks: its config needs a mask_head")
        self.mask_iou_head = MODELS.build(mask_iou_head)
        self.mask_iou_roi_extractor = mask_iou_roi_extractor and MODELS.build(
            mask_iou_roi_extractor
        )

    def forward(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList | None = None,
    ) -> tuple[Tensor, ...]:
        """The networks alone, without post-processing: what complexity tools trace.

        Args:
            x: feature maps of all levels.
            rpn_results_list: proposals of each image.
            batch_data_samples: not used.

        Returns:
            Class logits (R, C + 1) and box deltas of all RoIs; mask logits (100, C, M, M) and
            mask IoUs (100, C) of the first 100.
        """
        rois = bbox2roi([results.bboxes for results in rpn_results_list])
        bbox_results = self._bbox_forward(x, rois)
        mask_results = self._mask_forward(x, rois[:100])
        labels = bbox_results["cls_score"][:100, : self.bbox_head.num_classes].argmax(dim=1)
        mask_ious = self._mask_iou_forward(x, rois[:100], mask_results, labels)
        return (
            bbox_results["cls_score"],
            bbox_results["bbox_pred"],
            mask_results["mask_preds"],
            mask_ious,
        )

    def mask_loss(
        self,
        x: tuple[Tensor, ...],
        sampling_results: list[SamplingResult],
        bbox_feats: Tensor,
        batch_gt_instances: InstanceList,
    ) -> dict:
        """Mask loss of the host and mask IoU loss.

        Args:
            x: feature maps of all levels.
            sampling_results: sampled RoIs of each image; the positive ones are used.
            bbox_feats: (R, channels, S, S) RoI features of the box branch.
            batch_gt_instances: ground truth of each image, with ``masks``.

        Returns:
            The host's dictionary, with ``loss_mask_iou`` added to its ``loss_mask``.
        """
        mask_results = super().mask_loss(x, sampling_results, bbox_feats, batch_gt_instances)
        rois = bbox2roi([sampled.pos_priors for sampled in sampling_results])
        labels = torch.cat([sampled.pos_gt_labels for sampled in sampling_results])
        mask_ious = self._mask_iou_forward(x, rois, mask_results, labels)
        of_images = zip(
            mask_results["mask_preds"].split([len(s.pos_priors) for s in sampling_results]),
            sampling_results,
            batch_gt_instances,
            strict=True,
        )
        targets, learned = zip(*(self._targets(*image) for image in of_images), strict=True)
        loss = self.mask_iou_head.loss(mask_ious, torch.cat(targets), torch.cat(learned))
        mask_results["loss_mask"].update(loss)
        return mask_results

    def predict_mask(
        self,
        x: tuple[Tensor, ...],
        batch_img_metas: list[dict],
        results_list: InstanceList,
        rescale: bool = False,
    ) -> InstanceList:
        """Adds masks, mask IoUs and mask scores to each image's detections.

        Args:
            x: feature maps of all levels.
            batch_img_metas: meta information of each image.
            results_list: detections of each image, boxes in the network's input coordinates.
            rescale: bring boxes and masks back to the original images' size.

        Returns:
            The detections with ``masks`` (boolean, image-sized), ``mask_ious``, ``mask_scores``
            and ``foreground_probs``; ``scores`` are untouched.
        """
        mask_rois = bbox2roi([results.bboxes for results in results_list])
        labels = torch.cat([results.labels for results in results_list])
        counts = [len(results) for results in results_list]
        mask_results = self._mask_forward(x, mask_rois)
        mask_ious = self._mask_iou_forward(x, mask_rois, mask_results, labels)
        results_list = self._add_masks(
            mask_results["mask_preds"], batch_img_metas, results_list, rescale
        )
        return self.mask_iou_head.predict_by_feat(mask_ious.split(counts), results_list)

    def _mask_iou_forward(
        self, x: tuple[Tensor, ...], rois: Tensor, mask_results: dict[str, Tensor], labels: Tensor
    ) -> Tensor:
        """(R, K) mask IoUs of the masks of (R, 5) RoIs, for their (R,) target classes."""
        extractor = self.mask_iou_roi_extractor
        if extractor is None:
            features = mask_results["mask_feats"]
        else:
            features = extractor(x[: extractor.num_inputs], rois)
        return self.mask_iou_head(features, mask_results["mask_preds"], labels)

    def _targets(
        self, mask_preds: Tensor, sampled: SamplingResult, gt_instances: InstanceData
    ) -> tuple[Tensor, Tensor]:
        """(R, K) mask IoU targets of one image's positive RoIs, and (R, K) bool, which count."""
        head, boxes, labels = self.mask_iou_head, sampled.pos_priors, sampled.pos_gt_labels
        mask_thr = self.train_cfg.mask_thr_binary
        tables = SummedAreaTables.from_masks(gt_instances.masks, mask_preds.device)
        logits = of_class(mask_preds, labels)
        targets = mask_iou_targets(logits, boxes, sampled.pos_assigned_gt_inds, tables, mask_thr)
        counted = targets > head.mask_iou_thr
        if head.box_iou_thr > 0:
            box_ious = bbox_overlaps(boxes, sampled.pos_gt_bboxes, is_aligned=True)
            counted &= box_ious > head.box_iou_thr
        ious, learned = class_targets(
            head.learns,
            targets,
            mask_preds,
            boxes,
            labels,
            gt_instances.labels,
            tables,
            head.fc_mask_iou.out_features,
            mask_thr,
        )
        return ious, learned & counted[:, None]
