"""The host of YOLACT++ (Bolya et al., arXiv 1912.06218): YOLACT's mask head with a scorer.

Shape shorthand: N images in the batch, C classes, P side of the prototypes.
"""

from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from .yolact_protonet import YOLACTProtonet


@MODELS.register_module()
class MaskScoringYOLACTProtonet(YOLACTProtonet):
    """Scores each mask by the IoU that a :class:`FastMaskIoUHead` predicts for it.

    In training (section 6.1 of the paper) the scorer learns on the masks that the mask head trains
    on, cropped to the ground-truth boxes, for their ground-truth classes. At test it scores the
    mask of the predicted class, cropped to the predicted box, after NMS on the class score and the
    cut to the top detections. Results gain ``mask_ious`` and ``mask_scores``.

    Masks, losses and parameter names are those of ``YOLACTProtonet``: YOLACT checkpoints load and
    lack only the scorer.

    Args:
        mask_iou_head: config of the scorer.
        **kwargs: arguments of ``YOLACTProtonet``.
    """

    def __init__(self, mask_iou_head: ConfigType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_iou_head = MODELS.build(mask_iou_head)

    def loss(
        self,
        x: tuple[Tensor, ...],
        batch_data_samples: SampleList,
        positive_infos: InstanceList,
        **kwargs: Any,
    ) -> dict:
        """Computes the mask and segmentation losses of the host and the mask IoU loss.

        Args:
            x: feature maps of all levels; the first makes the prototypes.
            batch_data_samples: the images' ground truth, with ``masks``.
            positive_infos: positive anchors of each image, from the box head.
            **kwargs: passed on to the host.

        Returns:
            The host's dictionary, with ``loss_mask_iou`` added.
        """
        # includes positive anchors beyond max_masks_to_train, for which no mask is made
        num_positives = sum(len(infos) for infos in positive_infos)
        return super().loss(
            x, batch_data_samples, positive_infos, num_positives=num_positives, **kwargs
        )

    def loss_by_feat(  # type: ignore[override]  # only self.loss calls it
        self,
        mask_preds: list[Tensor],
        segm_preds: Tensor,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        positive_infos: InstanceList,
        num_positives: int,
        **kwargs: Any,
    ) -> dict:
        """Computes the losses from the predicted masks.

        Args:
            mask_preds: (P, P, masks) probabilities of each image, not cropped.
            segm_preds: (N, C, P / 2, P / 2) logits of the segmentation branch.
            batch_gt_instances: ground truth of each image, masks padded to the batch.
            batch_img_metas: meta information of each image.
            positive_infos: the anchor of each mask.
            num_positives: positive anchors of the batch, with or without a mask in ``mask_preds``.
            **kwargs: passed on to the host.

        Returns:
            ``loss_mask``, ``loss_segm`` and ``loss_mask_iou``.
        """
        losses = super().loss_by_feat(
            mask_preds, segm_preds, batch_gt_instances, batch_img_metas, positive_infos, **kwargs
        )
        masks, gt_masks, labels = (
            torch.cat([infos[key] for infos in positive_infos])
            for key in ("masks", "gt_masks", "labels")
        )
        losses.update(self.mask_iou_head.loss(masks, gt_masks, labels, num_positives))
        return losses

    def _get_targets_single(
        self,
        mask_preds: Tensor,
        segm_pred: Tensor,
        gt_instances: InstanceData,
        positive_info: InstanceData,
    ) -> tuple:
        """Returns the host's targets of one image, and keeps the scorer's in ``positive_info``."""
        targets = super()._get_targets_single(mask_preds, segm_pred, gt_instances, positive_info)
        masks, gt_masks = targets[:2]
        positive_info.masks = masks
        positive_info.gt_masks = torch.zeros_like(masks) if gt_masks is None else gt_masks
        positive_info.labels = gt_instances.labels[positive_info.pos_assigned_gt_inds]
        return targets

    def _add_masks(
        self,
        cropped: list[Tensor],
        results_list: InstanceList,
        batch_img_metas: list[dict],
        rescale: bool,
    ) -> InstanceList:
        """Adds mask IoUs and mask scores to what the host adds."""
        counts = [len(results) for results in results_list]
        mask_ious = self.mask_iou_head(torch.cat(cropped)).split(counts)
        results_list = super()._add_masks(cropped, results_list, batch_img_metas, rescale)
        return self.mask_iou_head.predict_by_feat(mask_ious, results_list)
