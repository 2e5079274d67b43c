"""Runs of a config's detector with random weights on a random image, to measure its cost."""

import copy

import torch
from mmdet.models import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope

from msrcnn_mm.errors import UserError

from ..config.walk import parts


def build(config: Config, name: str) -> BaseDetector:
    """Builds a config's detector for a test, with random weights and no least score.

    Without a least score even random weights find as many objects as the config allows. Detectors
    with the same first layers have the same weights in these.

    Args:
        config: The whole config; it stays as it is.
        name: Its name, for messages.

    Raises:
        UserError: The model cannot be built.
    """
    model = copy.deepcopy(config.model)
    for _, part in parts(model.get("test_cfg"), ""):
        if "score_thr" in part:
            part["score_thr"] = 0.0
    init_default_scope(config.get("default_scope") or "mmdet")
    torch.manual_seed(0)
    try:
        return MODELS.build(model).eval()
    except Exception as error:  # whatever a config's mistake leads to
        raise UserError(f"{name}: the model cannot be built: {_brief(error)}") from error


def random_image(shape: tuple[int, int]) -> dict[str, list]:
    """Makes a random image in the form of a data loader.

    Args:
        shape: Height, width in pixels.
    """
    noise = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, *shape), generator=noise, dtype=torch.uint8)
    sample = DetDataSample(
        metainfo=dict(
            img_id=0, img_path="", img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0)
        )
    )
    return dict(inputs=[image], data_samples=[sample])


def run_once(
    model: BaseDetector, data: dict[str, list], name: str, shape: tuple[int, int]
) -> list[DetDataSample]:
    """Runs a test step; the data stay as they are.

    Args:
        model: The detector.
        data: Images and data samples, as :func:`random_image` makes them.
        name: The detector's name, for messages.
        shape: Height, width of the image, for messages.

    Raises:
        UserError: The model does not run on such an image.
    """
    data = dict(inputs=data["inputs"], data_samples=[s.clone() for s in data["data_samples"]])
    try:
        with torch.no_grad():
            return model.test_step(data)
    except Exception as error:  # a model that asks for other inputs, too small an image, no memory
        raise UserError(
            f"{name}: the model does not run on an image of {shape[0]} x {shape[1]}: "
            f"{_brief(error)}"
        ) from error


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
