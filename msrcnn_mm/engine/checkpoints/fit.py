"""Comparison of a checkpoint with the model that is to take its weights.

mmengine logs what does not fit and continues with random weights in its place.
"""

import logging
from collections.abc import Mapping
from typing import Literal

from mmengine.logging import print_log
from torch import nn

from msrcnn_mm.errors import CheckpointError
from msrcnn_mm.models.weights import compare_weights, weights_of

Use = Literal["test", "resume", "finetune"]


def check_fit(model: nn.Module, checkpoint: Mapping, filename: str, use: Use) -> None:
    """Checks that a checkpoint has what its use needs; the model stays as it is.

    A test needs every weight of the model; it may leave some of the checkpoint's unused, as when a
    Mask R-CNN config tests a Mask Scoring R-CNN. Resuming needs exactly the model's weights. To
    start a training from other weights (``load_from``), some must fit.

    Args:
        model: The model, without a wrapper.
        checkpoint: As loaded: with a ``state_dict``, or nothing but weights.
        filename: Its name, for messages.
        use: What it is loaded for.

    Raises:
        CheckpointError: It lacks that.
    """
    state_dict = weights_of(checkpoint, filename)
    if use == "resume" and not isinstance(checkpoint.get("meta"), Mapping):
        raise CheckpointError(
            f"{filename}: holds weights only, so no training can resume from it; "
            f"to start a new one from these weights use --cfg-options load_from={filename}"
        )
    mismatch = compare_weights(model, state_dict)
    refused = {
        "test": mismatch.missing or mismatch.reshaped,
        "resume": mismatch.missing or mismatch.reshaped or mismatch.unexpected,
        "finetune": mismatch.fitting == 0,
    }
    remedy = {
        "test": "use the config it was trained with",
        "resume": "use the config it was trained with, or start a new training from its weights "
        f"with --cfg-options load_from={filename}",
        "finetune": "use weights of a network that shares a part with this one",
    }
    if use == "test" and "host_fingerprint" in mismatch.missing:
        remedy[use] = "name the scorer's checkpoint; model.checkpoint names the host's"
    if refused[use]:
        raise CheckpointError(
            f"{filename}: its weights do not fit the model: {mismatch}; {remedy[use]}"
        )
    if str(mismatch):
        print_log(
            f"{filename}: not all weights fit: {mismatch}", logger="current", level=logging.WARNING
        )
