"""The host of Mask Scoring R-CNN (Huang et al., CVPR 2019): an RoI head with a MaskIoU head.

Shape shorthand:
    R: RoIs over all images of the batch
    C: classes
    S: side of the RoI features (14)
    M: side of the predicted masks (28)
    K: outputs of the MaskIoU head: C, or 1 if it is class-agnostic
"""

import torch
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor

from msrcnn_mm.errors import SettingError

from .roi_heads import StandardRoIHead


@MODELS.register_module(force=True)
class MaskScoringRoIHead(StandardRoIHead):
    """Scores each mask by the IoU that a MaskIoU head predicts for it.

    In training (section 3.3 of the paper) the MaskIoU head learns on the positive RoIs of the mask
    branch, from the masks of their ground-truth classes. At test it scores the mask of the
    predicted class, after NMS on the class score and the cut to the top detections. Results gain
    ``mask_ious`` and ``mask_scores`` beside those of the host; ``scores`` do not change.

    Replaces MMDetection's class of the same name.

    Args:
        mask_iou_head: config of the MaskIoU head.
        mask_iou_roi_extractor: config of an RoI extractor for the MaskIoU head alone, for features
            of another size (design (d) of the paper's figure 4). By default the head reads the
            features of the mask branch.
        **kwargs: arguments of ``StandardRoIHead``; a mask head is required.
            ``train_cfg.mask_thr_binary`` is the probability from which a pixel of a predicted mask
            is foreground in the mask IoU targets (0.5 in the paper).

    Raises:
        SettingError: if there is no mask head.
    """

    def __init__(
        self,
        mask_iou_head: ConfigType,
        mask_iou_roi_extractor: ConfigType | None = None,
        **kwargs: ConfigType,
    ) -> None:
        super().__init__(**kwargs)
        if not self.with_mask:
            raise SettingError("MaskScoringRoIHead: mask_head is missing: add one to roi_head")
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
        """Runs the networks without post-processing, for tools that count operations.

        Args:
            x: feature maps of all levels.
            rpn_results_list: proposals of each image.
            batch_data_samples: not used.

        Returns:
            Class logits (R, C + 1) and box deltas of all RoIs; mask logits (100, C, M, M) and
            mask IoUs (100, K) of the first 100.
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
        """Computes the mask loss of the host and the mask IoU loss.

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
        targets, learned = self.mask_iou_head.get_targets(
            mask_results["mask_preds"],
            sampling_results,
            batch_gt_instances,
            self.train_cfg.mask_thr_binary,
        )
        mask_results["loss_mask"].update(self.mask_iou_head.loss(mask_ious, targets, learned))
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
            results_list: detections of each image, boxes in pixels of the network's input.
            rescale: whether boxes and masks are scaled to the original images' size.

        Returns:
            The detections with ``masks``, (D, height, width) bool, and ``mask_ious``,
            ``mask_scores`` and ``foreground_probs``, each (D,) in [0, 1], and ``mask_statistics``,
            (D, S). ``scores`` do not change.
        """
        mask_rois = bbox2roi([results.bboxes for results in results_list])
        labels = torch.cat([results.labels for results in results_list])
        counts = [len(results) for results in results_list]
        mask_results = self._mask_forward(x, mask_rois)
        mask_ious = self._mask_iou_forward(x, mask_rois, mask_results, labels)
        results_list = self.mask_head.predict_by_feat(
            mask_preds=mask_results["mask_preds"].split(counts),
            results_list=results_list,
            batch_img_metas=batch_img_metas,
            rcnn_test_cfg=self.test_cfg,
            rescale=rescale,
        )
        return self.mask_iou_head.predict_by_feat(mask_ious.split(counts), results_list)

    def _mask_iou_forward(
        self, x: tuple[Tensor, ...], rois: Tensor, mask_results: dict[str, Tensor], labels: Tensor
    ) -> Tensor:
        """Predicts (R, K) mask IoUs of the masks of (R, 5) RoIs with (R,) target classes."""
        extractor = self.mask_iou_roi_extractor
        if extractor is None:
            features = mask_results["mask_feats"]
        else:
            features = extractor(x[: extractor.num_inputs], rois)
        return self.mask_iou_head(features, mask_results["mask_preds"], labels)
