"""Adds foreground probabilities and mask statistics to MaskFormer and Mask2Former."""

from mmdet.models import seg_heads
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from ..scorers.box_cells import box_cells
from .mask_encoding import EncodesMasks
from .probability_fields import add_fields_of_cells, add_patches, logit_patches


@MODELS.register_module(force=True)
class MaskFormerFusionHead(EncodesMasks, seg_heads.MaskFormerFusionHead):
    """Replaces MMDetection's class of the same name.

    Its instances have ``foreground_probs`` and ``mask_statistics`` too. The host's ``scores`` are
    class score x mean foreground probability, which stays so.

    Shape shorthand: Q queries, C classes, of which the first are things, D detections.
    """

    def instance_postprocess(self, mask_cls: Tensor, mask_pred: Tensor) -> InstanceData:
        """Chooses the detections of one image.

        Args:
            mask_cls: (Q, C + 1) class logits.
            mask_pred: (Q, height, width) mask logits.

        Returns:
            D detections with ``bboxes``, ``labels``, ``scores``, ``masks``, (D, height, width)
            bool or D RLEs, see :class:`.EncodesMasks`, ``foreground_probs``, (D,) in [0, 1], and
            ``mask_statistics``, (D, S), see :func:`.mask_statistics`.
        """
        results = super().instance_postprocess(mask_cls, mask_pred)
        queries = self._queries(mask_cls)
        cells = box_cells(results.bboxes)
        mask, row, column = cells.at
        probs = mask_pred[queries[mask], row, column].float().sigmoid()
        add_fields_of_cells(results, probs, results.masks[cells.at], cells)
        if self.patch_side:
            patches = logit_patches(mask_pred, queries, results.bboxes, self.patch_side)
            add_patches(results, patches, results.bboxes)
        if self.encoder is not None:
            results.masks = self.encoder.whole(results.masks)
        return results

    def _queries(self, mask_cls: Tensor) -> Tensor:
        """Returns the (D,) queries of the detections, which MMDetection's results do not have."""
        scores = mask_cls.softmax(dim=-1)[:, :-1]
        best = scores.flatten().topk(self.test_cfg.get("max_per_image", 100), sorted=False).indices
        things = best % self.num_classes < self.num_things_classes
        return (best // self.num_classes)[things]
