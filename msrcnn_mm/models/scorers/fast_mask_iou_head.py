"""The fast mask re-scoring network of YOLACT++ (Bolya et al., arXiv 1912.06218).

Shape shorthand:
    R: masks over all images of the batch
    C: classes
    P: side of the prototypes (138 at an image side of 550); need not be square
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..settings import require_flag, require_whole
from ..targets.class_targets import of_class
from ..targets.mask_iou_targets import whole_mask_ious

_WIDTHS = (8, 16, 32, 64, 128)
_INIT_CFG = {"type": "Xavier", "distribution": "uniform", "bias": 0, "layer": "Conv2d"}


@MODELS.register_module()
class FastMaskIoUHead(BaseModule):
    """The scorer of YOLACT++: predicts s_iou from the mask alone, without features.

    It sees the sigmoid mask of an instance at the prototypes' size, cropped to its box. Five 3x3
    convolutions of stride 2, a 1x1 one to the classes, a ReLU after each of the six, and the
    maximum over what is left of the plane: 108.6 thousand parameters for 80 classes.

    The last ReLU, the authors' own, passes no gradient where an output is 0, and a class whose
    output begins below 0 on every mask would stay there. So the outputs begin at about 0.5, where
    the authors' begin at 0 on either side of it.

    Args:
        num_classes: C.
        discard_area: instances of at most so many pixels at the prototypes' size are not learned
            from.
        max_masks_to_train: most masks of a batch that it learns from, drawn at random; without it
            all that the host trains on.
        detach_mask: keep the gradient of the mask IoU loss out of the host's masks. The authors'
            code lets it flow, and so does the default.
        rescore_boxes: have ``scores`` become the mask scores, so that s_iou ranks boxes as well.
            The class scores are gone from the results then.
        loss_iou: the regression loss. The default is smooth L1 of weight 25, as the authors'.
        init_cfg: how the weights are initialised.

    Raises:
        SettingError: a value that the setting cannot have.
    """

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
        require_whole("FastMaskIoUHead: num_classes", num_classes, least=1)
        require_whole("FastMaskIoUHead: discard_area", discard_area, least=0)
        if max_masks_to_train is not None:
            require_whole("FastMaskIoUHead: max_masks_to_train", max_masks_to_train, least=1)
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
        """Initialises as ``init_cfg`` says; without one every output begins alive."""
        again = self.is_init
        super().init_weights()
        if self._own_init and not again:
            nn.init.constant_(self.convs[-1].get_parameter("bias"), 0.5)

    def forward(self, masks: Tensor) -> Tensor:
        """Predicts mask IoUs for all classes.

        Args:
            masks: (R, P, P) mask probabilities, 0 outside their boxes. A side below 63, the least
                that unpadded convolutions leave a cell of, is filled up with 0.

        Returns:
            (R, C) mask IoUs, 0 or above, not clamped at 1.
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

    def loss(
        self, masks: Tensor, gt_masks: Tensor, labels: Tensor, num_positives: int
    ) -> dict[str, Tensor]:
        """The mask IoU loss of the target classes, summed over the masks that are learned from.

        Without one of these the loss is 0 and still reaches every parameter (with gradient 0),
        which distributed training needs. Nothing waits for the device.

        Args:
            masks: (R, P, P) predicted mask probabilities, 0 outside the ground truth's boxes.
            gt_masks: (R, P, P) the whole instance of each, 0 or 1.
            labels: (R,) target classes.
            num_positives: what the sum is divided by, the authors' normalisation: the positive
                anchors of the batch, also those whose masks are not among the R.

        Returns:
            ``loss_mask_iou``, a scalar.
        """
        learned = gt_masks.sum(dim=(1, 2)) > self.discard_area
        limit = self.max_masks_to_train
        if limit is not None and limit < len(masks):
            # those that are learned from come first, in random order
            order = torch.rand(len(masks), device=masks.device) + learned
            chosen = order.topk(limit).indices
            masks, gt_masks, labels = masks[chosen], gt_masks[chosen], labels[chosen]
            learned = learned[chosen]
        targets = whole_mask_ious(masks, gt_masks)
        predicted = of_class(self(masks), labels).float()
        # a mask that does not count predicts its own target: no boolean index to wait for
        predicted = torch.where(learned, predicted, targets)
        loss = self.loss_iou(predicted, targets, avg_factor=max(num_positives, 1))
        return {"loss_mask_iou": loss}

    def predict_by_feat(
        self, mask_ious: Sequence[Tensor], results_list: list[InstanceData]
    ) -> list[InstanceData]:
        """Adds mask IoUs and mask scores to each image's detections.

        Args:
            mask_ious: for each image the output of :meth:`forward` for its detections.
            results_list: for each image its detections, with ``scores`` and ``labels``.

        Returns:
            The same detections with ``mask_ious``, s_iou in [0, 1], and ``mask_scores``,
            s_mask = s_cls * s_iou. ``scores`` stay unless ``rescore_boxes``.
        """
        for results, predicted in zip(results_list, mask_ious, strict=True):
            results.mask_ious = of_class(predicted, results.labels).float().clamp(max=1)
            results.mask_scores = results.scores * results.mask_ious
            if self.rescore_boxes:
                results.scores = results.mask_scores
        return results_list
