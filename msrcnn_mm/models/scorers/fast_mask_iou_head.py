"""The fast mask re-scoring network of YOLACT++ (Bolya et al., arXiv 1912.06218, section 6.1).

Shape shorthand:
    R: masks over all images of the batch
    C: classes
    P: side of the prototypes (138 for images of side 550); they need not be square
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..class_selection import select_class
from ..settings import require_flag, require_integer
from ..targets.mask_iou_targets import whole_mask_ious
from .mask_scorer import MaskScorer
from .seen_detections import SeenDetections

_WIDTHS = (8, 16, 32, 64, 128)
_INIT_CFG = {"type": "Xavier", "distribution": "uniform", "bias": 0, "layer": "Conv2d"}


@MODELS.register_module()
class FastMaskIoUHead(MaskScorer):
    """The scorer of YOLACT++: predicts s_iou from the mask alone, without features.

    The input is the sigmoid mask of an instance at the prototypes' size, cropped to its box. Five
    3x3 convolutions of stride 2 and a 1x1 convolution to the classes follow, each with a ReLU, and
    a global maximum: 108.6 thousand parameters for 80 classes.

    By default the output bias is 0.5, so that no last ReLU starts dead: it passes no gradient for a
    class whose output is below 0 on every mask. The authors' bias is 0.

    Args:
        num_classes: C, >= 1.
        discard_area: the head does not learn from instances of at most this many pixels at the
            prototypes' size.
        max_masks_to_train: largest number of masks of a batch to learn from, drawn at random. By
            default the head learns from all masks that the host trains on.
        detach_mask: whether the gradient of the mask IoU loss is kept out of the host's masks. It
            flows by default, as in the authors' code.
        rescore_boxes: whether ``scores`` are replaced by the mask scores, so that s_iou ranks boxes
            too. The results then have no class scores.
        loss_iou: config of the regression loss. The default is smooth L1 of weight 25, as in the
            authors' code.
        init_cfg: how the weights are initialised. By default Xavier uniform.

    Raises:
        SettingError: if a setting has another type or is out of its range.
    """

    patch_side = 64
    unused_by_quality = ("discard_area", "max_masks_to_train", "detach_mask", "rescore_boxes")

    def __init__(
        self,
        num_classes: int = 80,
        discard_area: int = 25,
        max_masks_to_train: int | None = None,
        detach_mask: bool = False,
        rescore_boxes: bool = False,
        loss_iou: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=dict(_INIT_CFG) if init_cfg is None else init_cfg)
        require_integer("FastMaskIoUHead: num_classes", num_classes, least=1)
        require_integer("FastMaskIoUHead: discard_area", discard_area, least=0)
        if max_masks_to_train is not None:
            require_integer("FastMaskIoUHead: max_masks_to_train", max_masks_to_train, least=1)
        require_flag("FastMaskIoUHead: detach_mask", detach_mask)
        require_flag("FastMaskIoUHead: rescore_boxes", rescore_boxes)
        self.num_classes = num_classes
        self.discard_area = discard_area
        self.max_masks_to_train = max_masks_to_train
        self.detach_mask = detach_mask
        self.rescore_boxes = rescore_boxes
        self.convs = nn.ModuleList()
        channels = 1
        for width in _WIDTHS:
            self.convs.append(nn.Conv2d(channels, width, 3, stride=2))
            channels = width
        self.convs.append(nn.Conv2d(channels, num_classes, 1))
        self.loss_iou = MODELS.build(loss_iou or {"type": "SmoothL1Loss", "loss_weight": 25.0})
        self._own_init = init_cfg is None

    def init_weights(self) -> None:
        """Initialises by ``init_cfg``; by default the output bias becomes 0.5."""
        again = self.is_init
        super().init_weights()
        if self._own_init and not again:
            nn.init.constant_(self.convs[-1].get_parameter("bias"), 0.5)

    def forward(self, masks: Tensor) -> Tensor:
        """Predicts mask IoUs for all classes.

        Args:
            masks: (R, P, P) mask probabilities, 0 outside their boxes. Sides below 63, the smallest
                that the unpadded convolutions accept, are padded with 0.

        Returns:
            (R, C) mask IoUs >= 0, not clamped at 1.
        """
        if self.detach_mask:
            masks = masks.detach()
        least = 2 ** (len(_WIDTHS) + 1) - 1
        height, width = masks.shape[-2:]
        if min(height, width) < least:
            masks = F.pad(masks, (0, max(least - width, 0), 0, max(least - height, 0)))
        x = masks[:, None].to(self.convs[0].get_parameter("weight").dtype)
        for conv in self.convs:
            x = conv(x).relu()
        return x.amax(dim=(2, 3))

    def quality(self, seen: SeenDetections) -> Tensor:
        """Predicts (D,) TP shares of a host's own detections, see :class:`.MaskScorer`."""
        return select_class(self(seen.patches), seen.labels)

    def loss(
        self, masks: Tensor, gt_masks: Tensor, labels: Tensor, num_positives: int
    ) -> dict[str, Tensor]:
        """Computes the mask IoU loss of the target classes, summed over the learned masks.

        Without a learned mask the loss is 0 and every parameter gets a gradient of 0, as
        distributed training needs. Does not synchronise with the device.

        Args:
            masks: (R, P, P) predicted mask probabilities, 0 outside the ground-truth boxes.
            gt_masks: (R, P, P) the whole instance of each mask, 0 or 1.
            labels: (R,) target classes.
            num_positives: positive anchors of the batch, with or without a mask among the R. The
                sum is divided by it, as in the authors' code.

        Returns:
            ``loss_mask_iou``, a scalar.
        """
        learned = gt_masks.sum(dim=(1, 2)) > self.discard_area
        limit = self.max_masks_to_train
        if limit is not None and limit < len(masks):
            # learned masks come first, in random order
            order = torch.rand(len(masks), device=masks.device) + learned
            chosen = order.topk(limit).indices
            masks, gt_masks, labels = masks[chosen], gt_masks[chosen], labels[chosen]
            learned = learned[chosen]
        targets = whole_mask_ious(masks, gt_masks)
        predicted = select_class(self(masks), labels).float()
        # a mask that is not learned predicts its own target; a boolean index would synchronise
        predicted = torch.where(learned, predicted, targets)
        loss = self.loss_iou(predicted, targets, avg_factor=max(num_positives, 1))
        return {"loss_mask_iou": loss}

    def predict_by_feat(
        self, mask_ious: Sequence[Tensor], results_list: list[InstanceData]
    ) -> list[InstanceData]:
        """Adds mask IoUs and mask scores; with ``rescore_boxes`` these replace ``scores``."""
        results_list = super().predict_by_feat(mask_ious, results_list)
        for results in results_list if self.rescore_boxes else ():
            results.scores = results.mask_scores
        return results_list
