"""YOLACT's features, anchors and boxes in the convention of the authors' code.

A config names these classes instead of MMDetection's for a checkpoint of the authors
(``configs/yolact_plus/yolact_r50_authors.py``; ``docs/interop.md`` lists the differences). Their
weights have the names and shapes of MMDetection's classes.
"""

import math
from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmdet.models.dense_heads import YOLACTHead
from mmdet.models.necks import FPN
from mmdet.models.task_modules import AnchorGenerator
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

_LEVELS = range(3, 8)  # P3 to P7


@MODELS.register_module()
class YOLACTFPN(FPN):
    """An FPN with a ReLU after P3 to P5, and P6 and P7 computed from P5.

    MMDetection's YOLACT has no ReLU and computes P6 from C5.

    Args:
        in_channels: channels of the backbone's features.
        out_channels: channels of all levels.
        num_outs: number of levels.
        **kwargs: arguments of ``FPN`` other than ``add_extra_convs``.
    """

    def __init__(
        self, in_channels: list[int], out_channels: int, num_outs: int, **kwargs: Any
    ) -> None:
        super().__init__(in_channels, out_channels, num_outs, add_extra_convs="on_output", **kwargs)
        for i in range(len(self.lateral_convs)):
            self.fpn_convs[i] = ConvModule(out_channels, out_channels, 3, padding=1, inplace=False)


@TASK_UTILS.register_module()
class YOLACTAnchorGenerator(AnchorGenerator):
    """Generates anchors in the authors' order, on a grid that divides the image's sides evenly.

    Anchors are grouped by scale; within a scale the shapes are 1:1, 1:2 and 2:1 (width : height).

    Args:
        image_size: side of the square images in pixels.
        sides: side of the smallest square anchor of each level, in pixels.
        scales_per_octave: number of scales from that side to less than twice that side.
        square: whether all anchors are squares as wide as these shapes, a mistake that the authors'
            YOLACT was trained with.
    """

    def __init__(
        self,
        image_size: int = 550,
        sides: Sequence[float] = (24, 48, 96, 192, 384),
        scales_per_octave: int = 1,
        square: bool = False,
    ) -> None:
        strides = [image_size / math.ceil(image_size / 2**level) for level in _LEVELS]
        scales = [2 ** (i / scales_per_octave) for i in range(scales_per_octave)]
        widths = [1.0, 0.5**0.5, 2**0.5]
        super().__init__(
            strides=strides,
            centers=[(stride / 2, stride / 2) for stride in strides],
            base_sizes=list(sides),
            scales=[scale * width for scale in scales for width in widths] if square else scales,
            ratios=[1.0] if square else [1.0, 2.0, 0.5],  # height / width
            scale_major=False,
        )


@MODELS.register_module()
class AuthorsYOLACTHead(YOLACTHead):
    """Selects boxes as the authors' code does: fast NMS before boxes are clipped to the image.

    A box enters NMS with all its classes if the score of one exceeds the threshold.
    """

    def _bbox_post_process(
        self,
        multi_bboxes: Tensor,
        multi_scores: Tensor,
        multi_coeffs: Tensor,
        cfg: ConfigDict,
        rescale: bool = False,
        img_meta: dict | None = None,
        **kwargs: Any,
    ) -> InstanceData:
        """Selects the detections of one image.

        Args:
            multi_bboxes: (A, 4) boxes of all anchors, in pixels of the network's input.
            multi_scores: (A, C + 1) class scores, the background's last.
            multi_coeffs: (A, prototypes) mask coefficients.
            cfg: test settings.
            rescale: whether boxes are scaled to the original image's size.
            img_meta: the image's ``ori_shape``, ``img_shape`` and ``scale_factor``.
            **kwargs: not used.

        Returns:
            ``bboxes``, ``scores``, ``labels`` and ``coeffs``, in descending order of scores.
        """
        chosen = (multi_scores[:, :-1] > cfg.score_thr).any(dim=1).nonzero()[:, 0]
        if not len(chosen):  # MMDetection's NMS fails without a box; it drops one of low score
            chosen = chosen.new_zeros(1)
        else:
            cfg = ConfigDict(cfg, score_thr=-1.0)
        results = super()._bbox_post_process(
            multi_bboxes[chosen], multi_scores[chosen], multi_coeffs[chosen], cfg, rescale, img_meta
        )
        assert img_meta is not None
        height, width = img_meta["ori_shape" if rescale else "img_shape"][:2]
        limit = results.bboxes.new_tensor((width, height, width, height))
        results.bboxes = results.bboxes.clamp(min=0).minimum(limit)
        return results
