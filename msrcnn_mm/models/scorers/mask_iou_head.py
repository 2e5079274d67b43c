"""The MaskIoU head of Mask Scoring R-CNN (Huang et al., CVPR 2019, section 3.2).

Shape shorthand:
    R: RoIs over all images of the batch
    C: classes
    S: side of the RoI features (14)
    M: side of the predicted masks (28 = 2 S)
    K: outputs: C, or 1 where the head is class-agnostic
"""

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from msrcnn_mm.errors import SettingError

from ..settings import require_flag
from ..targets.class_targets import LEARNS, of_class

MASK_INPUTS = ("target_concat", "target_multiply", "all_concat")
"""How masks and RoI features meet at the head's input: (a), (b) and (c) of the paper's figure 4."""

_INIT_CFG = (
    {"type": "Kaiming", "override": {"name": "convs"}},
    {"type": "Caffe2Xavier", "override": {"name": "fcs"}},
    {"type": "Normal", "std": 0.01, "override": {"name": "fc_mask_iou"}},
)


@MODELS.register_module(force=True)
class MaskIoUHead(BaseModule):
    """The scorer: predicts s_iou, the IoU of each predicted mask with its ground truth.

    The sigmoid mask of the target class, 2x2 max-pooled to the RoI features' size, is one more
    channel of these features; 3x3 convolutions (the last of stride 2), fully connected layers,
    and one output a class follow. 0.39 GMACs an RoI at the default sizes.

    It takes the place of MMDetection's class of the same name, with the same parameter names, so
    that MMDetection's configs and checkpoints fit.

    The paper's ablations are settings of this head. Design (d) of figure 4, which sees the mask
    at its full size, needs RoI features as large as the masks (the host's
    ``mask_iou_roi_extractor``), ``roi_feat_size=28`` and ``conv_strides=(2, 1, 1, 2)``.

    Args:
        num_convs: number of 3x3 convolutions.
        num_fcs: number of fully connected layers before the output.
        roi_feat_size: S, the side of the RoI features; the masks' side is twice that, or that.
        in_channels: channels of the RoI features.
        conv_out_channels: width of the convolutions.
        fc_out_channels: width of the fully connected layers.
        num_classes: C.
        conv_strides: stride of each convolution; without it 1, and 2 for the last.
        mask_input: how the mask meets the RoI features (section 4.3, figure 4). The
            ``target_concat`` of the paper (a): the target class's mask is one more channel;
            ``target_multiply`` (b): it multiplies every channel; ``all_concat`` (c): the masks of
            all classes are C more channels.
        learns: which outputs have a target (section 4.3, table 5). ``target_class`` (#1): only
            the target class; ``all_classes`` (#2): also every other class, with 0 for those that
            do not appear in the RoI; ``positive_classes`` (#3): also the other classes that
            appear in the RoI, each with its own IoU.
        mask_iou_thr: tau, in [0, 1): RoIs whose mask IoU target is above it are learned from
            (section 4.3, table 6).
        box_iou_thr: in [0, 1): RoIs whose box has an IoU above it with the ground truth's are
            learned from. The host's assigner already asks for 0.5.
        class_agnostic: one output for all classes instead of one for each.
        detach_mask: keep the gradient of the mask IoU loss out of the mask branch's prediction.
            The authors' code lets it flow, and so does the default.
        loss_iou: the regression loss. The default is 0.5 * squared error, as in the authors' code.
        init_cfg: how the weights are initialised.

    Raises:
        SettingError: a value that the setting cannot have.
    """

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
        _check_choice("mask_input", mask_input, MASK_INPUTS)
        _check_choice("learns", learns, LEARNS)
        for name, value in (("mask_iou_thr", mask_iou_thr), ("box_iou_thr", box_iou_thr)):
            if not isinstance(value, int | float) or not 0 <= value < 1:
                raise SettingError(f"MaskIoUHead: {name}={value!r} is no number in [0, 1)")
        require_flag("MaskIoUHead: class_agnostic", class_agnostic)
        require_flag("MaskIoUHead: detach_mask", detach_mask)
        if class_agnostic and learns != "target_class":
            raise SettingError(
                f"MaskIoUHead: learns='{learns}' needs one output a class: set class_agnostic=False"
            )
        if conv_strides is None:
            conv_strides = [1] * (num_convs - 1) + [2] * min(num_convs, 1)
        _check_strides(conv_strides, num_convs)
        self.roi_feat_size = roi_feat_size
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
            SettingError: the RoI features' side is not ``roi_feat_size``, the masks' is neither
                twice nor once that, or their number is not that of the classes where all are
                asked for.
        """
        if self.detach_mask:
            mask_preds = mask_preds.detach()
        if mask_feats.size(-1) != self.roi_feat_size:
            raise SettingError(
                f"MaskIoUHead: its RoI features are of side {mask_feats.size(-1)}: set "
                f"roi_feat_size={mask_feats.size(-1)}, or another output_size in the RoI extractor"
            )
        x = self._fuse(mask_feats, self._input_masks(mask_preds, labels, mask_feats.size(-1)))
        for conv in self.convs:
            x = conv(x).relu()
        x = x.flatten(1)
        for fc in self.fcs:
            x = fc(x).relu()
        return self.fc_mask_iou(x)

    def _input_masks(self, mask_preds: Tensor, labels: Tensor, side: int) -> Tensor:
        """(R, C or 1, M, M) logits to the (R, C or 1, S, S) probabilities that the head sees."""
        if self.mask_input == "all_concat":
            if mask_preds.size(1) != self.num_classes:
                raise SettingError(
                    f"MaskIoUHead: mask_input='all_concat' needs {self.num_classes} masks, one a "
                    f"class, not {mask_preds.size(1)}: set class_agnostic=False in mask_head"
                )
        else:
            mask_preds = of_class(mask_preds, labels).unsqueeze(1)
        masks = mask_preds.sigmoid()
        if masks.size(-1) == 2 * side:
            return self.max_pool(masks)
        if masks.size(-1) != side:
            raise SettingError(
                f"MaskIoUHead: masks of side {masks.size(-1)} do not fit RoI features of side "
                f"{side}: set output_size of mask_roi_extractor, or of mask_iou_roi_extractor, to "
                "half the masks' side or to all of it"
            )
        return masks

    def _fuse(self, mask_feats: Tensor, masks: Tensor) -> Tensor:
        """(R, channels, S, S) features and (R, C or 1, S, S) masks to the first layer's input."""
        if self.mask_input == "target_multiply":
            return mask_feats * masks
        return torch.cat((mask_feats, masks), dim=1)

    def loss(self, mask_ious: Tensor, targets: Tensor, learned: Tensor) -> dict[str, Tensor]:
        """The mask IoU loss: summed over the outputs learned, mean over the RoIs that have one.

        Without such an RoI the loss is 0 and still reaches every parameter (with gradient 0),
        which distributed training needs.

        Args:
            mask_ious: (R, K), from :meth:`forward`.
            targets: (R, K) mask IoU targets in [0, 1].
            learned: (R, K) bool, which of them count.

        Returns:
            ``loss_mask_iou``, a scalar.
        """
        # No boolean index, whose size would have to be waited for: an output that does not count
        # predicts its own target, so its loss and gradient are 0 even where fp16 overflowed.
        predicted = torch.where(learned, mask_ious.float(), targets)
        samples = learned.any(dim=1).sum().clamp(min=1)
        return {"loss_mask_iou": self.loss_iou(predicted, targets, avg_factor=samples)}

    def predict_by_feat(
        self, mask_ious: tuple[Tensor, ...], results_list: list[InstanceData]
    ) -> list[InstanceData]:
        """Adds mask IoUs and mask scores to each image's detections; ``scores`` stays as it is.

        Args:
            mask_ious: for each image the output of :meth:`forward` for its detections.
            results_list: for each image its detections, with ``scores`` and ``labels``.

        Returns:
            The same detections with ``mask_ious``, s_iou in [0, 1], and ``mask_scores``,
            s_mask = s_cls * s_iou.
        """
        for results, predicted in zip(results_list, mask_ious, strict=True):
            results.mask_ious = of_class(predicted, results.labels).float().clamp(0, 1)
            results.mask_scores = results.scores * results.mask_ious
        return results_list


def _check_choice(name: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise SettingError(f"MaskIoUHead: {name}={value!r} is none of {', '.join(valid)}")


def _check_strides(strides: object, count: int) -> None:
    valid = isinstance(strides, list | tuple) and len(strides) == count
    if not valid or not all(isinstance(s, int) and s > 0 for s in strides):  # type: ignore[attr-defined]
        raise SettingError(
            f"MaskIoUHead: conv_strides={strides!r} must be {count} whole numbers above 0, one for "
            "each of num_convs convolutions"
        )
