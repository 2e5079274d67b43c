"""Pictures of a test: one of each image, in the folders of the images."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import cv2
import mmengine
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmdet.datasets import CocoDataset
from mmdet.registry import HOOKS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.dataset import ConcatDataset
from PIL import Image

from msrcnn_mm.engine.hooks import visualization
from msrcnn_mm.engine.hooks.visualization import DetVisualizationHook


def data_set(root: Path, *names: str, **loading: Any) -> CocoDataset:
    """Makes grey images of different shades and a data set that lists them."""
    images = []
    for index, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            cv2.imwrite(str(file), np.full((8, 8, 3), shade(name), np.uint8))
        images.append(dict(id=index + 1, file_name=name, height=8, width=8))
    categories = [dict(id=1, name="disk")]
    mmengine.dump(dict(images=images, annotations=[], categories=categories), root / "set.json")
    return CocoDataset(
        ann_file=str(root / "set.json"),
        data_prefix=dict(img=str(root)),
        metainfo=dict(classes=("disk",)),
        test_mode=True,
        pipeline=[{"type": "LoadImageFromFile", **loading}, dict(type="mmdet.PackDetInputs")],
    )


def shade(name: str) -> int:
    return sum(name.encode()) % 200 + 20


def draw(work_dir: Path | str, dataset: Any, batch: int = 2, **settings: Any) -> None:
    """Draws a data set as the loop of a test does."""
    visualizer = DetLocalVisualizer.get_instance(uuid4().hex)
    visualizer.dataset_meta = dataset.metainfo
    hook = HOOKS.build(dict(type="DetVisualizationHook", **{"draw": True, **settings}))
    assert type(hook) is DetVisualizationHook
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    runner: Any = SimpleNamespace(test_loop=loop, work_dir=str(work_dir), timestamp="now")
    hook.before_test(runner)
    samples = [DetDataSample(metainfo=dataset.get_data_info(i)) for i in range(len(dataset))]
    for index in range(0, len(samples), batch):
        hook.after_test_iter(runner, index, {}, samples[index : index + batch])


def files(folder: Path) -> dict[str, int]:
    """Returns the shade of each picture in a folder, by its name."""
    return {
        str(file.relative_to(folder)): int(np.median(cv2.imread(str(file))))
        for file in folder.rglob("*.png")
    }


def test_the_same_name_in_two_folders_gives_two_pictures(tmp_path: Path) -> None:
    names = ["cam1/0001.png", "cam1/0002.png", "cam2/0001.png", "cam2/0002.png"]
    draw(tmp_path, data_set(tmp_path / "data", *names), test_out_dir=str(tmp_path / "shown"))
    assert files(tmp_path / "shown") == {name: shade(name) for name in names}


def test_images_of_one_folder_keep_their_names(tmp_path: Path) -> None:
    names = ["cam1/0001.png", "cam1/0002.png"]
    draw(tmp_path, data_set(tmp_path / "data", *names), test_out_dir=str(tmp_path / "shown"))
    assert set(files(tmp_path / "shown")) == {"0001.png", "0002.png"}


@TRANSFORMS.register_module()
class LoadImageByShade(BaseTransform):
    """Loads no file, but what the data set's entry says."""

    def transform(self, results: dict) -> dict:
        side = (results["height"], results["width"], 3)
        return {**results, "img": np.full(side, 10 * results["img_id"], np.uint8)}


def test_images_are_read_by_a_loader_of_ones_own(tmp_path: Path) -> None:
    dataset = data_set(tmp_path / "data", "1.png", "2.png", type="mmdet.LoadImageByShade")
    draw(tmp_path, dataset, test_out_dir=str(tmp_path / "shown"))
    assert files(tmp_path / "shown") == {"1.png": 10, "2.png": 20}


def test_names_that_lead_outside_are_drawn_inside(tmp_path: Path) -> None:
    names = [
        "1.png",
        "../1.png",
        "../../1.png",
        "in/../../1.png",
        str(tmp_path / "other" / "1.png"),
    ]
    (tmp_path / "a" / "b" / "in").mkdir(parents=True)
    dataset = data_set(tmp_path / "a" / "b", *names)
    before = set(tmp_path.rglob("*"))
    draw(tmp_path, dataset, test_out_dir=str(tmp_path / "shown"))
    assert set(files(tmp_path / "shown")) == {
        *("a/b/1.png", "a/1.png", "a/1_2.png", "1.png", "other/1.png")
    }
    made = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "shown") for path in made)


def test_an_image_listed_twice_has_two_pictures(tmp_path: Path) -> None:
    dataset = data_set(tmp_path / "data", "1.png", "2.png", "1.png")
    draw(tmp_path, dataset, test_out_dir=str(tmp_path / "shown"))
    assert set(files(tmp_path / "shown")) == {"1.png", "2.png", "1_2.png"}


def test_data_sets_of_several_folders_are_one_test(tmp_path: Path) -> None:
    parts = [data_set(tmp_path / "data" / name, "1.png", "deep/1.png") for name in ("a", "b")]
    draw(tmp_path, ConcatDataset(parts), test_out_dir=str(tmp_path / "shown"))
    assert set(files(tmp_path / "shown")) == {"a/1.png", "a/deep/1.png", "b/1.png", "b/deep/1.png"}


def test_a_relative_folder_is_one_folder_in_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MMDetection's hook nests it once more in each iteration."""
    monkeypatch.chdir(tmp_path)
    dataset = data_set(tmp_path / "data", "1.png", "2.png", "3.png")
    draw("work", dataset, batch=1, test_out_dir="shown")
    assert set(files(tmp_path / "work")) == {f"now/shown/{n}.png" for n in (1, 2, 3)}


@pytest.mark.parametrize("color_type", ["color", "color_ignore_orientation"])
def test_pictures_have_the_size_of_the_masks(tmp_path: Path, color_type: str) -> None:
    root = tmp_path / "data"
    root.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((20, 40, 3), 90, np.uint8)).save(root / "1.png", exif=exif)
    dataset = data_set(root, "1.png", color_type=color_type)
    loaded = dataset[0]["data_samples"].ori_shape
    draw(tmp_path, dataset, test_out_dir=str(tmp_path / "shown"))
    height, width = cv2.imread(str(tmp_path / "shown" / "1.png")).shape[:2]
    assert (height, width / 2) == loaded  # ground truth and predictions side by side
    assert loaded == ((40, 20) if color_type == "color" else (20, 40))


def test_several_processes_draw_only_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    dataset = data_set(tmp_path / "data", "1.png")
    draw(tmp_path, dataset, test_out_dir=str(tmp_path / "one"))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(visualization, "get_world_size", lambda: 2)
    draw(tmp_path, dataset, test_out_dir=str(tmp_path / "two"))
    assert "only the images that the first of 2 processes tests" in capsys.readouterr().err


def test_a_hook_that_does_not_draw_reads_nothing(tmp_path: Path) -> None:
    dataset = data_set(tmp_path / "data", "1.png")
    (tmp_path / "data" / "1.png").unlink()
    draw(tmp_path, dataset, draw=False, test_out_dir=str(tmp_path / "shown"))
    assert not (tmp_path / "shown").exists()


@pytest.mark.parametrize(("iteration", "steps"), [(0, [0, 4]), (3, [4])])
def test_validations_draw_at_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, iteration: int, steps: list[int]
) -> None:
    dataset = data_set(tmp_path / "data", "1.png", color_type="grayscale")
    visualizer = DetLocalVisualizer.get_instance(uuid4().hex)
    drawn: list[tuple] = []
    monkeypatch.setattr(
        visualizer,
        "add_datasample",
        lambda name, image, step, **_: drawn.append((name, image.shape, step)),
    )
    hook = DetVisualizationHook(draw=True, interval=4)
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    runner: Any = SimpleNamespace(val_loop=loop, iter=iteration)
    hook.before_val(runner)
    for index in range(5):
        hook.after_val_iter(runner, index, {}, [DetDataSample(metainfo=dataset.get_data_info(0))])
    assert drawn == [("val_img", (8, 8, 3), step) for step in steps]
