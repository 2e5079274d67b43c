"""Protection of the images that a test reads from the pictures that it draws."""

from collections.abc import Iterable
from pathlib import Path

from mmdet.engine import hooks
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from msrcnn_mm.errors import UserError

from ..adapters.picture_files import listed_images, picture_names
from .visualization import DetVisualizationHook

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
            if not isinstance(hook, hooks.DetVisualizationHook):
                continue
            folder = Path(runner.work_dir, runner.timestamp, hook.test_out_dir or "")
            if hook.draw and hook.test_out_dir and folder.is_dir() and any(folder.iterdir()):
                infos = [info for info, _ in listed_images(runner.test_loop.dataloader.dataset)]
                paths = [info["img_path"] for info in infos if info.get("img_path")]
                # a user's own subclass of MMDetection's hook leaves the folders out
                keeps_folders = isinstance(hook, DetVisualizationHook)
                names = picture_names(paths) if keeps_folders else [Path(p).name for p in paths]
                _check(folder, names, {i[key] for i in infos for key in _READ if i.get(key)})


def _check(folder: Path, pictures: Iterable[str], read: Iterable[str]) -> None:
    images = {Path(name).expanduser().resolve() for name in read}
    for name in pictures:
        if (folder / name).resolve() in images:
            raise UserError(
                f"visualization.test_out_dir (--show-dir) {folder}: {name} is read from there and"
                " would be lost; name a new folder"
            )
