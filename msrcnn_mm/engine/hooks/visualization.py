"""Pictures of a test that keep the folders of their images."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcv.transforms import BaseTransform
from mmdet.engine import hooks
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.dist import get_world_size, is_main_process
from mmengine.runner import Runner
from numpy.typing import NDArray

from msrcnn_mm.errors import warn

from ..adapters.picture_files import listed_images, picture_names, read_picture


@HOOKS.register_module(force=True)
class DetVisualizationHook(hooks.DetVisualizationHook):
    """Replaces MMDetection's hook, which loses pictures of images with the same name.

    A picture is named by the path of its image below the folder that all images of the test share:
    ``cam1/0001.png`` and ``cam2/0001.png`` stay two. If all images are in one folder, names are
    MMDetection's. Images are read as the test's pipeline reads them, so that masks fit images whose
    EXIF orientation it ignores. A relative ``test_out_dir`` is one folder inside that of the run.

    Args:
        *args: Those of MMDetection's hook.
        **kwargs: Likewise.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[str, list[str]] = {}
        self._images: dict[str, tuple[dict[str, Any], BaseTransform | None]] = {}
        self._drawn: Counter[str] = Counter()

    def before_val(self, runner: Runner) -> None:
        """Looks up how the images of the validation are read."""
        if self.draw:
            self._look_up(runner.val_loop.dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        """Names the pictures, and warns of those that MMDetection will not draw."""
        if not self.draw:
            return
        self._look_up(runner.test_loop.dataloader.dataset)
        processes = get_world_size()
        if processes > 1 and is_main_process():
            warn(
                f"only the images that the first of {processes} processes tests are drawn: test "
                "with one process to have all pictures"
            )

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DetDataSample]
    ) -> None:
        """Draws the first image of every ``interval``-th batch."""
        step = runner.iter + batch_idx
        if not self.draw or step % self.interval:
            return
        path = outputs[0].img_path
        self._visualizer.add_datasample(
            Path(path).name if self.show else "val_img",
            self._read(path),
            data_sample=outputs[0],
            show=self.show,
            wait_time=self.wait_time,
            pred_score_thr=self.score_thr,
            step=step,
        )

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DetDataSample]
    ) -> None:
        """Draws all images of the batch."""
        if not self.draw:
            return
        for sample in outputs:
            self._test_index += 1
            name = self._next_name(sample.img_path)
            file = None
            if self.test_out_dir is not None:
                file = str(Path(runner.work_dir, runner.timestamp, self.test_out_dir, name))
            self._visualizer.add_datasample(
                name if self.show else "test_img",
                self._read(sample.img_path),
                data_sample=sample,
                show=self.show,
                wait_time=self.wait_time,
                pred_score_thr=self.score_thr,
                out_file=file,
                step=self._test_index,
            )

    def _look_up(self, dataset: Any) -> None:
        """Sets the names of the pictures and how images are read, by image path."""
        self._images, self._names, self._drawn = {}, defaultdict(list), Counter()
        paths = []
        for info, loader in listed_images(dataset):
            if info.get("img_path"):
                paths.append(info["img_path"])
                entry = {key: info[key] for key in info if key != "instances"}
                self._images[info["img_path"]] = entry, loader
        for path, name in zip(paths, picture_names(paths), strict=True):
            self._names[path].append(name)

    def _next_name(self, path: str) -> str:
        """Returns the name of the image's next picture; an image can be listed several times."""
        names = self._names.get(path) or [Path(path).name]
        self._drawn[path] += 1
        return names[min(self._drawn[path], len(names)) - 1]

    def _read(self, path: str) -> NDArray[Any]:
        info, loader = self._images.get(path, (dict(img_path=path), None))
        return read_picture(info, loader, self.backend_args)
