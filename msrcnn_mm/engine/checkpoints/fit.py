"""Holds a checkpoint against the model before a run uses it.

mmengine logs what does not fit and goes on with random weights in its place.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from .loading import CheckpointError

Use = Literal["test", "resume", "finetune"]


@dataclass
class Misfit:
    """Names of weights where a model and a checkpoint differ."""

    fitting: int
    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]

    def __str__(self) -> str:
        parts = (
            ("missing", self.missing),
            ("of another shape", self.reshaped),
            ("unknown to the model", self.unexpected),
        )
        return ", ".join(f"{len(names)} {word} ({_few(names)})" for word, names in parts if names)


def not_finite(weights: Mapping[str, Any]) -> list[str]:
    """Names of the weights that hold something else than finite numbers."""
    return [
        name
        for name, value in weights.items()
        if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all()
    ]


def _few(names: Sequence[str], count: int = 3) -> str:
    """The first of the names, and how many there are beside them."""
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + rest


def compare(model: nn.Module, state_dict: Mapping[str, Tensor]) -> Misfit:
    """Loads what fits into the model, the way mmengine does, and says what does not.

    Loading itself decides, since modules rename the weights of their older versions while they
    load.
    """
    own = model.state_dict()
    weights = {re.sub(r"^module\.", "", name): value for name, value in state_dict.items()}
    reshaped = [
        name
        for name, value in weights.items()
        if name in own and getattr(value, "shape", None) != own[name].shape
    ]
    fitting = OrderedDict((n, value) for n, value in weights.items() if n not in set(reshaped))
    if hasattr(state_dict, "_metadata"):  # the versions of the modules that wrote it
        fitting._metadata = state_dict._metadata  # type: ignore[attr-defined]
    result = model.load_state_dict(fitting, strict=False)
    missing = [
        name
        for name in result.missing_keys
        # batch norm's counter came later than many checkpoints and is not used in training
        if not name.endswith("num_batches_tracked") and name not in reshaped
    ]
    unexpected = list(result.unexpected_keys)
    return Misfit(
        len(fitting) - len(unexpected), missing, unexpected, _described(reshaped, own, weights)
    )


def _described(
    names: Sequence[str], own: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> list[str]:
    """Adds both shapes to the names."""
    return [
        f"{name}: model {tuple(own[name].shape)}, "
        f"checkpoint {tuple(getattr(found[name], 'shape', ()))}"
        for name in names
    ]


def check_fit(model: nn.Module, checkpoint: Mapping, filename: str, use: Use) -> None:
    """Checks that the checkpoint has what the use needs.

    A test needs every weight of the model; it may leave some of the checkpoint's unused, as when a
    Mask R-CNN config tests a Mask Scoring R-CNN. Resuming needs exactly the model's weights. To
    start a training from other weights (``load_from``), some must fit.

    Raises:
        CheckpointError: if it lacks that.
    """
    state_dict = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state_dict, Mapping) or not any(
        isinstance(value, Tensor) for value in state_dict.values()
    ):
        holds = _few([str(key) for key in checkpoint]) or "nothing"
        # where detectron2, maskrcnn-benchmark and their kin have their weights
        hint = ""
        if isinstance(checkpoint.get("model"), Mapping):
            hint = "; if it is of the authors' code, tools/convert_checkpoint.py makes it ours"
        raise CheckpointError(
            f"{filename}: has no state_dict with weights (it holds {holds}){hint}"
        )
    if use == "resume" and not isinstance(checkpoint.get("meta"), Mapping):
        raise CheckpointError(
            f"{filename}: holds weights only, so no training can go on from it; "
            f"to start a new one from these weights use --cfg-options load_from={filename}"
        )
    spoilt = not_finite(state_dict)
    if spoilt:
        raise CheckpointError(
            f"{filename}: {len(spoilt)} weights are not finite numbers ({_few(spoilt)}): the "
            "training diverged, or the file is damaged; use an earlier checkpoint"
        )
    misfit = compare(model, state_dict)
    refused = {
        "test": misfit.missing or misfit.reshaped,
        "resume": misfit.missing or misfit.reshaped or misfit.unexpected,
        "finetune": misfit.fitting == 0,
    }
    remedy = {
        "test": "use the config it was trained with",
        "resume": "use the config it was trained with, or start a new training from its weights "
        f"with --cfg-options load_from={filename}",
        "finetune": "use weights of a network that shares a part with this one",
    }
    if refused[use]:
        raise CheckpointError(
            f"{filename}: its weights do not fit the model: {misfit}; {remedy[use]}"
        )
    if str(misfit):
        print_log(
            f"{filename}: not all weights fit: {misfit}", logger="current", level=logging.WARNING
        )


class CheckpointFitHook(Hook):
    """Checks every checkpoint that a run loads for the use it makes of it.

    Args:
        use: What the run loads it for.
        filename: The name to report; a training that resumes by itself finds its own.
        classes: What the run takes its labels for, if that is known.
    """

    # behind EMAHook, which exchanges the weights
    priority = "LOWEST"

    def __init__(self, use: Use, filename: str, classes: Sequence[str] | None) -> None:
        self.use = use
        self.filename = filename
        self.classes = classes

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks the checkpoint just read against the run's model."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        check_fit(model, checkpoint, self.filename, self.use)
        meta = (checkpoint.get("meta") or {}).get("dataset_meta") or {}
        learnt = meta.get("classes", meta.get("CLASSES"))
        if learnt is None or self.classes is None or self.use == "finetune":
            return
        if tuple(learnt) != tuple(self.classes):
            print_log(
                f"{self.filename}: was trained for the classes ({_few(learnt, 10)}), but the "
                f"config has ({_few(self.classes, 10)}): labels will be given the wrong names",
                logger="current",
                level=logging.WARNING,
            )
