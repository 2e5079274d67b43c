"""Says which tests can go on after a kill, and what their predictions depend on."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mmcv
import mmdet
import torch
from mmdet.evaluation.metrics import CocoMetric, DumpDetResults
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_world_size
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner, TestLoop
from torch.utils.data import BatchSampler

from msrcnn_mm.runtime.journal import file_hash, text_hash

from ..adapters.dump import DumpCocoResults
from ..adapters.metric import MaskScoreMetric
from ..adapters.picture_files import listed_images
from ..config.walk import leaf_datasets
from ..hooks.oracle import OracleHook
from ..hooks.rescorer import RescorerHook
from ..hooks.visualization import DetVisualizationHook
from ..runs.testing import rescorer_of

_METRICS = (CocoMetric, MaskScoreMetric, DumpCocoResults, DumpDetResults)
_LIBRARIES = ("mmengine", "msrcnn_mm")
_NOT_PREDICTING = ("checkpoint", "logger", "timer", "visualization")  # hooks of default_hooks
_NOT_OF_DATA = ("num_workers", "persistent_workers", "pin_memory", "prefetch_factor", "timeout")


def reason_against(loop: TestLoop) -> str | None:
    """Returns why a test cannot be continued from files of finished images; None if it can.

    A metric or hook of the user's own must see every image in the run that ends the test.
    """
    if type(loop.evaluator) is not Evaluator:
        return f"test_evaluator is a {type(loop.evaluator).__name__}"
    for metric in loop.evaluator.metrics:
        if type(metric) not in _METRICS:
            return f"the metric {type(metric).__name__} must see every image"
    for hook in loop.runner.hooks:
        reason = _reason_against_hook(hook, loop)
        if reason is not None:
            return reason
    loader = loop.dataloader
    in_order = type(loader.sampler) is DefaultSampler and not loader.sampler.shuffle
    if not in_order or type(loader.batch_sampler) is not BatchSampler or loader.drop_last:
        return "test_dataloader has a sampler of its own"
    return None


def _reason_against_hook(hook: Hook, loop: TestLoop) -> str | None:
    if isinstance(hook, DetVisualizationHook):
        if hook.draw and (hook.test_out_dir is None or not Path(hook.test_out_dir).is_absolute()):
            return "pictures are drawn into a new folder; name one by --show-dir"
        if hook.draw and _repeats_images(loop.dataloader.dataset):
            return "an image is drawn several times"
        return None
    own = type(hook).__module__.split(".")[0] not in _LIBRARIES
    methods = ("before_test_iter", "after_test_iter", "_before_iter", "_after_iter")
    if own and any(getattr(type(hook), m) is not getattr(Hook, m) for m in methods):
        return f"the hook {type(hook).__name__} must see every image"
    return None


def _repeats_images(dataset: Any) -> bool:
    paths = [info.get("img_path") for info, _ in listed_images(dataset)]
    return len(set(paths)) < len(paths)


def keeps_whole_samples(loop: TestLoop) -> bool:
    """Returns whether a metric writes all of a data sample."""
    return any(isinstance(metric, DumpDetResults) for metric in loop.evaluator.metrics)


def settings_of(runner: Runner, loop: TestLoop) -> dict[str, Any]:
    """Returns all on which predictions and pictures of a test depend, by the name for messages."""
    config = runner.cfg
    loader = config.get("test_dataloader") or {}
    data = {key: value for key, value in loader.items() if key not in _NOT_OF_DATA}
    hooks = config.get("default_hooks") or {}
    hooks = {key: hook for key, hook in hooks.items() if key not in _NOT_PREDICTING}
    rescorers = [rescorer_of(config)]
    for hook in runner.hooks:
        if isinstance(hook, RescorerHook):
            rescorers += hook.files.values()
    model = [config.model, config.get("data_preprocessor"), loop.fp16]
    model += [hooks, config.get("custom_hooks")]
    return {
        "versions": [mmdet.__version__, mmcv.__version__, torch.__version__],
        "model": _hash(model),
        "checkpoint": file_hash(str(runner._load_from)) if runner._load_from else None,
        "rescorer": [file_hash(str(file)) for file in rescorers if file is not None],
        "--oracle": [
            file_hash(str(hook.ann_file)) for hook in runner.hooks if isinstance(hook, OracleHook)
        ],
        "test_dataloader": _hash([data, len(loop.dataloader.dataset), *_annotations(data)]),
        "--out": ".pkl" if keeps_whole_samples(loop) else None,
        "--show-dir": [*_drawings(runner)],
    }


def _annotations(loader: Mapping[str, Any]) -> Iterator[str]:
    """Yields hashes of the annotation files of a data loader."""
    for _, leaf in leaf_datasets(loader.get("dataset") or {}, ""):
        if isinstance(leaf.get("ann_file"), str):
            path = Path(leaf.get("data_root") or "", leaf["ann_file"])
            if path.is_file():
                yield file_hash(str(path))


def _drawings(runner: Runner) -> Iterator[Any]:
    """Yields how pictures are drawn; of several processes, the first one draws its share."""
    for hook in runner.hooks:
        if isinstance(hook, DetVisualizationHook) and hook.draw:
            look = _hash(runner.cfg.get("visualizer"))
            yield [str(hook.test_out_dir), hook.score_thr, look, get_world_size()]


def _hash(content: Any) -> str:
    return text_hash(json.dumps(content, default=_text, sort_keys=True))


def _text(value: Any) -> str:
    """Returns a text of a value in a config that is the same in every process."""
    name = getattr(value, "__qualname__", None)  # of classes and functions of new-style configs
    return f"{value.__module__}.{name}" if name else str(value)
