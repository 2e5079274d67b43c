"""YOLACT (Bolya et al., ICCV 2019) that also loads the checkpoints of MMDetection 2."""

from typing import Any

from mmdet.models import detectors
from mmdet.registry import MODELS


@MODELS.register_module(force=True)
class YOLACT(detectors.YOLACT):
    """Replaces MMDetection's class of the same name and loads the checkpoints of its zoo.

    These were written by MMDetection 2, which kept the segmentation branch in ``segm_head``. In
    MMDetection 3 it is ``mask_head.segm_branch``.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Renames the segmentation branch's old keys before they are loaded.

        Weights of another shape keep their old names and are reported as unexpected.
        """
        own = self.state_dict()
        for name in ("weight", "bias"):
            old, new = f"segm_head.segm_conv.{name}", f"mask_head.segm_branch.segm_conv.{name}"
            found = state_dict.get(prefix + old)
            if found is not None and new in own and found.shape == own[new].shape:
                state_dict[prefix + new] = state_dict.pop(prefix + old)
        super()._load_from_state_dict(state_dict, prefix, *args)
