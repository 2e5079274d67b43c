"""Changes of a config by the options of a test."""

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibration_file import read_calibration

from ..checks.evaluators import coco_metrics, metrics_of
from ..config.walk import as_list, leaf_datasets
from ..hooks.oracle import OracleHook

DUMPS = {".pkl": "DumpDetResults", ".pickle": "DumpDetResults", ".json": "DumpCocoResults"}
"""The metric that writes predictions, by the suffix of the file."""


def set_metrics(config: Config, metrics: list[str]) -> None:
    """Sets the metrics of the test evaluators that are a ``CocoMetric``.

    Raises:
        UserError: There is none.
    """
    evaluators = coco_metrics(config.get("test_evaluator"))
    if not evaluators:
        raise UserError("--eval: the config's test_evaluator measures nothing that could be chosen")
    for evaluator in evaluators:
        evaluator.metric = list(dict.fromkeys(metrics))


def add_dump(config: Config, path: Path) -> None:
    """Adds a metric that writes the predictions to a file of a suffix in ``DUMPS``.

    Raises:
        UserError: The config names no annotations, from which a JSON file takes category ids; or
            its evaluator has a metric for each of several data sets.
    """
    evaluator = config.get("test_evaluator")
    if isinstance(evaluator, Mapping) and "metrics" in evaluator:
        raise UserError(
            f"--out {path}: test_evaluator has metrics, one for each data set: test one data set, "
            "with test_evaluator = dict(type='MaskScoreMetric', ann_file=...)"
        )
    dump = dict(type=DUMPS[path.suffix], out_file_path=str(path))
    if path.suffix == ".json":
        dump["ann_file"] = annotations_of_test(config, f"--out {path}")
    config.test_evaluator = [*(metric for metric in as_list(evaluator) if metric), dump]


def annotations_of_test(config: Config, option: str) -> str:
    """Returns the annotation file of the test: its evaluator's, else that of its one data set.

    Raises:
        UserError: There is none; the message names the option that needs it.
    """
    for evaluator in as_list(config.get("test_evaluator")):
        if isinstance(evaluator, Mapping) and isinstance(evaluator.get("ann_file"), str):
            return str(evaluator["ann_file"])
    loader = config.get("test_dataloader")
    dataset = loader.get("dataset") if isinstance(loader, Mapping) else None
    if isinstance(dataset, Mapping):  # check_forms names what else it is
        leaves = [leaf for _, leaf in leaf_datasets(dataset, "test_dataloader.dataset")]
        if len(leaves) == 1 and isinstance(leaves[0].get("ann_file"), str):
            return str(Path(leaves[0].get("data_root") or "", leaves[0]["ann_file"]))
    raise UserError(
        f"{option}: neither the config's test_evaluator nor its test_dataloader.dataset has an "
        "ann_file"
    )


def oracle_hook(config: Config) -> OracleHook:
    """Makes the hook that scores masks with their true IoUs.

    Raises:
        UserError: The test measures no masks, or has a calibration.
    """
    evaluators = coco_metrics(config.get("test_evaluator"))
    if evaluators and not any("segm" in metrics_of(evaluator) for evaluator in evaluators):
        raise UserError("--oracle scores masks, and no mask is measured: add --eval segm")
    if calibration_file(config) is not None:
        raise UserError("--oracle: its scores are the true IoUs; test without a calibration")
    return OracleHook(annotations_of_test(config, "--oracle"))


def calibration_file(config: Config) -> str | None:
    """Returns the calibration that a config names; None without one."""
    return (config.model.get("test_cfg") or {}).get("calibration")


def set_calibration(config: Config, path: str) -> None:
    """Has the test add calibrated scores."""
    config.model.test_cfg = {**(config.model.get("test_cfg") or {}), "calibration": path}


def check_calibration(config: Config, same_images: bool) -> None:
    """Checks that a calibration can be read and is not tested on the images it was fitted on.

    Args:
        config: The config.
        same_images: Whether it may be.

    Raises:
        UserError: It cannot be read, or is; or there is none and ``same_images`` was asked for.
    """
    path = calibration_file(config)
    if path is None:
        if same_images:
            raise UserError("--same-images: there is no calibration; add --calibration FILE")
        return
    calibration = read_calibration(path)
    if not same_images:
        annotations = annotations_of_test(config, f"the calibration {path}")
        calibration.refuse_same_images(AnnotationFile.read(annotations).coco())


def draw_into(config: Config, folder: Path) -> None:
    """Has MMDetection's hook draw the predictions into a folder.

    Raises:
        UserError: The config has no such hook.
    """
    hook = config.default_hooks.get("visualization")
    if hook is None:
        raise UserError(
            "--show-dir: the config draws nothing; add "
            "default_hooks = dict(visualization=dict(type='DetVisualizationHook'))"
        )
    hook.draw = True
    # absolute, or it would be a folder inside the run's
    hook.test_out_dir = str(folder.resolve())
