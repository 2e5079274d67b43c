"""Counts a detector's parameters and its multiply-accumulates (MACs) an image, part by part.

The MACs of a RoI head are proportional to its RoIs. They are counted on a few RoIs and scaled to as
many as the test config allows. The paper gives the MaskIoU head's cost likewise: "0.39 G for each
proposal", and 0.53 G for the mask head (Huang et al., CVPR 2019), which are MACs.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

from mmdet.models import BaseDetector
from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor
from mmengine.config import Config
from torch import nn

from .mac_meter import MacMeter, own_modules
from .random_run import build, random_image, run_once

_PROBED_PROPOSALS = 24  # RoIs that are enough to count on
REST = "rest"


@dataclass
class PartCost:
    """Cost of a part of a detector.

    Attributes:
        name: Its key in the model's config.
        parameters: Its number of parameters.
        macs: MACs an image.
        rois: Its numbers of RoIs in an image, proposals and masks apart; empty for a part that runs
            once an image.
    """

    name: str
    parameters: int
    macs: float = 0.0
    rois: list[int] = field(default_factory=list)

    @property
    def macs_an_roi(self) -> float | None:
        """MACs an RoI, all stages of a cascade together; None for a part without RoIs."""
        return self.macs / sum(self.rois) if self.rois else None


@dataclass(frozen=True)
class Cost:
    """Cost of a detector.

    Attributes:
        padded: Height, width of the network's input, after padding.
        parts: The parts that have parameters or MACs, in the model's order.
        parameters: Of the whole model, those that parts share counted once.
    """

    padded: tuple[int, int]
    parts: list[PartCost]
    parameters: int

    @property
    def macs(self) -> float:
        """MACs an image."""
        return sum(part.macs for part in self.parts)


def count_cost(config: Config, name: str, shape: tuple[int, int]) -> Cost:
    """Counts a detector's parameters and its MACs in a test of one image.

    It counts convolutions, deformable ones too, fully connected layers and matrix products, also
    those of attention. It leaves out RoIAlign, NMS, interpolation, normalisation, activations and
    pasting of masks, which are small or no multiplications.

    Args:
        config: The whole config; it stays as it is.
        name: The config's name, for messages.
        shape: Height, width of the image.

    Raises:
        UserError: The model cannot be built, or cannot run on such an image.
    """
    asked, probed = _test_counts(config), copy.deepcopy(config)
    proposals = min(asked["rpn"] or _PROBED_PROPOSALS, _PROBED_PROPOSALS)
    _set_count(probed, "rpn", proposals)
    # fewer, so that a call's number of RoIs tells what they are
    _set_count(probed, "rcnn", max(1, min(asked["rcnn"] or proposals, proposals // 3)))
    model = build(probed, name)
    meter = MacMeter(_parts(model))
    rois: set[int] = set()
    for module in model.modules():
        if isinstance(module, BaseRoIExtractor):
            module.register_forward_pre_hook(lambda _, inputs: rois.add(len(inputs[1])))
    data = random_image(shape)
    with meter.running():
        (result,) = run_once(model, data, name, shape)
    detections = len(result.pred_instances) if "pred_instances" in result else 0
    counts = {number: asked["rpn"] or number for number in rois}
    counts[detections] = asked["rcnn"] or detections
    parts = _reckon(meter, counts)
    rest = meter.macs - sum(call.macs for call in meter.calls)
    whole = [part for part in parts if part.parameters or part.macs]
    if rest:
        whole.append(PartCost(REST, 0, rest))
    height, width = result.batch_input_shape
    return Cost((height, width), whole, _parameters(*model.modules()))


def _reckon(meter: MacMeter, counts: Mapping[int, int]) -> list[PartCost]:
    """Computes the parts' costs for the test config's numbers of RoIs.

    Args:
        meter: With the calls of one image.
        counts: Number of RoIs that a call had -> how many it will have.
    """
    parts = {
        name: PartCost(name, _parameters(*own_modules(part, meter.parts)))
        for name, part in meter.parts.items()
    }
    for call in meter.calls:
        part = parts[call.part]
        if not _is_of_rois(call.part) or not call.rois:
            part.macs += call.macs
            continue
        rois = counts.get(call.rois, call.rois)
        part.macs += call.macs / call.rois * rois
        if rois not in part.rois:
            part.rois.append(rois)
    return list(parts.values())


def _parts(model: BaseDetector) -> dict[str, nn.Module]:
    """Returns a detector's parts; instead of its RoI head that one's parts; a scorer anywhere."""
    parts = {}
    for name, part in model.named_children():
        if name == "roi_head":
            parts.update({f"roi_head.{inner}": head for inner, head in part.named_children()})
            continue
        parts[name] = part
        if hasattr(part, "mask_iou_head"):
            parts[f"{name}.mask_iou_head"] = part.mask_iou_head
    return parts


def _is_of_rois(name: str) -> bool:
    return name.startswith("roi_head.") or name.endswith(".mask_iou_head")


def _parameters(*modules: nn.Module) -> int:
    """Counts the modules' own parameters, without those of modules inside, shared ones once."""
    own = {parameter for module in modules for parameter in module.parameters(recurse=False)}
    return sum(parameter.numel() for parameter in own)


def _test_counts(config: Config) -> dict[str, int | None]:
    """Returns proposals (``rpn``) and detections (``rcnn``) an image in a test; None if unset."""
    stages = config.model.get("test_cfg") or {}
    counts = {stage: (stages.get(stage) or {}).get("max_per_img") for stage in ("rpn", "rcnn")}
    return {stage: count if count and count > 0 else None for stage, count in counts.items()}


def _set_count(config: Config, stage: str, count: int) -> None:
    """Sets the number of proposals or detections if the test config has one."""
    if _test_counts(config)[stage]:
        config.model.test_cfg[stage].max_per_img = count
