"""Makes small Mask Scoring R-CNNs from the real configs, and inputs for them."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

CONFIGS = Path(__file__).parents[2] / "configs"
CLASSES = 3
_WIDTH = 16


def tiny_config(name: str = "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py") -> Config:
    """Reads a config and gives it a narrow ResNet-18, narrow heads, few RoIs and 3 classes."""
    config = read(name)
    model = config.model
    model.backbone.update(
        depth=18, base_channels=8, init_cfg=None, frozen_stages=-1, norm_eval=False
    )
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=_WIDTH)
    model.rpn_head.update(in_channels=_WIDTH, feat_channels=_WIDTH)
    roi_head = model.roi_head
    roi_head.bbox_roi_extractor.out_channels = _WIDTH
    roi_head.mask_roi_extractor.out_channels = _WIDTH
    roi_head.bbox_head.update(in_channels=_WIDTH, fc_out_channels=32, num_classes=CLASSES)
    roi_head.mask_head.update(in_channels=_WIDTH, conv_out_channels=_WIDTH, num_classes=CLASSES)
    if "mask_iou_head" in roi_head:
        roi_head.mask_iou_head.update(
            in_channels=_WIDTH, conv_out_channels=_WIDTH, fc_out_channels=32, num_classes=CLASSES
        )
    model.train_cfg.rcnn.sampler.num = 32
    model.train_cfg.rpn_proposal.max_per_img = 100
    model.test_cfg.rpn.max_per_img = 50
    model.test_cfg.rcnn.score_thr = 0.0
    return config


def read(name: str) -> Config:
    """Reads a config by its path from ``configs/``."""
    return copy.deepcopy(_parsed(name))  # much faster than to parse it again


@cache
def _parsed(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


def build(config: Config, seed: int = 0) -> nn.Module:
    """Builds the config's model with seeded random weights."""
    init_default_scope("mmdet")
    torch.manual_seed(seed)
    model = MODELS.build(config.model)
    model.init_weights()
    return model


def inputs(model: nn.Module, training: bool, shapes: list[tuple[int, int, int]], **kwargs: Any):
    """Makes a preprocessed batch of random images and ground truth: images and data samples."""
    kwargs.setdefault("num_items", [3] * len(shapes))
    packed = demo_mm_inputs(
        len(shapes), image_shapes=shapes, num_classes=CLASSES, with_mask=True, **kwargs
    )
    batch = model.data_preprocessor(packed, training)
    return batch["inputs"], batch["data_samples"]


def train_step(model: nn.Module, **kwargs: Any) -> dict[str, torch.Tensor]:
    """Returns the losses of one batch, after the backward pass."""
    model.train()
    batch = inputs(model, True, [(3, 96, 128), (3, 96, 96)], **kwargs)
    losses = model.loss(*batch)
    total, _ = model.parse_losses(losses)
    total.backward()
    return losses
