"""YOLACT's box head (Bolya et al., ICCV 2019), which also trains on images without objects."""

from typing import Any

import torch
from mmdet.models import dense_heads
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module(force=True)
class YOLACTHead(dense_heads.YOLACTHead):
    """Replaces MMDetection's class of the same name and mines images without objects too.

    Hard-negative mining takes the ``neg_pos_ratio`` (3) worst background anchors for each positive
    one. An image without a positive anchor counts as one with one, as it does in the number that
    the loss is divided by. MMDetection takes all of its some 20,000 anchors, which gives a loss of
    about 1000 times the usual one; the authors take none and train on no such image.

    Parameters, their names, predictions and the losses of other images are the same.
    """

    def OHEMloss_by_feat_single(  # noqa: N802 - MMDetection's name
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchors: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """Computes the losses of one image.

        Args:
            cls_score: (A, C + 1) logits of its A anchors.
            bbox_pred: (A, 4) box deltas.
            anchors: (A, 4) anchors.
            labels: (A,) target classes, C for background.
            label_weights: (A,) weights of the classification loss, 0 for anchors of neither kind.
            *args: passed on to MMDetection's class.
            **kwargs: passed on to MMDetection's class.

        Returns:
            The classification loss, (1,), and the box loss, a scalar.
        """
        if (labels == self.num_classes).all():
            with torch.no_grad():
                losses = self.loss_cls(cls_score, labels, label_weights)
            mined = losses.topk(min(self.train_cfg["neg_pos_ratio"], len(losses))).indices
            kept = torch.zeros_like(label_weights)
            kept[mined] = label_weights[mined]
            label_weights = kept
        return super().OHEMloss_by_feat_single(
            cls_score, bbox_pred, anchors, labels, label_weights, *args, **kwargs
        )
