"""Makes the detectors that the benchmarks compare, and batches of images for them.

The detectors are Mask R-CNN of a ResNet with FPN and 80 classes: MMDetection's own, MMDetection's
own Mask Scoring R-CNN ("built-in"), and ours. All have the same random weights. Batch normalisation
takes the batch's statistics, since the stock frozen ones do not fit random weights.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from mmdet.models import roi_heads
from mmdet.models.detectors import TwoStageDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor

from benchmarks.mask_iou_targets import ellipses
from msrcnn_mm.registration import register_all

CONFIG = Path(__file__).parents[1] / "configs" / "ms_rcnn" / "ms-rcnn_r50_fpn_1x_coco.py"
NAMES = ("Mask R-CNN", "built-in", "ours")


def build_detectors(
    device: torch.device | str, depth: int = 50, names: Sequence[str] = NAMES
) -> dict[str, TwoStageDetector]:
    """Builds detectors of :data:`NAMES` with the same weights, in that order.

    Args:
        device: Where they run.
        depth: Of the ResNet.
        names: Those to build; ours has to be among them.
    """
    register_all()
    init_default_scope("mmdet")
    config = Config.fromfile(CONFIG).model
    config.backbone.update(depth=depth, init_cfg=None, norm_eval=False)
    if depth < 50:
        config.neck.in_channels = [64, 128, 256, 512]
    config.test_cfg.rcnn.score_thr = 0.0
    configs = {name: copy.deepcopy(config) for name in NAMES}
    plain, built_in = configs["Mask R-CNN"], configs["built-in"]
    plain.type = "MaskRCNN"
    plain.roi_head.type = roi_heads.StandardRoIHead
    plain.roi_head.pop("mask_iou_head")
    built_in.roi_head.type = roi_heads.MaskScoringRoIHead
    built_in.roi_head.mask_iou_head.type = roi_heads.mask_heads.MaskIoUHead
    for of_mmdetection in (plain, built_in):
        of_mmdetection.roi_head.mask_head.type = roi_heads.mask_heads.FCNMaskHead
    MMLogger.get_instance("mmengine").setLevel("WARNING")  # else it lists every parameter
    torch.manual_seed(0)
    detectors = {
        name: MODELS.build(model).to(device) for name, model in configs.items() if name in names
    }
    detectors["ours"].init_weights()
    weights = detectors["ours"].state_dict()
    for name, detector in detectors.items():
        detector.load_state_dict(
            {k: v for k, v in weights.items() if name != "Mask R-CNN" or "mask_iou" not in k}
        )
    return detectors


def apply_hook(kind: type[Hook], detector: TwoStageDetector) -> None:
    """Applies a hook's ``before_run`` to a detector."""
    kind().before_run(SimpleNamespace(model=detector))


def give_proposals(detector: TwoStageDetector, count: int = 1000) -> None:
    """Replaces a detector's proposals in training by instances' boxes moved by noise.

    So the mask branch gets as many positive RoIs as its sampler allows, 128 an image, as in late
    training; an untrained RPN finds few. The RPN runs as always.

    Args:
        detector: The detector, which is changed.
        count: Proposals of an image. Half of them lie near an instance, half far from it.
    """
    rpn_head = detector.rpn_head
    stock = type(rpn_head).loss_and_predict

    def loss_and_predict(
        x: tuple[Tensor, ...], samples: list[DetDataSample], *args: object, **kwargs: object
    ) -> tuple[dict, list[InstanceData]]:
        losses, proposals = stock(rpn_head, x, samples, *args, **kwargs)
        for i, sample in enumerate(samples):
            boxes = sample.gt_instances.bboxes
            boxes = getattr(boxes, "tensor", boxes)
            noise = torch.Generator().manual_seed(0)
            scale = torch.cat((torch.full((count // 2,), 0.07), torch.full((count // 2,), 1.0)))
            moves = (torch.randn(count, 4, generator=noise) * scale[:, None]).to(boxes)
            near = boxes.repeat(-(-count // len(boxes)), 1)[:count]
            size = (near[:, 2:] - near[:, :2]).repeat(1, 2)
            moved = near + moves * size
            ordered = torch.cat(
                (
                    torch.minimum(moved[:, :2], moved[:, 2:]),
                    torch.maximum(moved[:, :2], moved[:, 2:]),
                ),
                dim=1,
            )
            proposals[i] = InstanceData(
                bboxes=ordered, scores=boxes.new_ones(count), labels=boxes.new_zeros(count).long()
            )
        return losses, proposals

    rpn_head.loss_and_predict = loss_and_predict


def training_batch(images: int, instances: int, shape: tuple[int, int]) -> dict[str, list]:
    """Makes random images with ellipses as ground truth, in the form of a data loader."""
    inputs, samples = [], []
    for i in range(images):
        noise = torch.Generator().manual_seed(i)
        inputs.append(torch.randint(0, 256, (3, *shape), generator=noise, dtype=torch.uint8))
        masks = BitmapMasks(ellipses(instances, shape, np.random.default_rng(i)), *shape)
        boxes = torch.as_tensor(masks.get_bboxes(HorizontalBoxes).tensor)
        sample = DetDataSample(
            metainfo=dict(
                img_id=i, img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0), pad_shape=shape
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=boxes, labels=torch.arange(len(boxes)) % 80, masks=masks
        )
        sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=torch.zeros(0).long())
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
