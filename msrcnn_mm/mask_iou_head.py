"""The MaskIoU head of Mask Scoring R-CNN (Huang et al., CVPR 2019, section 3.2).

Shape shorthand:
    R: RoIs over all images of the batch
    C: classes
    S: side of the RoI features (14)
    M: side of the predicted masks (28 = 2 S)
"""

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

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

    Args:
        num_convs: number of 3x3 convolutions.
        num_fcs: number of fully connected layers before the output.
        roi_feat_size: S, the side of the RoI features; the masks' side is twice that.
        in_channels: channels of the RoI features.
        conv_out_channels: width of the convolutions.
        fc_out_channels: width of the fully connected layers.
        num_classes: C.
        class_agnostic: one output for all classes instead of one for each.
        detach_mask: keep the gradient of the mask IoU loss out of the mask branch's prediction.
            The authors' code lets it flow, and so does the default.
        loss_iou: the regression loss. The default is 0.5 * squared error, as in the authors' code.
        init_cfg: how the weights are initialised.
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
        class_agnostic: bool = False,
        detach_mask: bool = False,
        loss_iou: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=list(_INIT_CFG) if init_cfg is None else init_cfg)
        self.num_classes = num_classes
        self.class_agnostic = class_agnostic
        self.detach_mask = detach_mask

        self.convs = nn.ModuleList()
        channels, side = in_channels + 1, roi_feat_size
        for i in range(num_convs):
            stride = 2 if i == num_convs - 1 else 1
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

    def forward(self, mask_feats: Tensor, mask_logits: Tensor) -> Tensor:
        """Predicts mask IoUs for all classes.

        Args:
            mask_feats: (R, channels, S, S) RoI features of the mask branch.
            mask_logits: (R, 2 S, 2 S) mask logits of the target class.

        Returns:
            (R, C) mask IoUs, or (R, 1) where class-agnostic, not clamped.

        Raises:
            ValueError: the masks' side is not twice the RoI features'.
        """
        if self.detach_mask:
            mask_logits = mask_logits.detach()
        mask = self.max_pool(mask_logits.sigmoid().unsqueeze(1))
        if mask.shape[-2:] != mask_feats.shape[-2:]:
            raise ValueError(
                f"MaskIoUHead: masks of side {mask_logits.shape[-1]} do not fit RoI features of "
                f"side {mask_feats.shape[-1]}: set mask_roi_extractor's output_size to half the "
                "masks' side"
            )
        x = torch.cat((mask_feats, mask), dim=1)
        for conv in self.convs:
            x = conv(x).relu()
        x = x.flatten(1)
        for fc in self.fcs:
            x = fc(x).relu()
        return self.fc_mask_iou(x)

    def of_class(self, mask_ious: Tensor, labels: Tensor) -> Tensor:
        """Picks each RoI's output for its class.

        Args:
            mask_ious: (R, C) or (R, 1), from :meth:`forward`.
            labels: (R,) classes in [0, C).

        Returns:
            (R,) mask IoUs.
        """
        if self.class_agnostic:
            return mask_ious[:, 0]
        return mask_ious.gather(1, labels[:, None])[:, 0]

    def loss(self, mask_ious: Tensor, labels: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The mask IoU loss: mean over the samples with a target above 0, on the target class.

        Without such a sample the loss is 0 and still reaches every parameter (with gradient 0),
        which distributed training needs.

        Args:
            mask_ious: (R, C) or (R, 1), from :meth:`forward`.
            labels: (R,) ground-truth classes.
            targets: (R,) mask IoU targets in [0, 1].

        Returns:
            ``loss_mask_iou``, a scalar.
        """
        counted = targets > 0
        predicted = self.of_class(mask_ious, labels).float()
        # No boolean index, whose size would have to be waited for: a sample that does not count
        # predicts its own target, so its loss and gradient are 0 even where fp16 overflowed.
        predicted = torch.where(counted, predicted, targets)
        loss = self.loss_iou(predicted, targets, avg_factor=counted.sum().clamp(min=1))
        return {"loss_mask_iou": loss}

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
            results.mask_ious = self.of_class(predicted, results.labels).float().clamp(0, 1)
            results.mask_scores = results.scores * results.mask_ious
        return results_list
