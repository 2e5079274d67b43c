"""Makes small detectors from MMDetection's configs, of our classes and of MMDetection's own."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.models import dense_heads, roi_heads, seg_heads
from mmdet.models.roi_heads import mask_heads
from mmdet.structures.mask import encode_mask_results
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.structures import InstanceData
from torch import nn

from msrcnn_mm.engine.adapters.mask_encoder import encoded_masks
from msrcnn_mm.models.scorers.mask_statistics import NAMES
from tests.support import tiny
from tests.support.plain_statistics import compare

ADDED = {"foreground_probs", "mask_statistics"}
SHAPES = [(3, 96, 128), (3, 96, 96)]
_STAGES = [256, 512, 1024, 2048]
_NARROW = {128: 32, 256: 32, 512: 32, 1024: 32, 2048: 32}
_OF_MASKS_AND_CLASSES = ("mask_head", "mask_list", "kernel", "controller", "mask_embed", "cls")


def tiny_config(name: str) -> ConfigDict:
    """Returns a model of MMDetection's configs with narrow layers, 3 classes and few queries."""
    model = get_config(f"mmdet::{name}").model
    for settings in _dicts(model):
        settings.pop("init_cfg", None)
        for key, value in settings.items():
            settings[key] = _narrow(key, value)
    if model.backbone.type == "ResNet":
        model.backbone.update(depth=18, base_channels=8)
    # BoxInst's own needs scikit-image, for training
    model.data_preprocessor = dict(type="DetDataPreprocessor", pad_size_divisor=32)
    return model


def _dicts(value: Any) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _dicts(one)


def _narrow(key: str, value: Any) -> Any:
    if key == "in_channels" and value == _STAGES:
        return [8, 16, 32, 64]
    if key.endswith(("channels", "embed_dims", "feature_channel")) and isinstance(value, int):
        return _NARROW.get(value, value)
    fixed = {
        "clip_border": True,  # MMDetection pastes no mask of a box outside of the image
        "num_feats": 16,
        "num_grids": [10, 9, 6, 4, 3],
        "num_queries": 20,
        "num_proposals": 10,
        "num_classes": 3,
        "num_things_classes": 3,
        "class_weight": [1.0, 1.0, 1.0, 0.1],
        "max_per_img": 10 if value == 100 else 50,
        "max_per_image": 10,
        "score_thr": 0.0,
        "filter_thr": 0.0,
        "subdivision_steps": 3,
    }
    return fixed.get(key, value)


def pair(model: ConfigDict, seed: int = 0, std: float = 0.5) -> tuple[nn.Module, nn.Module]:
    """Builds a model of our classes, and of MMDetection's own with the same weights.

    The biases of what makes masks and classes are drawn with a standard deviation, so that these
    differ.
    """
    ours = tiny.build(Config(dict(model=model)), seed).eval()
    for name, parameter in ours.named_parameters():
        if name.endswith("bias") and any(word in name for word in _OF_MASKS_AND_CLASSES):
            torch.nn.init.normal_(parameter, std=std)
    for settings in _dicts(model):
        for module in (dense_heads, seg_heads, roi_heads, mask_heads):
            name = settings.get("type")
            if name == "SingleRoIExtractor":
                continue  # ours rounds differently; tests/models/hosts/test_roi_extractors.py
            if isinstance(name, str) and hasattr(module, name):
                settings["type"] = getattr(module, name)  # by name it would be ours
    theirs = tiny.build(Config(dict(model=model))).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    assert [type(m) for m in ours.modules()] != [type(m) for m in theirs.modules()]
    return ours, theirs


def predictions(
    model: nn.Module, shapes: list[tuple[int, int, int]] = SHAPES, rescale: bool = True
) -> list[InstanceData]:
    """Returns the detections in random images, which are half as large as the network's input."""
    torch.manual_seed(1)
    with torch.no_grad():
        batch = tiny.inputs(model, False, shapes)
        for sample in batch[1]:
            half = tuple(side // 2 for side in sample.img_shape)
            sample.set_metainfo(dict(ori_shape=half, scale_factor=(2.0, 2.0)))
        return [sample.pred_instances for sample in model.predict(*batch, rescale=rescale)]


def find_nothing_in_the_second_image(model: nn.Module) -> None:
    """Empties the second of two images' detections before masks are predicted."""
    predict = model.roi_head.predict_bbox

    def first_alone(*args: Any, **kwargs: Any) -> list[InstanceData]:
        found, other = predict(*args, **kwargs)
        return [found, other[:0]]

    model.roi_head.predict_bbox = first_alone


def assert_same(mine: InstanceData, expected: InstanceData) -> None:
    """Asserts that all of MMDetection's fields are equal to the last bit, and two are added."""
    assert set(mine.keys()) - set(expected.keys()) == ADDED
    for field in expected.keys():  # noqa: SIM118
        assert torch.equal(mine[field], expected[field]), field


def assert_encoded(ours: nn.Module, plain: list[InstanceData], rescale: bool = True) -> None:
    """Asserts that a model with an encoder predicts the same, and pycocotools' RLEs of its masks.

    Args:
        ours: the model.
        plain: what it predicts without one.
        rescale: as for :func:`predictions`.
    """
    with encoded_masks(ours):
        found = predictions(ours, rescale=rescale)
    for mine, expected in zip(found, plain, strict=True):
        masks = mine.pop("masks")
        rles = encode_mask_results(expected.masks.numpy())
        assert masks == [{**rle, "counts": rle["counts"].decode()} for rle in rles]
        for field, value in mine.items():
            assert torch.equal(value, expected[field]), field


def assert_empty(ours: nn.Module, theirs: nn.Module) -> None:
    """Asserts that images without detections have MMDetection's fields, and two that are empty."""
    for mine, expected in zip(predictions(ours), predictions(theirs), strict=True):
        assert len(mine) == 0
        assert_same(mine, expected)
        assert mine.foreground_probs.shape == (0,)
        assert mine.mask_statistics.shape == (0, len(NAMES))


def compare_probabilities(
    found: InstanceData, probs: torch.Tensor, foreground: torch.Tensor, boxed: bool = False
) -> None:
    """Compares an image's added numbers with those of a plain loop.

    Args:
        found: D detections.
        probs: (D, h, w) probabilities of the image, or of the boxes.
        foreground: (D, h, w) bool.
        boxed: whether the maps are those of the boxes.
    """
    assert len(found) == len(probs)
    assert found.mask_statistics.dtype == found.foreground_probs.dtype == torch.float32
    for index, (p, inside) in enumerate(zip(probs.numpy(), foreground.numpy(), strict=True)):
        mean = p[inside].mean() if inside.any() else 0
        assert found.foreground_probs[index].item() == pytest.approx(mean, abs=1e-5)
        if not boxed:
            rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
            box = (slice(0, 0), slice(0, 0))
            if len(rows):
                box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            p, inside = p[box], inside[box]
        compare(found.mask_statistics[index], p, inside)
