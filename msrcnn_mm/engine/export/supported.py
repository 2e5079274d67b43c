"""Checks that a detector and its test pipeline are such as can be exported."""

from collections.abc import Mapping
from typing import Any

from mmcv.ops import RoIAlign
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, Resize
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.models.dense_heads import RPNHead
from mmdet.models.detectors import MaskRCNN, MaskScoringRCNN
from mmdet.models.roi_heads.bbox_heads import (
    ConvFCBBoxHead,
    Shared2FCBBoxHead,
    Shared4Conv1FCBBoxHead,
)
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from torch import nn

from msrcnn_mm.errors import UserError
from msrcnn_mm.models.hosts.mask_heads import FCNMaskHead
from msrcnn_mm.models.hosts.mask_scoring_roi_head import MaskScoringRoIHead
from msrcnn_mm.models.hosts.roi_extractors import SingleRoIExtractor
from msrcnn_mm.models.hosts.roi_heads import StandardRoIHead
from msrcnn_mm.models.scorers.mask_iou_head import MaskIoUHead
from msrcnn_mm.runtime.model_file import Resizing

from ..config.walk import class_of
from ..predict.predictor import test_pipeline

_PARTS: dict[str, tuple[type, ...]] = {
    "": (MaskRCNN, MaskScoringRCNN),
    "data_preprocessor": (DetDataPreprocessor,),
    "rpn_head": (RPNHead,),
    "rpn_head.prior_generator": (AnchorGenerator,),
    "rpn_head.bbox_coder": (DeltaXYWHBBoxCoder,),
    "roi_head": (StandardRoIHead, MaskScoringRoIHead),
    "roi_head.bbox_roi_extractor": (SingleRoIExtractor,),
    "roi_head.bbox_head": (Shared2FCBBoxHead, ConvFCBBoxHead, Shared4Conv1FCBBoxHead),
    "roi_head.bbox_head.bbox_coder": (DeltaXYWHBBoxCoder,),
    "roi_head.mask_roi_extractor": (SingleRoIExtractor,),
    "roi_head.mask_head": (FCNMaskHead,),
    "roi_head.mask_iou_head": (MaskIoUHead,),
    "roi_head.mask_iou_roi_extractor": (SingleRoIExtractor,),
}
"""Part of a detector -> its classes; those of its subclasses compute something else."""

_OPTIONAL = ("roi_head.mask_iou_head", "roi_head.mask_iou_roi_extractor")
_NMS_SETTINGS = {"type", "iou_threshold", "class_agnostic", "split_thr"}


def check_supported(detector: nn.Module) -> None:
    """Checks that a detector is a Mask R-CNN or Mask Scoring R-CNN of usual parts.

    Raises:
        UserError: A part or a setting is another; the message names it.
    """
    for path, classes in _PARTS.items():
        part: Any = detector
        for name in path.split(".") if path else ():
            part = getattr(part, name, None)
        if type(part) not in classes and not (part is None and path in _OPTIONAL):
            names = " or ".join(cls.__name__ for cls in classes)
            found = "missing" if part is None else f"a {type(part).__name__}"
            raise UserError(
                f"{'.'.join(['model', path]).rstrip('.')} is {found}: export takes {names}"
            )
    _check_settings(detector)


def _check_settings(detector: Any) -> None:
    head, tests = detector.roi_head, detector.test_cfg
    for stage in ("rpn", "rcnn"):
        settings = tests[stage]
        nms = settings.nms
        if nms.get("type", "nms") != "nms" or not set(nms) <= _NMS_SETTINGS:
            raise UserError(
                f"model.test_cfg.{stage}.nms is {dict(nms)}: export takes type='nms' with"
                " iou_threshold"
            )
        if settings.get("max_per_img", -1) <= 0:
            raise UserError(
                f"model.test_cfg.{stage}.max_per_img must be an integer >= 1 for export"
            )
    extractors = [head.bbox_roi_extractor, head.mask_roi_extractor]
    layers = [layer for extractor in extractors for layer in extractor.roi_layers]
    layers += getattr(getattr(head, "mask_iou_roi_extractor", None), "roi_layers", ())
    wrong = {
        "model.rpn_head.loss_cls has no use_sigmoid=True": not detector.rpn_head.use_sigmoid_cls,
        "model.roi_head.shared_head is set": head.with_shared_head,
        "model.roi_head.bbox_head.with_reg is False": not head.bbox_head.with_reg,
        "model.roi_head.bbox_head.loss_cls has an activation of its own": (
            head.bbox_head.custom_cls_channels
        ),
        "a roi_layer is no RoIAlign that averages": not all(
            isinstance(layer, RoIAlign) and layer.pool_mode == "avg" for layer in layers
        ),
        "a bbox_coder has add_ctr_clamp=True": any(
            coder.add_ctr_clamp
            for coder in (detector.rpn_head.bbox_coder, head.bbox_head.bbox_coder)
        ),
    }
    for text, found in wrong.items():
        if found:
            raise UserError(f"{text}: such a detector cannot be exported")


def resizing_of(config: Config) -> Resizing:
    """Returns how a config's test pipeline resizes images.

    Raises:
        UserError: It does more than to load an image in colour and to resize it once.
    """
    found: list[Resizing] = []
    where = "test_dataloader.dataset.pipeline"
    for step in test_pipeline(config):
        cls = class_of(step, TRANSFORMS)
        if cls is LoadImageFromFile:
            _check_loader(step, where)
        elif cls is Resize:
            found.append(_resizing(TRANSFORMS.build(dict(step)), where))
        elif cls not in (LoadAnnotations, PackDetInputs):
            raise UserError(
                f"{where} has {step.get('type')}: export takes LoadImageFromFile, one Resize and"
                " PackDetInputs"
            )
    if len(found) != 1:
        raise UserError(f"{where} has {len(found)} Resize: export takes one")
    return found[0]


def _check_loader(step: Mapping[str, Any], where: str) -> None:
    usual = {"to_float32": False, "color_type": "color", "imdecode_backend": "cv2"}
    for name, value in usual.items():
        if step.get(name) not in (None, value):
            raise UserError(
                f"{where}: LoadImageFromFile has {name}={step[name]!r}: export takes {value!r}"
            )


def _resizing(transform: Any, where: str) -> Resizing:
    if transform.interpolation != "bilinear" or transform.backend != "cv2":
        raise UserError(f"{where}: Resize must have interpolation='bilinear' and backend='cv2'")
    scale, factor = transform.scale, transform.scale_factor
    return Resizing(
        [*map(int, scale)] if scale else None,
        None if scale else [*map(float, factor)],
        bool(transform.keep_ratio),
    )
