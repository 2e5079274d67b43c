"""Boxes, anchors, RoIs and masks in the pixel convention of Detectron and maskrcnn-benchmark.

There a box is its first and its last pixel: its width is x2 - x1 + 1, and a feature's value lies at
the corner of its cell. MMDetection's boxes are edges, and values lie at the centres of cells. A
network trained with one convention is off by half a pixel or more under the other.

A config names these classes instead of MMDetection's to reproduce the results of such a network
(``configs/ms_rcnn/ms-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py``; ``docs/interop.md`` lists the
differences). They have no weights. They cover the test and the regression targets; in training,
anchors and RoIs are assigned to objects as in MMDetection.

Shape shorthand: R boxes, C classes, M mask side.
"""

import math
from typing import Any

import mmcv
import torch
from mmdet.datasets.transforms import Resize
from mmdet.models.task_modules import AnchorGenerator, LegacyDeltaXYWHBBoxCoder
from mmdet.registry import MODELS, TASK_UTILS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor
from mmengine.config import ConfigDict
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from msrcnn_mm.models.hosts.mask_heads import FCNMaskHead
from msrcnn_mm.models.hosts.roi_extractors import SingleRoIExtractor

_LARGEST_GROWTH = math.log(1000 / 16)


@TASK_UTILS.register_module()
class DetectronAnchorGenerator(AnchorGenerator):
    """Generates anchors around a cell's middle pixel, with sides rounded before scaling.

    MMDetection's ``AnchorGenerator`` does not round, and centres anchors on the cell's corner. Its
    ``LegacyAnchorGenerator`` rounds corners after scaling, to 46 x 22 pixels instead of 48 x 24.
    """

    def gen_single_level_base_anchors(
        self,
        base_size: float,
        scales: Tensor,
        ratios: Tensor,
        center: tuple[float, float] | None = None,
    ) -> Tensor:
        """Computes the anchors of the first cell.

        Args:
            base_size: side of a cell in pixels.
            scales: sides of square anchors, in cells.
            ratios: height / width.
            center: not used.

        Returns:
            (ratios * scales, 4) first and last pixels, grouped by ratio.
        """
        ratios, scales = ratios.double(), scales.double()
        widths = (base_size**2 / ratios).sqrt().round()  # rounds halves to even, as NumPy does
        heights = (widths * ratios).round()
        reach_x = (widths[:, None] * scales - 1).flatten() / 2
        reach_y = (heights[:, None] * scales - 1).flatten() / 2
        middle = (base_size - 1) / 2
        corners = (middle - reach_x, middle - reach_y, middle + reach_x, middle + reach_y)
        return torch.stack(corners, dim=1).float()


@TASK_UTILS.register_module()
class DetectronBBoxCoder(LegacyDeltaXYWHBBoxCoder):
    """Encodes and decodes boxes (R-CNN, appendix C) with widths of x2 - x1 + 1.

    Encodes as MMDetection's ``LegacyDeltaXYWHBBoxCoder``. That class decodes to boxes that extend
    half a pixel further on each side, and limits shrinking to 1 / 62.5.
    """

    def decode(
        self,
        bboxes: Tensor | HorizontalBoxes,
        pred_bboxes: Tensor,
        max_shape: tuple[int, ...] | None = None,
        wh_ratio_clip: float | None = None,
    ) -> Tensor | HorizontalBoxes:
        """Applies regression outputs to boxes.

        Args:
            bboxes: (R, 4) anchors or RoIs, first and last pixels.
            pred_bboxes: (R, 4 k) outputs, for k boxes each.
            max_shape: height and width of the image, to which boxes are clipped.
            wh_ratio_clip: not used; growth is limited to 62.5 times.

        Returns:
            (R, 4 k) boxes, first and last pixels.
        """
        boxes = get_box_tensor(bboxes)
        deltas = pred_bboxes.reshape(len(boxes), -1, 4)
        deltas = deltas * deltas.new_tensor(self.stds) + deltas.new_tensor(self.means)
        sides = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
        middles = boxes[:, None, :2] + sides / 2 + deltas[..., :2] * sides
        sides = sides * deltas[..., 2:].clamp(max=_LARGEST_GROWTH).exp()
        decoded = torch.cat((middles - sides / 2, middles + sides / 2 - 1), dim=2)
        if max_shape is not None:
            last = decoded.new_tensor((max_shape[1], max_shape[0]) * 2) - 1
            decoded = decoded.clamp(min=0).minimum(last)
        decoded = decoded.reshape(pred_bboxes.shape)
        return HorizontalBoxes(decoded) if self.use_box_type else decoded


@MODELS.register_module()
class DetectronRoIExtractor(SingleRoIExtractor):
    """Assigns RoIs to pyramid levels by sides of x2 - x1 + 1 (FPN, Lin et al. 2017, equation 1)."""

    def map_roi_levels(self, rois: Tensor, num_levels: int) -> Tensor:
        """Returns the level of each RoI.

        Args:
            rois: (R, 5) image index and box.
            num_levels: number of levels.

        Returns:
            (R,) indices in [0, num_levels).
        """
        sides = rois[:, 3:] - rois[:, 1:3] + 1
        scale = sides.prod(dim=1).sqrt()
        # 224 pixels belong to the third level; Detectron's 1e-6 keeps them there
        levels = torch.floor(2 + torch.log2(scale / (4 * self.finest_scale) + 1e-6))
        return levels.clamp(0, num_levels - 1).long()


@MODELS.register_module()
class DetectronMaskHead(FCNMaskHead):
    """Pastes masks at whole pixels, and returns boxes as MMDetection's edges."""

    def _predict_by_feat_single(
        self,
        mask_preds: Tensor,
        bboxes: Tensor,
        labels: Tensor,
        img_meta: dict,
        rcnn_test_cfg: ConfigDict,
        rescale: bool = False,
        activate_map: bool = False,
    ) -> Tensor:
        """Pastes the masks of one image.

        Scales ``bboxes`` in place, as ``FCNMaskHead`` does, and moves their far edges behind their
        last pixel: evaluation and drawing see the widths that maskrcnn-benchmark reports.

        Args:
            mask_preds: (R, C or 1, M, M) mask logits, or probabilities with ``activate_map``.
            bboxes: (R, 4) boxes in pixels of the network's input; changed in place.
            labels: (R,) classes.
            img_meta: the image's ``ori_shape`` and ``scale_factor``.
            rcnn_test_cfg: settings with ``mask_thr_binary``.
            rescale: whether masks and boxes are scaled to the original image's size.
            activate_map: whether ``mask_preds`` are probabilities.

        Returns:
            (R, height, width) bool.
        """
        height, width = img_meta["ori_shape"][:2]
        scale_x, scale_y = img_meta["scale_factor"]
        if rescale:
            bboxes /= bboxes.new_tensor((scale_x, scale_y, scale_x, scale_y))
        else:
            height, width = round(height * scale_y), round(width * scale_x)
        probabilities = torch.as_tensor(mask_preds, device=bboxes.device)
        if not activate_map:
            probabilities = probabilities.sigmoid()
        classes = torch.zeros_like(labels) if self.class_agnostic else labels
        chosen = probabilities[torch.arange(len(labels), device=labels.device), classes]
        masks = torch.stack(
            [
                _paste(mask, box, int(height), int(width), rcnn_test_cfg.mask_thr_binary)
                for mask, box in zip(chosen, bboxes, strict=True)
            ]
        )
        bboxes[:, 2:] += 1
        return masks


def _paste(mask: Tensor, box: Tensor, height: int, width: int, threshold: float) -> Tensor:
    """Pastes a mask, padded with a border of zeros by which its box grows, into an image.

    Args:
        mask: (M, M) probabilities.
        box: (4,) first and last pixel.
        height: height of the image.
        width: width of the image.
        threshold: probability above which a pixel is foreground.

    Returns:
        (height, width) bool.
    """
    middle = (box[2:] + box[:2]) * 0.5
    reach = (box[2:] - box[:2]) * 0.5 * ((mask.shape[-1] + 2) / mask.shape[-1])
    # truncated towards zero, as by an integer cast
    x1, y1, x2, y2 = (int(edge) for edge in torch.cat((middle - reach, middle + reach)).tolist())
    size = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
    padded = F.pad(mask, (1, 1, 1, 1))[None, None]
    resized = F.interpolate(padded, size=size, mode="bilinear", align_corners=False)[0, 0]
    image = torch.zeros(height, width, dtype=torch.bool, device=mask.device)
    left, right, top, bottom = max(x1, 0), min(x2 + 1, width), max(y1, 0), min(y2 + 1, height)
    if left < right and top < bottom:
        inside = resized[top - y1 : bottom - y1, left - x1 : right - x1]
        image[top:bottom, left:right] = inside > threshold
    return image


@TRANSFORMS.register_module()
class TruncatedResize(Resize):
    """Resizes the short side to its length exactly and truncates the long side to whole pixels.

    MMDetection's ``Resize`` rounds both. Always keeps the aspect ratio; ``keep_ratio`` is not read.
    """

    def _resize_img(self, results: dict[str, Any]) -> None:
        """Resizes the image and stores its new shape and scale in ``results``."""
        image = results.get("img")
        if image is None:
            return
        resized, scale_x, scale_y = mmcv.imresize(
            image,
            _truncated_size(image.shape[1], image.shape[0], results["scale"]),
            return_scale=True,
            interpolation=self.interpolation,
            backend=self.backend,
        )
        results["img"] = resized
        results["img_shape"] = resized.shape[:2]
        results["scale_factor"] = (scale_x, scale_y)
        results["keep_ratio"] = True


def _truncated_size(width: int, height: int, scale: tuple[int, int]) -> tuple[int, int]:
    """Returns the width and height whose short side is the scale's, or shorter to fit its long."""
    short, long = min(width, height), max(width, height)
    side = min(scale)
    if long / short * side > max(scale):
        side = round(max(scale) * short / long)
    other = int(side * long / short)
    return (side, other) if width < height else (other, side)
