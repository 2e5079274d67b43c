"""Adds foreground probabilities and mask statistics to SOLO and SOLOv2 (Wang et al., 2020).

Shape shorthand: P points, the cells of the grids of all levels, C classes, K candidates, D
detections, h x w cells of a map.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models import dense_heads
from mmdet.models.layers import mask_matrix_nms
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from .mask_encoding import EncodesMasks
from .probability_fields import add_fields_of_maps


class _AddsProbabilities(EncodesMasks):
    """Adds ``foreground_probs`` and ``mask_statistics`` to the results of a head.

    MMDetection's heads choose the detections in one function that keeps neither their maps nor
    their indices. This one gives the same masks, scores, labels and boxes, which are zeros. Without
    detections masks are boolean and labels integers, where MMDetection's are floats.

    The host's ``scores`` are class score x mean foreground probability, decayed by Matrix NMS.
    """

    num_grids: list[int]
    strides: list[int]
    test_cfg: Any
    mask_stride = 4

    def _points(self, cls_scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the (K,) points, labels and scores of the candidates, of (P, C) scores."""
        likely = cls_scores > self.test_cfg.score_thr
        points, labels = likely.nonzero().unbind(dim=1)
        return points, labels, cls_scores[likely]

    def _grids(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the side of each level's grid, and the (K,) levels of points."""
        sides = torch.tensor(self.num_grids, device=points.device)
        ends = sides.square().cumsum(0)
        return sides, torch.bucketize(points, ends, right=True)

    def _detections(
        self, probs: Tensor, points: Tensor, labels: Tensor, scores: Tensor, meta: dict
    ) -> InstanceData:
        """Chooses the detections of one image.

        Args:
            probs: (K, h, w) mask probabilities of the candidates.
            points: (K,) in [0, P).
            labels: (K,) in [0, C).
            scores: (K,) class scores.
            meta: meta information of the image.

        Returns:
            D detections with ``bboxes``, ``labels``, ``scores``, ``masks``, (D, height, width)
            bool of the original image or D RLEs, see :class:`.EncodesMasks`,
            ``foreground_probs``, (D,) in [0, 1], and ``mask_statistics``, (D, S), see
            :func:`.mask_statistics`.
        """
        cfg = self.test_cfg
        foreground = probs > cfg.mask_thr
        areas = foreground.sum((1, 2)).float()
        _, level = self._grids(points)
        large = areas > torch.tensor(self.strides, device=points.device)[level]
        probs, foreground, areas = probs[large], foreground[large], areas[large]
        maskness = (probs * foreground).sum((1, 2)) / areas
        scores, labels, _, kept = mask_matrix_nms(
            foreground,
            labels[large],
            scores[large] * maskness,
            mask_area=areas,
            nms_pre=cfg.nms_pre,
            max_num=cfg.max_per_img,
            kernel=cfg.kernel,
            sigma=cfg.sigma,
            filter_thr=cfg.filter_thr,
        )
        probs = probs[kept]
        results = InstanceData(bboxes=scores.new_zeros(len(scores), 4))
        results.labels, results.scores = labels, scores
        results.masks = self.image_masks(
            lambda some: self._image_sized(probs[some], meta) > cfg.mask_thr,
            len(probs),
            max(math.prod(probs.shape[1:]) * self.mask_stride**2, math.prod(meta["ori_shape"][:2])),
        )
        add_fields_of_maps(results, probs, cfg.mask_thr, self.mask_stride, meta, self.patch_side)
        return results

    def _image_sized(self, probs: Tensor, meta: dict) -> Tensor:
        """Scales (D, h, w) maps of the padded image to (D, height, width) of the original one."""
        if not len(probs):
            return probs.new_zeros(0, *meta["ori_shape"][:2])
        (height, width), stride = meta["img_shape"][:2], self.mask_stride
        padded = probs.shape[1] * stride, probs.shape[2] * stride
        fine = F.interpolate(probs[None], padded, mode="bilinear", align_corners=False)
        fine = fine[:, :, :height, :width]
        return F.interpolate(fine, meta["ori_shape"][:2], mode="bilinear", align_corners=False)[0]


@MODELS.register_module(force=True)
class SOLOHead(_AddsProbabilities, dense_heads.SOLOHead):
    """Replaces MMDetection's class of the same name."""

    def _predict_by_feat_single(
        self, cls_scores: Tensor, mask_preds: Tensor, img_meta: dict
    ) -> InstanceData:
        """Returns the detections of one image, of (P, C) scores and (P, h, w) probabilities."""
        points, labels, scores = self._points(cls_scores)
        return self._detections(mask_preds[points], points, labels, scores, img_meta)


class _Decoupled(_AddsProbabilities):
    """The same where a mask is the product of the map of its point's column and of its row."""

    def _predict_by_feat_single(
        self, cls_scores: Tensor, mask_preds_x: Tensor, mask_preds_y: Tensor, img_meta: dict
    ) -> InstanceData:
        """Returns the detections of one image.

        Args:
            cls_scores: (P, C) class scores.
            mask_preds_x: (columns of all grids, h, w) probabilities.
            mask_preds_y: (rows of all grids, h, w) probabilities.
            img_meta: meta information of the image.
        """
        points, labels, scores = self._points(cls_scores)
        sides, level = self._grids(points)
        cells = sides.square()
        place = points - (cells.cumsum(0) - cells)[level]
        first, side = (sides.cumsum(0) - sides)[level], sides[level]
        columns, rows = mask_preds_x[first + place % side], mask_preds_y[first + place // side]
        return self._detections(columns * rows, points, labels, scores, img_meta)


@MODELS.register_module(force=True)
class DecoupledSOLOHead(_Decoupled, dense_heads.DecoupledSOLOHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class DecoupledSOLOLightHead(_Decoupled, dense_heads.DecoupledSOLOLightHead):
    """Replaces MMDetection's class of the same name."""


@MODELS.register_module(force=True)
class SOLOV2Head(_AddsProbabilities, dense_heads.SOLOV2Head):
    """Replaces MMDetection's class of the same name."""

    def _predict_by_feat_single(
        self, kernel_preds: Tensor, cls_scores: Tensor, mask_feats: Tensor, img_meta: dict
    ) -> InstanceData:
        """Returns the detections of one image.

        Args:
            kernel_preds: (P, weights) of the convolution that makes a point's mask.
            cls_scores: (P, C) class scores.
            mask_feats: (1, channels, h, w) mask features.
            img_meta: meta information of the image.
        """
        points, labels, scores = self._points(cls_scores)
        probs = mask_feats.new_zeros(0, *mask_feats.shape[2:])
        if len(points):
            side = self.dynamic_conv_size
            kernels = kernel_preds[points].view(len(points), -1, side, side)
            probs = F.conv2d(mask_feats, kernels)[0].sigmoid()
        return self._detections(probs, points, labels, scores, img_meta)
