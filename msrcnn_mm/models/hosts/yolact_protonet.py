"""YOLACT's mask head as MMDetection has it, with maskness, and what that one gets wrong mended."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models import dense_heads
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ..scorers.maskness import mean_over_foreground

_PASTED_AT_ONCE = 2**24  # pixels of masks, 64 MB of float32


@MODELS.register_module(force=True)
class YOLACTProtonet(dense_heads.YOLACTProtonet):
    """MMDetection's class of the name; results gain ``foreground_probs``.

    Parameters and their names are the same, and so are masks and losses but for these:

    - Masks that the limit ``max_masks_to_train`` leaves out are not made in the first place.
    - Boxes and masks fit where images are padded: of different sizes to one batch at the test, to
      ``pad_size_divisor`` in training too. MMDetection takes each image for as large as the batch.
    - In mixed precision probabilities and losses are in float32. PyTorch refuses the mask loss on
      a GPU otherwise, and a probability that fp16 rounds to 1 has a gradient that is no number.
    - Pasted at once are as many masks as fit into 64 MB, not all of an image. Results are always
      boolean: ``test_cfg.mask_thr_binary``, which can ask for grey ones there, is not read.
    """

    def forward(
        self, x: tuple[Tensor, ...], positive_infos: InstanceList
    ) -> tuple[list[Tensor], Tensor | None]:
        """Makes masks from prototypes.

        Args:
            x: feature maps of all levels; the first makes the prototypes.
            positive_infos: of each image the masks' coefficients, ``coeffs``.

        Returns:
            (P, P, masks) probabilities of each image, not cropped, in float32 or better; and the
            segmentation branch's (N, C, P / 2, P / 2) logits, None at the test.
        """
        segment = self.training and self.segm_branch is not None
        segm_preds = self.segm_branch(x[0]) if segment else None
        prototypes = self.protonet(x[0]).permute(0, 2, 3, 1)
        with torch.autocast(prototypes.device.type, enabled=False):
            images = zip(_wide(prototypes), positive_infos, strict=True)
            masks = [(of_image @ _wide(infos.coeffs).t()).sigmoid() for of_image, infos in images]
        return masks, segm_preds

    def loss(
        self,
        x: tuple[Tensor, ...],
        batch_data_samples: SampleList,
        positive_infos: InstanceList,
        **kwargs: Any,
    ) -> dict:
        """Mask and segmentation loss.

        Args:
            x: feature maps of all levels; the first makes the prototypes.
            batch_data_samples: the images' ground truth, with ``masks``.
            positive_infos: positive anchors of each image, from the box head.
            **kwargs: handed on.

        Returns:
            ``loss_mask`` and ``loss_segm``, a list of one for each image.
        """
        chosen = [self._choose(infos) for infos in positive_infos]
        return super().loss(x, batch_data_samples, chosen, **kwargs)

    def _choose(self, infos: InstanceData) -> InstanceData:
        """At most ``max_masks_to_train`` of an image's positive anchors, at random."""
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
        """The losses of the masks made.

        Args:
            mask_preds: (P, P, masks) probabilities of each image, not cropped.
            segm_preds: (N, C, P / 2, P / 2) logits of the segmentation branch.
            batch_gt_instances: ground truth of each image, masks as large as the batch.
            batch_img_metas: meta information of each image.
            positive_infos: the anchor of each mask.
            **kwargs: handed on.

        Returns:
            ``loss_mask`` and ``loss_segm``, a list of one for each image.
        """
        metas = [_as_large_as_the_batch(meta) for meta in batch_img_metas]
        masks = [of_image.float() for of_image in mask_preds]  # as targets are
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
        """Adds masks and their foreground probabilities to each image's detections.

        Args:
            mask_preds: (P, P, masks) probabilities of each image, not cropped.
            segm_preds: not used; there are none at the test.
            results_list: detections of each image, boxes in the network's input coordinates.
            batch_img_metas: meta information of each image.
            rescale: bring boxes and masks back to the original images' size.
            **kwargs: not used.

        Returns:
            The detections with ``masks`` (boolean, image-sized) and ``foreground_probs``.
        """
        metas = [_as_large_as_the_batch(meta) for meta in batch_img_metas]
        cropped = self.crop_mask_preds(mask_preds, metas, results_list)
        return self._add_masks(cropped, results_list, batch_img_metas, rescale)

    def _add_masks(
        self,
        cropped: list[Tensor],
        results_list: InstanceList,
        batch_img_metas: list[dict],
        rescale: bool,
    ) -> InstanceList:
        """The same, of (masks, P, P) probabilities of each image, 0 outside the predicted boxes."""
        images = zip(results_list, cropped, batch_img_metas, strict=True)
        for results, masks, meta in images:
            foreground = masks > self.test_cfg.mask_thr
            results.foreground_probs = mean_over_foreground(masks, foreground)
            results.masks = self._image_sized(masks, meta, rescale)
            if rescale:
                factors = results.bboxes.new_tensor(meta["scale_factor"]).repeat(2)
                results.bboxes = results.bboxes / factors
        return results_list

    def _image_sized(self, masks: Tensor, meta: dict, rescale: bool) -> Tensor:
        """(masks, P, P) probabilities of a whole batch's area to binary masks of the image's."""
        height, width = meta["ori_shape" if rescale else "img_shape"][:2]
        padded = meta["batch_input_shape"]
        if rescale:  # the original image as if it had been padded before it was resized
            sides = zip(meta["ori_shape"], padded, meta["img_shape"], strict=False)
            padded = tuple(round(ori * batch / image) for ori, batch, image in sides)
        if len(masks) == 0:
            return masks.new_zeros((0, height, width), dtype=torch.bool)
        pasted = []
        for some in masks.split(max(_PASTED_AT_ONCE // (padded[0] * padded[1]), 1)):
            fine = F.interpolate(some[:, None], padded, mode="bilinear", align_corners=False)
            pasted.append(fine[:, 0, :height, :width] > self.test_cfg.mask_thr)
        return torch.cat(pasted)


def _as_large_as_the_batch(meta: dict) -> dict:
    """An image's meta information as of its padded self, which is what prototypes cover."""
    return meta | {"img_shape": meta["batch_input_shape"]}


def _wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
