"""The MaskIoU head of Mask Scoring R-CNN (Huang et al., CVPR 2019, section 3.2).

Shape shorthand:
    R: RoIs over all images of the batch
    C: classes
    S: side of the RoI features (14)
    M: side of the predicted masks (28 = 2 S)
    K: outputs: C, or 1 if the head is class-agnostic
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmdet.utils import InstanceList
from torch import Tensor, nn

from msrcnn_mm.errors import SettingError

from ..class_selection import select_class
from ..settings import require_choice, require_flag
from ..targets.class_targets import LEARNS, class_targets
from ..targets.mask_iou_targets import mask_iou_targets
from ..targets.summed_area import SummedAreaTables
from .mask_scorer import MaskScorer
from .seen_detections import SeenDetections

MASK_INPUTS = ("target_concat", "target_multiply", "all_concat")
"""Ways to combine masks with RoI features: designs (a), (b) and (c) of the paper's figure 4."""

_INIT_CFG = (
    {"type": "Kaiming", "override": {"name": "convs"}},
    {"type": "Caffe2Xavier", "override": {"name": "fcs"}},
    {"type": "Normal", "std": 0.01, "override": {"name": "fc_mask_iou"}},
)


@MODELS.register_module(force=True)
class MaskIoUHead(MaskScorer):
    """The scorer of Mask Scoring R-CNN: predicts s_iou from RoI features and the mask.

    The sigmoid mask of the target class, 2x2 max-pooled to the RoI features' size, is concatenated
    to these features as one more channel. 3x3 convolutions (the last of stride 2), fully connected
    layers and one output per class follow: 0.39 GMACs per RoI at the default sizes.

    Replaces MMDetection's class of the same name, with the same parameter names: its configs and
    checkpoints fit.

    The paper's ablations are settings of this head. Design (d) of figure 4, the mask at its full
    size, needs RoI features as large as the masks (``mask_iou_roi_extractor`` of the host),
    ``roi_feat_size=28`` and ``conv_strides=(2, 1, 1, 2)``.

    Args:
        num_convs: number of 3x3 convolutions.
        num_fcs: number of fully connected layers before the output.
        roi_feat_size: S, the side of the RoI features. The side of the masks is 2 S or S.
        in_channels: channels of the RoI features.
        conv_out_channels: channels of the convolutions.
        fc_out_channels: outputs of the fully connected layers.
        num_classes: C.
        conv_strides: stride of each convolution. By default 1, and 2 for the last.
        mask_input: how masks and RoI features are combined (section 4.3, figure 4).
            ``target_concat`` (a): the mask of the target class is one more channel;
            ``target_multiply`` (b): it multiplies every channel; ``all_concat`` (c): the masks of
            all classes are C more channels.
        learns: which outputs have a target (section 4.3, table 5). ``target_class`` (#1): the
            target class; ``all_classes`` (#2): all classes, with target 0 for classes that are not
            in the RoI; ``positive_classes`` (#3): the target class and the other classes in the
            RoI, each with its own IoU.
        mask_iou_thr: tau, in [0, 1). The head learns from RoIs with a mask IoU target above it
            (section 4.3, table 6).
        box_iou_thr: in [0, 1). The head learns from RoIs whose box has an IoU above it with the
            ground-truth box. The host's assigner already requires 0.5.
        class_agnostic: whether there is one output for all classes instead of one per class.
        detach_mask: whether the gradient of the mask IoU loss is kept out of the mask branch. It
            flows by default, as in the authors' code.
        loss_iou: config of the regression loss. The default is 0.5 * squared error, as in the
            authors' code.
        init_cfg: how the weights are initialised. The default is MMDetection's.

    Raises:
        SettingError: if a setting is out of its range, or two do not go together.
    """

    unused_by_quality = ("learns", "mask_iou_thr", "box_iou_thr", "detach_mask")

    def __init__(
        self,
        num_convs: int = 4,
        num_fcs: int = 2,
        roi_feat_size: int = 14,
        in_channels: int = 256,
        conv_out_channels: int = 256,
        fc_out_channels: int = 1024,
        num_classes: int = 80,
        conv_strides: Sequence[int] | None = None,
        mask_input: str = "target_concat",
        learns: str = "target_class",
        mask_iou_thr: float = 0.0,
        box_iou_thr: float = 0.0,
        class_agnostic: bool = False,
        detach_mask: bool = False,
        loss_iou: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=list(_INIT_CFG) if init_cfg is None else init_cfg)
        require_choice("MaskIoUHead: mask_input", mask_input, MASK_INPUTS)
        require_choice("MaskIoUHead: learns", learns, LEARNS)
        for name, value in (("mask_iou_thr", mask_iou_thr), ("box_iou_thr", box_iou_thr)):
            if not isinstance(value, int | float) or not 0 <= value < 1:
                raise SettingError(f"MaskIoUHead: {name}={value!r} must be a number in [0, 1)")
        require_flag("MaskIoUHead: class_agnostic", class_agnostic)
        require_flag("MaskIoUHead: detach_mask", detach_mask)
        if class_agnostic and learns != "target_class":
            raise SettingError(
                f"MaskIoUHead: learns={learns!r} needs one output per class: "
                "set class_agnostic=False"
            )
        if conv_strides is None:
            conv_strides = [1] * (num_convs - 1) + [2] * min(num_convs, 1)
        _check_strides(conv_strides, num_convs)
        self.roi_feat_size = roi_feat_size
        self.patch_side = 2 * roi_feat_size
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.mask_input = mask_input
        self.learns = learns
        self.mask_iou_thr = mask_iou_thr
        self.box_iou_thr = box_iou_thr
        self.class_agnostic = class_agnostic
        self.detach_mask = detach_mask

        self.convs = nn.ModuleList()
        more = {"target_concat": 1, "target_multiply": 0, "all_concat": num_classes}[mask_input]
        channels, side = in_channels + more, roi_feat_size
        for stride in conv_strides:
            self.convs.append(nn.Conv2d(channels, conv_out_channels, 3, stride, padding=1))
            channels, side = conv_out_channels, -(-side // stride)

        self.fcs = nn.ModuleList()
        features = channels * side * side
        for _ in range(num_fcs):
            self.fcs.append(nn.Linear(features, fc_out_channels))
            features = fc_out_channels
        self.fc_mask_iou = nn.Linear(features, 1 if class_agnostic else num_classes)

        self.max_pool = nn.MaxPool2d(2, 2)
        self.loss_iou = MODELS.build(loss_iou or {"type": "MSELoss", "loss_weight": 0.5})

    def forward(self, mask_feats: Tensor, mask_preds: Tensor, labels: Tensor) -> Tensor:
        """Predicts mask IoUs for all classes.

        Args:
            mask_feats: (R, channels, S, S) RoI features.
            mask_preds: (R, C or 1, M, M) mask logits, M = 2 S or S.
            labels: (R,) target classes.

        Returns:
            (R, K) mask IoUs, not clamped.

        Raises:
            SettingError: if the RoI features' side is not ``roi_feat_size``, the masks' side is
                neither 2 S nor S, or ``all_concat`` gets another number of masks than C.
        """
        if self.detach_mask:
            mask_preds = mask_preds.detach()
        if mask_feats.size(-1) != self.roi_feat_size:
            raise SettingError(
                f"MaskIoUHead: the RoI features have side {mask_feats.size(-1)}: set "
                f"roi_feat_size={mask_feats.size(-1)}, or output_size={self.roi_feat_size} in the "
                "RoI extractor"
            )
        x = self._fuse(mask_feats, self._input_masks(mask_preds, labels, mask_feats.size(-1)))
        for conv in self.convs:
            x = conv(x).relu()
        x = x.flatten(1)
        for fc in self.fcs:
            x = fc(x).relu()
        return self.fc_mask_iou(x)

    def _input_masks(self, mask_preds: Tensor, labels: Tensor, side: int) -> Tensor:
        """Turns (R, C or 1, M, M) logits into the (R, C or 1, S, S) probabilities of the input."""
        if self.mask_input == "all_concat":
            if mask_preds.size(1) != self.num_classes:
                raise SettingError(
                    f"MaskIoUHead: mask_input='all_concat' needs {self.num_classes} masks, one "
                    f"per class, not {mask_preds.size(1)}: set class_agnostic=False in mask_head"
                )
        else:
            mask_preds = select_class(mask_preds, labels).unsqueeze(1)
        masks = mask_preds.sigmoid()
        if masks.size(-1) == 2 * side:
            return self.max_pool(masks)
        if masks.size(-1) != side:
            raise SettingError(
                f"MaskIoUHead: masks of side {masks.size(-1)} do not fit RoI features of side "
                f"{side}: set output_size of mask_roi_extractor, or of mask_iou_roi_extractor, to "
                "the masks' side or to half of it"
            )
        return masks

    def _fuse(self, mask_feats: Tensor, masks: Tensor) -> Tensor:
        """Combines (R, channels, S, S) features and (R, C or 1, S, S) masks."""
        if self.mask_input == "target_multiply":
            return mask_feats * masks
        return torch.cat((mask_feats, masks), dim=1)

    def quality(self, seen: SeenDetections) -> Tensor:
        """Predicts (D,) TP shares of a host's own detections, see :class:`.MaskScorer`."""
        self.require_channels(seen.features.size(1))
        logits = seen.patches.logit(eps=1e-6)[:, None]
        return select_class(self(seen.features, logits, seen.labels), seen.labels)

    @torch.no_grad()
    def get_targets(
        self,
        mask_preds: Tensor,
        sampling_results: list[SamplingResult],
        batch_gt_instances: InstanceList,
        mask_thr: float,
    ) -> tuple[Tensor, Tensor]:
        """Computes the mask IoU targets of a batch, and which outputs learn theirs.

        Applies the settings ``learns``, ``mask_iou_thr`` and ``box_iou_thr`` (section 4.3).

        Args:
            mask_preds: (R, C or 1, M, M) mask logits of the positive RoIs, image by image.
            sampling_results: sampled RoIs of each image; the positive ones are used.
            batch_gt_instances: ground truth of each image, with ``labels`` and ``masks``.
            mask_thr: probability from which a pixel of a predicted mask is foreground, in (0, 1).

        Returns:
            (R, K) float32 mask IoU targets in [0, 1], and (R, K) bool.
        """
        boxes = torch.cat([sampled.pos_priors for sampled in sampling_results])
        labels = torch.cat([sampled.pos_gt_labels for sampled in sampling_results])
        masks = [gt_instances.masks for gt_instances in batch_gt_instances]
        firsts = accumulate(map(len, masks), initial=0)
        assigned = zip(sampling_results, firsts, strict=False)
        gt_inds = torch.cat([sampled.pos_assigned_gt_inds + first for sampled, first in assigned])
        tables = SummedAreaTables.from_masks(masks, mask_preds.device)
        logits = select_class(mask_preds, labels)
        ious = mask_iou_targets(logits, boxes, gt_inds, tables, mask_thr)
        counted = ious > self.mask_iou_thr
        if self.box_iou_thr > 0:
            gt_boxes = torch.cat([sampled.pos_gt_bboxes for sampled in sampling_results])
            counted &= bbox_overlaps(boxes, gt_boxes, is_aligned=True) > self.box_iou_thr
        targets, learned = class_targets(
            self.learns,
            ious,
            mask_preds,
            boxes,
            gt_inds,
            labels,
            torch.cat([gt_instances.labels for gt_instances in batch_gt_instances]),
            tables,
            self.fc_mask_iou.out_features,
            mask_thr,
        )
        return targets, learned & counted[:, None]

    def loss(self, mask_ious: Tensor, targets: Tensor, learned: Tensor) -> dict[str, Tensor]:
        """Computes the mask IoU loss: a sum over learned outputs, a mean over RoIs that have one.

        Without such an RoI the loss is 0 and every parameter gets a gradient of 0, as distributed
        training needs.

        Args:
            mask_ious: (R, K) predicted mask IoUs, from :meth:`forward`.
            targets: (R, K) mask IoU targets in [0, 1].
            learned: (R, K) bool, which outputs learn their targets.

        Returns:
            ``loss_mask_iou``, a scalar.
        """
        # An output that does not learn predicts its own target, so its loss and gradient are 0 even
        # if fp16 overflowed. A boolean index would synchronise with the device.
        predicted = torch.where(learned, mask_ious.float(), targets)
        samples = learned.any(dim=1).sum().clamp(min=1)
        return {"loss_mask_iou": self.loss_iou(predicted, targets, avg_factor=samples)}


def _check_strides(strides: object, count: int) -> None:
    valid = isinstance(strides, list | tuple) and len(strides) == count
    if not valid or not all(isinstance(s, int) and s > 0 for s in strides):  # type: ignore[attr-defined]
        raise SettingError(
            f"MaskIoUHead: conv_strides={strides!r} must be {count} integers >= 1, one per "
            "convolution (num_convs)"
        )
