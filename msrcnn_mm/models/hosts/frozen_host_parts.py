"""Finds, loads and checks the host of :class:`.FrozenHost`."""

import re
from typing import Any

from mmdet.models.detectors import BaseDetector
from mmdet.models.detectors.panoptic_two_stage_segmentor import TwoStagePanopticSegmentor
from mmdet.utils import ConfigType
from mmengine.hub import get_config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from msrcnn_mm.errors import CheckpointError, SettingError

from ..scorers.mask_scorer import MaskScorer
from ..weights import compare_weights, unwrapped
from .mask_encoding import EncodesMasks
from .maskformer import MaskFormerFusionHead


def named_host(name: str, checkpoint: str | None) -> tuple[ConfigType, str]:
    """Returns the model of a config that an installed package holds, and its weights.

    A file is not read: configs are Python code.

    Args:
        name: ``mmdet::FOLDER/NAME.py``.
        checkpoint: the weights; by default those of MMDetection's zoo.

    Raises:
        SettingError: There is no such config.
    """
    if not name.startswith("mmdet::"):
        raise SettingError(
            f"FrozenHost: host={name!r} must be a model's settings, host=_base_.model, or the name"
            " of a config of MMDetection, mmdet::FOLDER/NAME.py"
        )
    try:
        config = get_config(name, pretrained=checkpoint is None)
    except (OSError, ValueError) as error:
        raise SettingError(f"FrozenHost: host={name!r}: there is no such config") from error
    return config.model, checkpoint or config.model_path


def load_host(host: nn.Module, checkpoint: str) -> dict[str, Any]:
    """Loads the host's weights.

    Returns:
        The checkpoint's ``meta``; empty without one.

    Raises:
        CheckpointError: the file is missing, or its weights do not fit.
    """
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    weights = unwrapped(loaded.get("state_dict", loaded))
    mismatch = compare_weights(host, weights)
    if mismatch.missing or mismatch.reshaped:
        raise CheckpointError(
            f"{checkpoint}: its weights do not fit the host: {mismatch}; give model.host the config"
            " that it was trained with"
        )
    host.load_state_dict(weights, strict=False)
    return loaded.get("meta") or {}


def mask_heads(host: nn.Module, kind: object) -> list[EncodesMasks]:
    """Returns the heads that make the host's masks.

    Args:
        host: the model.
        kind: its ``type``, for the message.

    Raises:
        SettingError: the host's results have no instances with masks.
    """
    heads: list[EncodesMasks] = [m for m in host.modules() if isinstance(m, EncodesMasks)]
    if isinstance(host, TwoStagePanopticSegmentor):
        raise SettingError(
            f"FrozenHost: host.type={kind!r} gives panoptic maps and no instances: take an instance"
            " segmenter"
        )
    if not heads or not isinstance(host, BaseDetector):
        raise SettingError(
            f"FrozenHost: host.type={kind!r} gives no masks: take an instance segmenter"
        )
    for head in heads:
        if isinstance(head, MaskFormerFusionHead) and not head.test_cfg.get("instance_on", False):
            raise SettingError(
                "FrozenHost: host.test_cfg.instance_on=False: the host gives panoptic maps and no"
                " instances: set it to True"
            )
    return heads


def check_fit(scorer: MaskScorer, host: BaseDetector) -> None:
    """Checks that scorer and host have the same classes and, where the host tells, channels.

    Raises:
        SettingError: they have not.
    """
    classes = {
        module.num_classes
        for name, module in host.named_modules()
        if hasattr(module, "num_classes") and not re.search(r"rpn_head|semantic_head", name)
    }
    if scorer.num_classes not in classes:
        raise SettingError(
            f"FrozenHost: scorer.num_classes={scorer.num_classes}: the host has"
            f" {', '.join(map(str, sorted(classes)))}"
        )
    channels = getattr(host.neck, "out_channels", None) if host.with_neck else None
    if isinstance(channels, int):  # of other hosts the first batch tells
        scorer.require_channels(channels)
