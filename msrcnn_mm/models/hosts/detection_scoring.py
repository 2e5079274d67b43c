"""RoI heads that train a scorer together with the host, on the host's own detections.

Shape shorthand: N images of a batch, D detections of an image, m side of the mask head's output.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmdet.models.roi_heads import BaseRoIHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor, nn

from msrcnn_mm.errors import SettingError

from ..scorers.seen_detections import SeenDetections
from ..targets.patch_ious import patch_ious
from ..targets.tp_shares import tp_shares
from .mask_encoding import EncodesMasks, attribute_set, encoded_by
from .mask_heads import FCNMaskHead
from .probability_fields import resized_patches
from .roi_heads import CascadeRoIHead, HybridTaskCascadeRoIHead, PointRendRoIHead, StandardRoIHead
from .scorer_inputs import ScorerInputs, build_scorer

_LARGEST = 56  # side of the masks that targets are computed of; PointRend's of 224 are resized


class DetectionScoring(BaseRoIHead):
    """Adds a scorer to an RoI head, which learns the TP shares of the head's own detections.

    In training the host's loss is computed first. The host then predicts as at test, in evaluation
    mode and without gradients, and the scorer learns from what is left after NMS: false alarms and
    duplicates too. From the same weights and random state, the host's losses, gradients, statistics
    and results are those of a host without a scorer, to the last bit.

    At test the scorer adds its scores to the results, as :class:`.FrozenHost` does:
    ``rescored_scores`` of a ``TPShareHead``, ``mask_ious`` and ``mask_scores`` of the others.

    Args:
        scorer: config of the scorer: ``TPShareHead``, ``MaskIoUHead`` or ``FastMaskIoUHead``.
        featmap_strides: pixels per cell of the feature maps that a ``MaskIoUHead`` reads.
        **kwargs: arguments of the RoI head; a mask head is required.

    Raises:
        SettingError: there is no mask head or one of another kind, masks are not binary, the scorer
            cannot score detections or has other classes or channels, or there are no maps of
            ``featmap_strides``.
    """

    def __init__(
        self, scorer: ConfigType, featmap_strides: Sequence[int] = (4, 8, 16, 32), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        name = type(self).__name__
        heads = [m for m in self.modules() if isinstance(m, EncodesMasks)]
        if not heads or not all(map(_is_of_boxes, heads)):
            raise SettingError(
                f"{name}: mask_head is missing or pastes masks in its own way: give roi_head a"
                " FCNMaskHead, HTCMaskHead or CoarseMaskHead"
            )
        self.scorer = build_scorer(name, scorer)
        self.inputs = ScorerInputs(name, self.scorer, featmap_strides)
        classes = _last(self.bbox_head).num_classes
        if self.scorer.num_classes != classes:
            raise SettingError(
                f"{name}: scorer.num_classes={self.scorer.num_classes}: bbox_head has {classes}"
            )
        strides = _last(self.bbox_roi_extractor).featmap_strides
        if self.scorer.roi_feat_size and not {*featmap_strides} <= {*strides}:
            raise SettingError(
                f"{name}: featmap_strides={list(featmap_strides)}: bbox_roi_extractor has"
                f" {list(strides)}"
            )
        self.scorer.require_channels(_last(self.bbox_roi_extractor).out_channels)
        threshold = (self.test_cfg or {}).get("mask_thr_binary", 0.5)
        if not 0 < threshold < 1:
            raise SettingError(
                f"{name}: test_cfg.rcnn.mask_thr_binary={threshold} must be in (0, 1)"
            )
        for head in heads:
            head.patch_side = self.scorer.patch_side

    def loss(
        self, x: tuple[Tensor, ...], rpn_results_list: InstanceList, batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Computes the losses of the host and of the scorer.

        Args:
            x: feature maps of all levels.
            rpn_results_list: proposals of each image.
            batch_data_samples: ground truth of each image, with ``masks``.

        Returns:
            The host's losses and ``loss_tp_share``.
        """
        proposals = [of_image.clone() for of_image in rpn_results_list]  # the loss empties them
        losses = super().loss(x, rpn_results_list, batch_data_samples)
        x = tuple(level.detach() for level in x)  # the host learns as without a scorer
        seen, shares = self._learned(x, proposals, batch_data_samples)
        losses.update(self.scorer.quality_loss(seen, shares))
        return losses

    def predict(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList,
        rescale: bool = False,
    ) -> InstanceList:
        """Predicts as the host does, and adds the scorer's scores.

        Args:
            x: feature maps of all levels.
            rpn_results_list: proposals of each image.
            batch_data_samples: meta information of the images.
            rescale: whether boxes and masks are scaled to the original images' size.

        Returns:
            The detections of each image.
        """
        results_list = super().predict(x, rpn_results_list, batch_data_samples, rescale)
        seen = self._seen(x, results_list, batch_data_samples, rescale)
        for results, of_image in zip(results_list, seen, strict=True):
            self.scorer.add_scores(results, self.scorer.quality(of_image))
        return results_list

    def _learned(
        self, x: tuple[Tensor, ...], proposals: InstanceList, samples: SampleList
    ) -> tuple[SeenDetections, Tensor]:
        """Returns what the scorer sees of a training batch, and its targets."""
        # cascades flip back the masks of an image that is marked as flipped
        tested = [DetDataSample(metainfo=one.metainfo | {"flip": False}) for one in samples]
        as_probs = _ProbabilitiesAsMasks()
        no_numbers = attribute_set([_last(self.mask_head)], "adds_numbers", False)
        with torch.no_grad(), as_at_test(self), no_numbers, encoded_by(self, as_probs):
            results_list = super().predict(x, proposals, tested, rescale=False)
        threshold = self.test_cfg.mask_thr_binary
        shares = []
        for found, sample in zip(results_list, samples, strict=True):
            probs = found.masks.float()
            ious, crowds = patch_ious(probs, found.bboxes, found.labels, sample, threshold)
            shares.append(self._targets(ious, found.scores, crowds))
        seen = SeenDetections.concatenate(self._seen(x, results_list, samples, rescale=False))
        return seen, torch.cat(shares)

    def _targets(self, ious: Tensor, scores: Tensor, crowds: Tensor) -> Tensor:
        return tp_shares(ious, scores, crowds)

    def _seen(
        self,
        x: tuple[Tensor, ...],
        results_list: InstanceList,
        samples: SampleList,
        rescale: bool,
    ) -> list[SeenDetections]:
        """Makes what the scorer sees of each image's detections."""
        metas = [sample.metainfo for sample in samples]
        side = max(metas[0]["batch_input_shape"])
        return self.inputs(x, results_list, metas, side, rescaled=rescale)


class _ProbabilitiesAsMasks:
    """Encodes masks in boxes as their probabilities, so that none is pasted into its image."""

    def in_boxes(self, probs: Tensor, *_: Any) -> Any:
        """Returns the (D, m, m) probabilities of an image's masks, m of 56 or less."""
        return resized_patches(probs, min(probs.size(-1), _LARGEST))

    def whole(self, masks: Tensor) -> Any:
        """Returns image-sized masks as they are; RoI heads make none."""
        return masks


def _is_of_boxes(head: EncodesMasks) -> bool:
    """Returns whether a mask head has its encoder encode masks in boxes."""
    own = getattr(type(head), "_predict_by_feat_single", None)
    return own is FCNMaskHead._predict_by_feat_single


def _last(stages: nn.Module) -> Any:
    """Returns the last stage of a cascade, or the one stage of another head."""
    return stages[-1] if isinstance(stages, nn.ModuleList) else stages


def as_at_test(model: nn.Module) -> AbstractContextManager[None]:
    """Has all modules in evaluation mode for the time of a block."""
    return attribute_set(model.modules(), "training", False)


@MODELS.register_module()
class DetectionScoringRoIHead(DetectionScoring, StandardRoIHead):
    """Mask R-CNN's RoI head with a scorer that is trained with it."""


@MODELS.register_module()
class DetectionScoringCascadeRoIHead(DetectionScoring, CascadeRoIHead):
    """Cascade Mask R-CNN's RoI head with a scorer that is trained with it."""


@MODELS.register_module()
class DetectionScoringHTCRoIHead(DetectionScoring, HybridTaskCascadeRoIHead):
    """Hybrid Task Cascade's RoI head with a scorer that is trained with it."""


@MODELS.register_module()
class DetectionScoringPointRendRoIHead(DetectionScoring, PointRendRoIHead):
    """PointRend's RoI head with a scorer that is trained with it."""
