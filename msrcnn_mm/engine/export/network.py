"""Writes the test of a Mask R-CNN or Mask Scoring R-CNN as one network of operators of ONNX.

Shape shorthand:
    H, W: height and width of the padded image
    N: anchors or boxes
    R: proposals
    C: classes
    D: detections
    M: side of the masks (28)
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor, nn

from msrcnn_mm.models.class_selection import select_class
from msrcnn_mm.models.scorers.maskness import mean_over_foreground

from .operators import pool, suppress, top


class DetectorNetwork(nn.Module):
    """Computes a detector's test of one image, in operators that ONNX has.

    The detections are those of the detector itself, with masks as probabilities in their boxes
    instead of pixels of the image.

    Args:
        detector: a Mask R-CNN or Mask Scoring R-CNN that :func:`.check_supported` allows.
    """

    detector: Any

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector.eval()

    def forward(self, image: Tensor, size: Tensor) -> dict[str, Tensor]:
        """Detects the objects of an image.

        Args:
            image: (1, 3, H, W), normalised and padded on the right and at the bottom.
            size: (2,) height and width without the padding.

        Returns:
            ``boxes``, (D, 4) x1, y1, x2, y2 in pixels of ``image``, ``labels``, (D,),
            ``class_scores``, (D,), ``mask_ious`` and ``mask_scores``, (D,), if there is a scorer,
            ``foreground_probs``, (D,), and ``masks``, (D, M, M) probabilities.
        """
        head = self.detector.roi_head
        x = self.detector.extract_feat(image)
        boxes, labels, scores = self._boxes(x, self._proposals(x, size), size)
        found = {"boxes": boxes, "labels": labels, "class_scores": scores}
        features = _pooled(x, boxes, head.mask_roi_extractor)
        logits = head.mask_head(features)
        if hasattr(head, "mask_iou_head"):
            if head.mask_iou_roi_extractor is not None:
                features = _pooled(x, boxes, head.mask_iou_roi_extractor)
            ious = select_class(head.mask_iou_head(features, logits, labels), labels).clamp(0, 1)
            found |= {"mask_ious": ious, "mask_scores": scores * ious}
        probs = select_class(logits, labels).sigmoid()
        foreground = probs >= head.test_cfg["mask_thr_binary"]
        return {
            **found,
            "foreground_probs": mean_over_foreground(probs, foreground),
            "masks": probs,
        }

    def _proposals(self, x: tuple[Tensor, ...], size: Tensor) -> Tensor:
        """Returns (R, 4) proposals."""
        head = self.detector.rpn_head
        settings = self.detector.test_cfg.rpn
        logits, deltas = head(x)
        sizes = [level.shape[-2:] for level in logits]
        priors = head.prior_generator.grid_priors(sizes, device=x[0].device)
        parts = []
        for k, anchors in enumerate(priors):
            scores = logits[k][0].permute(1, 2, 0).reshape(-1).sigmoid()
            own = deltas[k][0].permute(1, 2, 0).reshape(-1, 4)
            if settings.get("nms_pre", -1) > 0:
                kept = top(scores, settings.nms_pre)
                scores, own, anchors = scores[kept], own[kept], anchors[kept]
            parts.append((scores, own, anchors, torch.full_like(scores, k)))
        scores, own, anchors, level = (torch.cat(part) for part in zip(*parts, strict=True))
        boxes = _decode(head.bbox_coder, anchors, own, size)
        least = settings.get("min_bbox_size", -1)
        valid = ((boxes[:, 2:] - boxes[:, :2]) > least).all(dim=1) if least >= 0 else scores >= 0
        # a score of -2 is below the threshold of -1, so that boxes that are not valid are dropped
        kept = _suppress_groups(
            boxes, torch.where(valid, scores, -2), level, settings.nms, -1, settings.max_per_img
        )
        return boxes[kept]

    def _boxes(
        self, x: tuple[Tensor, ...], proposals: Tensor, size: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns (D, 4) boxes, (D,) labels and (D,) class scores."""
        head, settings = self.detector.roi_head.bbox_head, self.detector.test_cfg.rcnn
        features = _pooled(x, proposals, self.detector.roi_head.bbox_roi_extractor)
        logits, deltas = head(features)
        classes = head.num_classes
        scores = logits.softmax(dim=1)[:, :classes].reshape(-1)
        if head.reg_class_agnostic:
            boxes = _decode(head.bbox_coder, proposals, deltas, size)
            boxes = boxes[:, None].expand(-1, classes, 4).reshape(-1, 4)
        else:
            rois = proposals[:, None].expand(-1, classes, 4).reshape(-1, 4)
            boxes = _decode(head.bbox_coder, rois, deltas.reshape(-1, 4), size)
        labels = torch.arange(classes).expand(proposals.size(0), classes).reshape(-1)
        kept = _suppress_groups(
            boxes, scores, labels, settings.nms, settings.score_thr, settings.max_per_img
        )
        return boxes[kept], labels[kept], scores[kept]


def _pooled(x: Sequence[Tensor], boxes: Tensor, extractor: SingleRoIExtractor) -> Tensor:
    """Returns (N, channels, S, S) features of (N, 4) boxes."""
    layers = extractor.roi_layers
    first = layers[0]
    return pool(
        list(x[: extractor.num_inputs]),
        boxes,
        [layer.spatial_scale for layer in layers],
        first.output_size[0],
        first.sampling_ratio,
        first.aligned,
        float(extractor.finest_scale),
    )


def _suppress_groups(
    boxes: Tensor, scores: Tensor, groups: Tensor, settings: Any, least: float, most: int
) -> Tensor:
    """Suppresses boxes of the same group, as ``mmcv.ops.batched_nms``: others are moved apart."""
    if not settings.get("class_agnostic", False):
        seen = torch.where((scores > least)[:, None], boxes, 0).flatten()
        farthest = torch.cat((seen.new_zeros(1), seen)).amax(dim=0)
        boxes = boxes + (groups.to(boxes) * (farthest + 1))[:, None]
    return suppress(boxes, scores, settings.iou_threshold, float(least), most)


def _decode(coder: DeltaXYWHBBoxCoder, boxes: Tensor, deltas: Tensor, size: Tensor) -> Tensor:
    """Moves (N, 4) boxes by (N, 4) deltas, as ``delta2bbox``, and cuts them at the image's edge."""
    deltas = deltas * deltas.new_tensor(coder.stds) + deltas.new_tensor(coder.means)
    most = abs(torch.tensor(16 / 1000).log().item())
    centers, sides = (boxes[:, :2] + boxes[:, 2:]) * 0.5, boxes[:, 2:] - boxes[:, :2]
    centers = centers + sides * deltas[:, :2]
    sides = sides * deltas[:, 2:].clamp(-most, most).exp()
    moved = torch.cat((centers - sides * 0.5, centers + sides * 0.5), dim=1)
    if not coder.clip_border:
        return moved
    return torch.minimum(moved.clamp(min=0), size[[1, 0, 1, 0]])
