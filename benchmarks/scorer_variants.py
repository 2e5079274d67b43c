"""Scorers that learn beside one another on one host, for ``benchmarks.scorer_ideas``.

None sends a gradient into the host, so that all score the same masks. Shape shorthand: D detections
of a batch, R positive RoIs, V variants.
"""

from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from msrcnn_mm.models.class_selection import select_class
from msrcnn_mm.models.hosts.detection_scoring import DetectionScoring, as_at_test
from msrcnn_mm.models.hosts.mask_scoring_roi_head import MaskScoringRoIHead
from msrcnn_mm.models.scorers.mask_iou_head import MaskIoUHead
from msrcnn_mm.models.scorers.mask_scorer import MaskScorer
from msrcnn_mm.models.scorers.seen_detections import GEOMETRY, SeenDetections
from msrcnn_mm.models.scorers.tp_share_head import NUMBERS, TPShareHead, mask_numbers
from msrcnn_mm.models.targets.mask_iou_targets import mask_iou_targets
from msrcnn_mm.models.targets.summed_area import SummedAreaTables
from msrcnn_mm.models.targets.tp_shares import tp_shares

FROM_ROIS = {
    "apart": "the paper's head without gradient into the host",
    "cross-entropy": "apart, binary cross-entropy instead of squared error",
    "jittered boxes": "apart, from RoIs that are moved and scaled by up to 15%",
}
FROM_DETECTIONS = {
    "own detections": "apart, from the host's own detections, true IoU as target",
    "TP share": "own detections, TP share as target",
    "pixels": "convolutions on mask and entropy, geometry and class score; TP share, cross-entropy",
    "pixels and features": "pixels, and RoI features",
    "numbers": "TPShareHead: numbers of the mask, geometry and class score",
    "numbers, features": "numbers, and the mean of the RoI features",
    "numbers, box logits": "numbers, and what the box branch says of the detected box",
    "numbers, squared error": "numbers, squared error",
    "numbers, true IoU": "numbers, true IoU as target",
    "numbers, ranking": "numbers, and a ranking loss within the image",
    "numbers, no overlaps": "numbers without the boxes' geometry and overlaps",
}


class _Pixels(MaskScorer):
    """Convolutions on the mask, its entropy and perhaps RoI features."""

    def __init__(self, in_channels: int, num_classes: int, features: bool) -> None:
        super().__init__()
        self.num_classes, self.features = num_classes, features
        self.masks = nn.Sequential(
            nn.Conv2d(2, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.reduce = nn.Conv2d(in_channels, 64, 1) if features else None
        self.convs = nn.Sequential(
            nn.Conv2d(128 if features else 64, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
        )
        self.class_bias = nn.Embedding(num_classes, 1)
        self.hidden = nn.Linear(64 + GEOMETRY + 3, 128)
        self.out = nn.Linear(128, 1)
        for weight in (self.class_bias.weight, self.out.weight, self.out.bias):
            nn.init.zeros_(weight)

    def logits(self, seen: SeenDetections, _: Tensor) -> Tensor:
        p = seen.patches
        entropy = torch.special.entr(p) + torch.special.entr(1 - p)
        x = self.masks(torch.stack((p, entropy), dim=1))
        if self.reduce is not None:
            x = torch.cat((self.reduce(F.avg_pool2d(seen.features, 2)), x), dim=1)
        score = seen.scores.logit(eps=1e-4)[:, None]
        foreground = (p >= 0.5).float()
        area = foreground.sum(dim=(1, 2)).clamp(min=1)
        certain, unsure = ((v.sum(dim=(1, 2)) / area)[:, None] for v in (p * foreground, entropy))
        means = self.convs(x).mean(dim=(2, 3))
        numbers = torch.cat((means, score, certain, unsure, seen.geometry), dim=1)
        hidden = self.hidden(numbers).relu()
        return (score + self.out(hidden) + self.class_bias(seen.labels))[:, 0]


class _Numbers(TPShareHead):
    """The TP share head with other inputs."""

    def __init__(self, num_classes: int, more: int = 0, overlaps: bool = True, what: str = ""):
        super().__init__(num_classes)
        self.what, self.overlaps = what, overlaps
        columns = NUMBERS + more - (0 if overlaps else GEOMETRY)
        self.standardise = type(self.standardise)(columns)
        self.numbers = nn.Linear(columns, self.hidden.in_features)

    def logits(self, seen: SeenDetections, box_logits: Tensor) -> Tensor:
        score = seen.scores.logit(eps=1e-4)
        parts = [score[:, None], mask_numbers(seen)]
        if not self.overlaps:
            parts[1] = parts[1][:, :-GEOMETRY]
        if self.what == "features":
            parts.append(seen.features.mean(dim=(2, 3)))
        if self.what == "box logits":
            parts.append(box_logits)
        numbers = self.standardise(torch.cat(parts, dim=1))
        hidden = (self.numbers(numbers) + self.classes(seen.labels)).relu()
        return score + self.out(self.hidden(hidden).relu())[:, 0]


@MODELS.register_module()
class ScorerVariants(MaskScorer):
    """Several scorers as one, which gives a (D, V) matrix of what each predicts.

    Args:
        mask_iou_head: settings of the paper's head.
        variants: names of the variants, V of them, ``numbers`` among them.
    """

    patch_side = 28
    roi_feat_size = 14

    def __init__(self, mask_iou_head: dict[str, Any], variants: list[str]) -> None:
        super().__init__()
        settings = {k: v for k, v in mask_iou_head.items() if k != "type"}
        classes, channels = settings["num_classes"], settings["in_channels"]
        self.num_classes, self.in_channels, self.variants = classes, channels, variants

        def built(name: str) -> MaskScorer:
            if name in ("pixels", "pixels and features"):
                return _Pixels(channels, classes, features=name != "pixels")
            if name.startswith("numbers"):
                what = name.removeprefix("numbers, ")
                more = {"features": channels, "box logits": classes + 5}.get(what, 0)
                return _Numbers(classes, more, overlaps=what != "no overlaps", what=what)
            return MaskIoUHead(**settings)

        self.heads = nn.ModuleList([built(name) for name in variants])
        self.box_logits = self.images = torch.empty(0)

    def predicted(self, name: str, seen: SeenDetections, box_logits: Tensor) -> Tensor:
        """Predicts (D,) by one variant: logits, but of heads with squared error on RoI features."""
        head = self.heads[self.variants.index(name)]
        if isinstance(head, MaskIoUHead):
            return head.quality(seen)
        return head.logits(seen, box_logits)

    def quality(self, seen: SeenDetections) -> Tensor:
        """Predicts the (D, V) scores of the variants, each of which ranks masks."""
        columns = []
        for name in self.variants:
            predicted = self.predicted(name, seen, self.box_logits).float()
            if name == "cross-entropy" or not isinstance(
                self.heads[self.variants.index(name)], MaskIoUHead
            ):
                predicted = predicted.sigmoid()
            multiplied = name in FROM_ROIS or name in ("own detections", "TP share")
            if multiplied or name == "numbers, true IoU":
                predicted = seen.scores * predicted.clamp(0, 1)
            columns.append(predicted)
        return torch.stack(columns, dim=1)

    def quality_loss(self, seen: SeenDetections, targets: Tensor) -> dict[str, Tensor]:
        """Computes the loss of each variant that learns from detections.

        Args:
            seen: D detections.
            targets: (D, 2) TP shares and true IoUs, NaN for a detection that does not count.
        """
        losses = {}
        for name in self.variants:
            if name in FROM_ROIS:
                continue
            target = targets[:, int(name in ("own detections", "numbers, true IoU"))]
            counted = ~target.isnan()
            target = target.nan_to_num(0)
            predicted = self.predicted(name, seen, self.box_logits).float()
            squares = name in ("own detections", "TP share")
            if squares:
                loss = (predicted - target).square() / 2
            elif name == "numbers, squared error":
                loss = (predicted.sigmoid() - target).square()
            else:
                loss = F.binary_cross_entropy_with_logits(predicted, target, reduction="none")
            mean = torch.where(counted, loss, 0).sum() / counted.sum().clamp(min=1)
            if name == "numbers, ranking":
                better = (target[:, None] > target + 0.05) & counted[:, None] & counted
                better &= self.images[:, None] == self.images
                pairs = F.softplus(predicted - predicted[:, None])
                mean = mean + torch.where(better, pairs, 0).sum() / better.sum().clamp(min=1)
            losses[f"loss_{name}".replace(" ", "_")] = mean
        return losses

    def add_scores(self, results: InstanceData, quality: Tensor) -> None:
        """Adds ``variant_scores``, (D, V), and those of ``numbers`` as ``rescored_scores``."""
        results.variant_scores = quality
        results.rescored_scores = quality[:, self.variants.index("numbers")]


@MODELS.register_module()
class ScorerVariantsRoIHead(DetectionScoring, MaskScoringRoIHead):
    """The paper's RoI head, whose own head learns as ever, and scorers beside it."""

    scorer: ScorerVariants

    def mask_loss(
        self, x: tuple[Tensor, ...], sampling_results: list, bbox_feats: Tensor, gts: list
    ) -> dict:
        """Adds the losses of the variants that learn from positive RoIs."""
        mask_results = super().mask_loss(x, sampling_results, bbox_feats, gts)
        names = [name for name in self.scorer.variants if name in FROM_ROIS]
        if names:
            maps = tuple(level.detach() for level in x)
            tables = SummedAreaTables.from_masks([gt.masks for gt in gts], x[0].device)
            firsts = accumulate(map(len, gts[:-1]), initial=0)
            labels = torch.cat([sampled.pos_gt_labels for sampled in sampling_results])
            inds = torch.cat(
                [s.pos_assigned_gt_inds + f for s, f in zip(sampling_results, firsts, strict=True)]
            )
        for name in names:
            boxes = [sampled.pos_priors for sampled in sampling_results]
            if name == "jittered boxes":
                boxes = [jittered(box) for box in boxes]
            rois = bbox2roi(boxes)
            with torch.no_grad(), as_at_test(self):
                logits = select_class(self._mask_forward(maps, rois)["mask_preds"], labels)
            target = mask_iou_targets(logits, rois[:, 1:], inds, tables)
            seen = SeenDetections(
                features=torch.cat([*self.inputs.features(maps, boxes, max(_side(maps)))]),
                patches=logits.sigmoid(),
                scores=torch.ones_like(target),
                labels=labels,
                geometry=rois.new_zeros(len(rois), GEOMETRY),
            )
            predicted = self.scorer.predicted(name, seen, rois).float()
            if name == "cross-entropy":
                loss = F.binary_cross_entropy_with_logits(predicted, target, reduction="none")
            else:
                loss = (predicted - target).square() / 2
            counted = target > 0
            mean = torch.where(counted, loss, 0).sum() / counted.sum().clamp(min=1)
            mask_results["loss_mask"][f"loss_{name}".replace(" ", "_")] = mean
        return mask_results

    def _seen(self, x: Any, results_list: Any, samples: Any, rescale: bool) -> Any:
        seen = super()._seen(x, results_list, samples, rescale)
        boxes = []
        for results, sample in zip(results_list, samples, strict=True):
            factors = sample.scale_factor if rescale else (1, 1)
            boxes.append(results.bboxes * results.bboxes.new_tensor(factors).repeat(2))
        with torch.no_grad(), as_at_test(self):
            found = self._bbox_forward(x, bbox2roi(boxes)) if sum(map(len, boxes)) else None
        width = self.scorer.num_classes + 5
        logits = x[0].new_zeros(0, width)
        if found is not None:
            deltas = found["bbox_pred"].view(len(found["bbox_pred"]), -1, 4)
            labels = torch.cat([results.labels for results in results_list])
            own = deltas[torch.arange(len(labels)), labels if deltas.size(1) > 1 else labels * 0]
            logits = torch.cat((found["cls_score"].log_softmax(dim=1), own.abs()), dim=1)
        self.scorer.box_logits = logits
        counts = torch.tensor([len(box) for box in boxes])
        self.scorer.images = torch.arange(len(boxes)).repeat_interleave(counts).to(logits.device)
        return seen

    def predict(self, x: Any, rpn_results_list: Any, samples: Any, rescale: bool = False) -> Any:
        """Predicts one image at a time, since the scorer holds the box logits of a batch."""
        found = []
        for i, (proposals, sample) in enumerate(zip(rpn_results_list, samples, strict=True)):
            one = tuple(level[i : i + 1] for level in x)
            found += super().predict(one, [proposals], [sample], rescale)
        return found

    def _targets(self, ious: Tensor, scores: Tensor, crowds: Tensor) -> Tensor:
        shares = tp_shares(ious, scores, crowds)
        own = torch.where(crowds, 0, ious)
        best = torch.cat((own, own.new_zeros(len(own), 1)), dim=1).amax(dim=1).to(shares.dtype)
        return torch.stack((shares, torch.where(shares.isnan(), shares, best)), dim=1)


def jittered(boxes: Tensor) -> Tensor:
    """Moves and scales (R, 4) boxes by up to 15% of their sides."""
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    centres = centres + sides * (torch.rand_like(sides) - 0.5) * 0.3
    sides = sides * torch.exp((torch.rand_like(sides) - 0.5) * 0.3)
    return torch.cat((centres - sides / 2, centres + sides / 2), dim=1)


def _side(maps: tuple[Tensor, ...]) -> tuple[int, int]:
    height, width = maps[0].shape[-2:]
    return 4 * height, 4 * width
