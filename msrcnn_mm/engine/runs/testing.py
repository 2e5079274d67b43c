"""Changes of a config by the options of a test."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import TestLoop

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.rescorer import read_rescorer

from ..adapters.rescored_scores import OLD_SETTING, SETTING, rescorer_file
from ..checks.evaluators import coco_metrics, metrics_of
from ..checks.model import check_masks
from ..config.file import is_first_process
from ..config.walk import as_list, leaf_datasets
from ..hooks.oracle import OracleHook
from ..views.detector import MULTI_VIEW, check_views, multi_view_detector

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
    for metric in as_list(evaluator):
        if metric and "collect_device" in metric:
            dump["collect_device"] = metric["collect_device"]
    config.test_evaluator = [*(metric for metric in as_list(evaluator) if metric), dump]


def keep_finished_images(config: Config, folder: Path, overwrite: bool) -> None:
    """Has the test keep finished images in a folder, from which a killed one goes on.

    A test loop of the config's own stays.

    Args:
        config: The config, which is changed.
        folder: The folder.
        overwrite: Whether to start anew where it has images.
    """
    loop = config.get("test_cfg")
    if isinstance(loop, Mapping) and loop.get("type", TestLoop) in ("TestLoop", TestLoop):
        settings = dict(type="JournaledTestLoop", journal=str(folder), overwrite=overwrite)
        config.test_cfg = {**loop, **settings}


def write_config(config: Config, work_dir: str | Path) -> None:
    """Writes the config into the work folder, over the one that mmengine's runner has written.

    That one names the files of this run. A test by it would replace them.

    Args:
        config: The config without the files that this run writes.
        work_dir: The work folder.
    """
    if is_first_process(config):
        config.dump(Path(work_dir, Path(config.filename).name))


def add_views(
    config: Config, views: Sequence[str | float], swap: Sequence[tuple[str, str]]
) -> None:
    """Has the test compare masks between views of each image.

    Args:
        config: The config, which is changed.
        views: As for :func:`.multi_view_detector`.
        swap: Likewise.

    Raises:
        UserError: The config's model has views already or predicts no masks, or these are none.
    """
    kind = config.model.get("type")
    if kind in (MULTI_VIEW, multi_view_detector):
        raise UserError(
            f"--views: the config's model is a {MULTI_VIEW} already: change its views by"
            ' --cfg-options model.views="[flip,0.8]"'
        )
    check_views(views, swap)
    check_masks(config.model)
    if isinstance(kind, type):  # of a new-style config, which mmengine can write as text alone
        kind = f"{kind.__module__}.{kind.__name__}"
    settings = dict(detector=kind, views=list(views), swap=list(swap))
    config.model.update(type=MULTI_VIEW, **settings)


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
        UserError: The test measures no masks, or has a re-scorer.
    """
    evaluators = coco_metrics(config.get("test_evaluator"))
    if evaluators and not any("segm" in metrics_of(evaluator) for evaluator in evaluators):
        raise UserError("--oracle scores masks, and no mask is measured: add --eval segm")
    if rescorer_of(config) is not None:
        raise UserError("--oracle: its scores are the true IoUs; test without a re-scorer")
    return OracleHook(annotations_of_test(config, "--oracle"))


def rescorer_of(config: Config) -> str | None:
    """Returns the re-scorer's file that a config names.

    Raises:
        UserError: It names two, see :func:`.rescorer_file`.
    """
    return rescorer_file(config.model.get("test_cfg") or {})


def set_rescorer(config: Config, path: str) -> None:
    """Has the test add scores by a re-scorer.

    Args:
        config: The config, which is changed.
        path: The re-scorer's file.
    """
    settings = dict(config.model.get("test_cfg") or {})
    settings.pop(OLD_SETTING, None)
    config.model.test_cfg = {**settings, SETTING: path}


def check_rescorer(config: Config, same_images: bool) -> None:
    """Checks that a re-scorer can be read and was not fitted on the tested images.

    Args:
        config: The config.
        same_images: Whether it may be.

    Raises:
        UserError: It cannot be read, or was; or there is none and ``same_images`` was asked for.
    """
    path = rescorer_of(config)
    if path is None:
        if same_images:
            raise UserError("--same-images: there is no re-scorer; add --rescorer FILE")
        return
    rescorer = read_rescorer(path)
    if not same_images:
        annotations = annotations_of_test(config, f"the re-scorer {path}")
        coco = AnnotationFile.read(annotations).coco()
        rescorer.refuse_same_images(coco, coco.imgs)


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
