"""Protection of the images that a test reads from the pictures that it draws."""

from pathlib import Path

from mmdet.engine.hooks import DetVisualizationHook
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from msrcnn_mm.errors import UserError

_READ = ("img_path", "seg_map_path")  # keys of an image's entry in a data set


@HOOKS.register_module()
class OverwriteGuardHook(Hook):
    """Ends a test before ``DetVisualizationHook`` draws over images that are read.

    The hook names each picture after its image and draws it into its ``test_out_dir``.

    Raises:
        UserError: Before the test, if a picture would replace a file of the data set.
    """

    def before_test(self, runner: Runner) -> None:
        """Compares the pictures that will be drawn with the files that are read."""
        for hook in runner.hooks:
            if isinstance(hook, DetVisualizationHook) and hook.draw and hook.test_out_dir:
                folder = Path(runner.work_dir, runner.timestamp, hook.test_out_dir)
                _check(folder, runner.test_loop.dataloader.dataset)


def _check(folder: Path, dataset: object) -> None:
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    images = [dataset.get_data_info(index) for index in range(len(dataset))]  # type: ignore
    names = {info[key] for info in images for key in _READ if info.get(key)}
    read = {Path(name).expanduser().resolve() for name in names}
    for name in (Path(info["img_path"]).name for info in images if info.get("img_path")):
        if (folder / name).resolve() in read:
            raise UserError(
                f"visualization.test_out_dir (--show-dir) {folder}: {name} is read from there and"
                " would be lost; name a new folder"
            )
