"""YOLACT's mask head (Bolya et al., ICCV 2019), with statistics of its masks' probabilities.

Shape shorthand: N images in the batch, C classes, P side of the prototypes.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models import dense_heads
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ..scorers.box_cells import box_cells, tight_boxes
from ..scorers.mask_statistics import mask_statistics
from ..scorers.maskness import mean_over_foreground
from .mask_encoding import EncodesMasks, Rle
from .probability_fields import add_patches, map_patches


@MODELS.register_module(force=True)
class YOLACTProtonet(EncodesMasks, dense_heads.YOLACTProtonet):
    """Replaces MMDetection's class of the same name and adds ``foreground_probs`` and
    ``mask_statistics`` to its results.

    Parameters and their names are the same. Masks and losses are the same, except:

    - Masks beyond ``max_masks_to_train`` are not computed, instead of computed and discarded.
    - Boxes and masks are right in padded images: images of different sizes in a batch at test, and
      images padded to ``pad_size_divisor``. MMDetection assumes images as large as the batch.
    - Probabilities and losses are float32 in mixed precision. On a GPU PyTorch refuses the mask
      loss in fp16, and the gradient of a probability that fp16 rounds to 1 is not finite.
    - Masks are pasted in chunks of 64 MB. They are always boolean:
      ``test_cfg.mask_thr_binary``, with which MMDetection can return probabilities, is not read.
    """

    def forward(
        self, x: tuple[Tensor, ...], positive_infos: InstanceList
    ) -> tuple[list[Tensor], Tensor | None]:
        """Computes masks from prototypes (section 3.1).

        Args:
            x: feature maps of all levels; the first makes the prototypes.
            positive_infos: coefficients of each image's masks, ``coeffs``.

        Returns:
            (P, P, masks) probabilities of each image, not cropped, in float32 or better; and the
            segmentation branch's (N, C, P / 2, P / 2) logits, None at test.
        """
        segment = self.training and self.segm_branch is not None
        segm_preds = self.segm_branch(x[0]) if segment else None
        prototypes = self.protonet(x[0]).permute(0, 2, 3, 1)
        with torch.autocast(prototypes.device.type, enabled=False):
            images = zip(_wide(prototypes), positive_infos, strict=True)
            masks = [(protos @ _wide(infos.coeffs).t()).sigmoid() for protos, infos in images]
        return masks, segm_preds

    def loss(
        self,
        x: tuple[Tensor, ...],
        batch_data_samples: SampleList,
        positive_infos: InstanceList,
        **kwargs: Any,
    ) -> dict:
        """Computes the mask and segmentation losses.

        Args:
            x: feature maps of all levels; the first makes the prototypes.
            batch_data_samples: the images' ground truth, with ``masks``.
            positive_infos: positive anchors of each image, from the box head.
            **kwargs: passed on to MMDetection's class.

        Returns:
            ``loss_mask`` and ``loss_segm``, a list of one for each image.
        """
        chosen = [self._choose(infos) for infos in positive_infos]
        return super().loss(x, batch_data_samples, chosen, **kwargs)

    def _choose(self, infos: InstanceData) -> InstanceData:
        """Draws at most ``max_masks_to_train`` of an image's positive anchors at random."""
        if len(infos) <= self.max_masks_to_train:
            return infos
        order = torch.randperm(len(infos), device=infos.coeffs.device)
        return infos[order[: self.max_masks_to_train]]

    def loss_by_feat(
        self,
        mask_preds: list[Tensor],
        segm_preds: Tensor,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        positive_infos: InstanceList,
        **kwargs: Any,
    ) -> dict:
        """Computes the losses from the predicted masks.

        Args:
            mask_preds: (P, P, masks) probabilities of each image, not cropped.
            segm_preds: (N, C, P / 2, P / 2) logits of the segmentation branch.
            batch_gt_instances: ground truth of each image, masks padded to the batch.
            batch_img_metas: meta information of each image.
            positive_infos: the anchor of each mask.
            **kwargs: passed on to MMDetection's class.

        Returns:
            ``loss_mask`` and ``loss_segm``, a list of one for each image.
        """
        metas = [_padded(meta) for meta in batch_img_metas]
        masks = [image_masks.float() for image_masks in mask_preds]  # the type of the targets
        with torch.autocast(segm_preds.device.type, enabled=False):
            return super().loss_by_feat(
                masks, segm_preds.float(), batch_gt_instances, metas, positive_infos, **kwargs
            )

    def predict_by_feat(
        self,
        mask_preds: list[Tensor],
        segm_preds: Tensor | None,
        results_list: InstanceList,
        batch_img_metas: list[dict],
        rescale: bool = True,
        **kwargs: Any,
    ) -> InstanceList:
        """Adds masks and numbers of their probabilities to each image's detections.

        Args:
            mask_preds: (P, P, masks) probabilities of each image, not cropped.
            segm_preds: not used; None at test.
            results_list: detections of each image, boxes in pixels of the network's input.
            batch_img_metas: meta information of each image.
            rescale: whether boxes and masks are scaled to the original images' size.
            **kwargs: not used.

        Returns:
            The detections with ``masks``, (D, height, width) bool or D RLEs, see
            :class:`.EncodesMasks`, ``foreground_probs``, (D,) in [0, 1], and ``mask_statistics``,
            (D, S), see :func:`.mask_statistics`.
        """
        metas = [_padded(meta) for meta in batch_img_metas]
        cropped = self.crop_mask_preds(mask_preds, metas, results_list)
        return self._add_masks(cropped, results_list, batch_img_metas, rescale)

    def _add_masks(
        self,
        cropped: list[Tensor],
        results_list: InstanceList,
        batch_img_metas: list[dict],
        rescale: bool,
    ) -> InstanceList:
        """Adds masks, given each image's (D, P, P) probabilities, 0 outside the predicted boxes."""
        # The crop of maps of ones is the cells of the boxes.
        ones = [masks.new_ones(()).expand(*masks.shape[1:], len(masks)) for masks in cropped]
        metas = [_padded(meta) for meta in batch_img_metas]
        boxes = self.crop_mask_preds(ones, metas, results_list)
        images = zip(results_list, cropped, boxes, batch_img_metas, strict=True)
        for results, masks, box, meta in images:
            foreground = masks > self.test_cfg.mask_thr
            results.foreground_probs = mean_over_foreground(masks, foreground)
            tight = tight_boxes(box > 0)
            cells = box_cells(tight)
            results.mask_statistics = mask_statistics(masks[cells.at], foreground[cells.at], cells)
            results.masks = self._image_sized(masks, meta, rescale)
            factors = results.bboxes.new_tensor(meta["scale_factor"] if rescale else (1, 1))
            results.bboxes = results.bboxes / factors.repeat(2)
            if self.patch_side:  # of the cropped cells, which reach beyond the predicted box
                sides = factors.new_tensor(meta["batch_input_shape"][:2]).flip(0)
                cell = sides / factors.new_tensor(masks.shape[-2:]).flip(0) / factors
                patches = map_patches(masks, tight, self.patch_side)
                add_patches(results, patches, tight * cell.repeat(2))
        return results_list

    def _image_sized(self, masks: Tensor, meta: dict, rescale: bool) -> Tensor | list[Rle]:
        """Scales (D, P, P) probabilities over the padded image to masks of the image."""
        height, width = meta["ori_shape" if rescale else "img_shape"][:2]
        padded = meta["batch_input_shape"]
        if rescale:  # the original image, padded in proportion
            sides = zip(meta["ori_shape"], padded, meta["img_shape"], strict=False)
            padded = tuple(round(ori * batch / image) for ori, batch, image in sides)

        def make(some: slice) -> Tensor:
            if len(masks) == 0:
                return masks.new_zeros((0, height, width), dtype=torch.bool)
            fine = F.interpolate(masks[some, None], padded, mode="bilinear", align_corners=False)
            return fine[:, 0, :height, :width] > self.test_cfg.mask_thr

        return self.image_masks(make, len(masks), padded[0] * padded[1])


def _padded(meta: dict) -> dict:
    """Returns meta information with the padded image's shape, the area that prototypes cover."""
    return meta | {"img_shape": meta["batch_input_shape"]}


def _wide(tensor: Tensor) -> Tensor:
    """Casts to float32, unless the tensor is float64."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
