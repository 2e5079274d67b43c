"""Finds, loads and checks the host of :class:`.FrozenHost`."""

import re
from collections.abc import Mapping
from typing import Any

from mmdet.models.detectors import BaseDetector
from mmdet.models.detectors.panoptic_two_stage_segmentor import TwoStagePanopticSegmentor
from mmdet.utils import ConfigType
from mmengine.hub import get_config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from msrcnn_mm.errors import CheckpointError, MissingCheckpointError, SettingError

from ..scorers.mask_scorer import MaskScorer
from ..settings import require_text
from ..weights import compare_weights, unwrapped, weights_of
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


def checked_settings(
    checkpoint: str | None, cache_dir: str | None, test_cfg: ConfigType | None, preprocessor: dict
) -> str:
    """Returns the name of the weights, after a check of settings of :class:`.FrozenHost`.

    Args:
        checkpoint: the weights.
        cache_dir: as for the host, like ``test_cfg``.
        test_cfg: may hold ``rescorer`` alone.
        preprocessor: settings of the ``data_preprocessor``.

    Raises:
        SettingError: one is missing, of a wrong type or without effect.
    """
    if checkpoint is None:
        raise SettingError("FrozenHost: checkpoint is missing: name the host's weights")
    require_text("FrozenHost: checkpoint", checkpoint)
    if cache_dir is not None:
        require_text("FrozenHost: cache_dir", cache_dir)
    for name in (test_cfg or {}).keys() - {"rescorer"}:
        raise SettingError(
            f"FrozenHost: test_cfg.{name} has no effect: the host's settings are"
            " model.host.test_cfg"
        )
    if "type" not in preprocessor:
        raise SettingError(
            "FrozenHost: data_preprocessor has no type: give all that the host was trained with"
        )
    return checkpoint


def load_host(host: nn.Module, checkpoint: str) -> dict[str, Any]:
    """Loads the host's weights.

    Returns:
        The checkpoint's ``meta``; empty without one.

    Raises:
        CheckpointError: the file is missing or holds no weights, or they do not fit or are not
            finite.
    """
    try:
        loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    except MissingCheckpointError as error:
        raise MissingCheckpointError(
            f"{error}: train the host, or name its weights by model.checkpoint"
        ) from error
    weights = unwrapped(weights_of(loaded, checkpoint))
    mismatch = compare_weights(host, weights)
    if mismatch.missing or mismatch.reshaped:
        raise CheckpointError(
            f"{checkpoint}: its weights do not fit the host: {mismatch}; give model.host the config"
            " that it was trained with"
        )
    host.load_state_dict(weights, strict=False)
    meta = loaded.get("meta")
    return dict(meta) if isinstance(meta, Mapping) else {}


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
