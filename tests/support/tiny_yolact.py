"""Makes small YOLACTs from the real configs, and images of ellipses for them."""

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import nn

from tests.support.tiny import read

CLASSES = 3
_WIDTH = 16
_SIDES = [8, 16, 32, 64]


def tiny_config(name: str = "yolact_plus/yolact-plus_r50_1xb8-55e_coco.py") -> Config:
    """Reads a config and gives it a narrow ResNet-18, narrow heads and 3 classes."""
    config = read(name)
    model = config.model
    model.backbone.update(depth=18, base_channels=8, init_cfg=None)
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=_WIDTH, num_outs=len(_SIDES))
    model.bbox_head.update(num_classes=CLASSES, in_channels=_WIDTH, feat_channels=_WIDTH)
    model.bbox_head.anchor_generator.update(
        base_sizes=_SIDES, strides=_SIDES, centers=[(side / 2, side / 2) for side in _SIDES]
    )
    model.mask_head.update(
        in_channels=_WIDTH,
        proto_channels=(_WIDTH, _WIDTH, None, 32),
        proto_kernel_sizes=(3, 3, -2, 1),
        num_classes=CLASSES,
    )
    if "mask_iou_head" in model.mask_head:
        model.mask_head.mask_iou_head.num_classes = CLASSES
    model.test_cfg.update(score_thr=0.0, max_per_img=10)
    return config


def ellipses(
    shapes: list[tuple[int, int]], counts: list[int], radii: tuple[int, int] = (15, 40)
) -> dict:
    """Makes a batch as from a data loader: noise images, random ellipses as ground truth.

    Args:
        shapes: height and width of each image; the original is half as large.
        counts: number of instances in each image.
        radii: smallest and largest half axis in pixels.
    """
    rng = np.random.default_rng(0)
    inputs, samples = [], []
    for index, ((height, width), count) in enumerate(zip(shapes, counts, strict=True)):
        masks = np.zeros((count, height, width), np.uint8)
        for mask in masks:
            centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            axes = tuple(int(axis) for axis in rng.integers(*radii, 2))
            cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        bitmaps = BitmapMasks(masks, height, width)
        sample = DetDataSample(
            metainfo=dict(
                img_id=index,
                img_shape=(height, width),
                ori_shape=(height // 2, width // 2),
                scale_factor=(2.0, 2.0),
            ),
            gt_instances=InstanceData(
                bboxes=bitmaps.get_bboxes("hbox"),
                labels=torch.from_numpy(rng.integers(0, CLASSES, count)),
                masks=bitmaps,
            ),
        )
        sample.gt_instances.bboxes = sample.gt_instances.bboxes.tensor
        image = rng.integers(0, 256, (3, height, width), dtype=np.uint8)
        inputs.append(torch.from_numpy(image))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def losses(model: nn.Module, batch: dict) -> dict[str, torch.Tensor]:
    """Returns the summed losses of a training step, before the backward pass."""
    data = model.data_preprocessor(batch, True)
    found = model.train().loss(data["inputs"], data["data_samples"])
    return {name: sum(loss) if isinstance(loss, list) else loss for name, loss in found.items()}


def predictions(model: nn.Module, batch: dict, rescale: bool = True) -> list[InstanceData]:
    """Returns the detections of each image at test."""
    data = model.eval().data_preprocessor(
        dict(inputs=batch["inputs"], data_samples=[s.clone() for s in batch["data_samples"]])
    )
    with torch.no_grad():
        samples = model.predict(data["inputs"], data["data_samples"], rescale=rescale)
    return [sample.pred_instances for sample in samples]
