"""Pictures of a test replace none of the images that are read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmdet.engine.hooks import DetVisualizationHook as MMDetectionHook
from mmdet.visualization import DetLocalVisualizer

from msrcnn_mm.engine.hooks.overwrite_guard import OverwriteGuardHook
from msrcnn_mm.engine.hooks.visualization import DetVisualizationHook
from msrcnn_mm.errors import UserError


class Images(list):
    """A data set, as far as the hook reads it."""

    def get_data_info(self, index: int) -> dict:
        return self[index]


def run_test(
    folder: Path, *images: dict, draw: bool = True, kind: type = DetVisualizationHook
) -> None:
    DetLocalVisualizer.get_instance("visualizer")
    drawing = kind(draw=draw, test_out_dir=str(folder))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=Images(images)))
    runner: Any = SimpleNamespace(
        test_loop=loop, hooks=[drawing], work_dir="work", timestamp="2026"
    )
    OverwriteGuardHook().before_test(runner)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Makes folders of images, maps and earlier pictures, and a link to the first."""
    for name in ("images/night", "maps", "shown"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "images" / "night")
    return tmp_path


@pytest.mark.parametrize("place", ["images/night", "shown/../images/night", "link", "maps"])
def test_nothing_is_drawn_over_images(data: Path, place: str) -> None:
    image = dict(
        img_path=str(data / "images" / "night" / "1.png"), seg_map_path=str(data / "maps" / "1.png")
    )
    first = dict(img_path=str(data / "images" / "night" / "0.png"))
    with pytest.raises(UserError, match=rf"test_out_dir .*{place}: [01].png is read from there"):
        run_test(data / place, first, image)
    run_test(data / place, first, image, draw=False)


@pytest.mark.parametrize("place", ["images", "shown", "maps", "new"])
def test_elsewhere_pictures_are_drawn(data: Path, place: str) -> None:
    """Also over earlier pictures, and into a folder that holds one of images."""
    run_test(data / place, dict(img_path=str(data / "images" / "night" / "1.png")))


def test_a_relative_folder_is_inside_that_of_the_run(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    (data / "work").mkdir()
    (data / "work" / "2026").symlink_to(data / "images")
    with pytest.raises(UserError, match=r"work/2026/night: 1.png is read from there"):
        run_test(Path("night"), dict(img_path=str(data / "images" / "night" / "1.png")))


def test_pictures_in_folders_are_compared_by_their_folders(data: Path) -> None:
    """Images in two folders: a picture keeps its folder, and only there can it replace an image."""
    (data / "images" / "day").mkdir()
    (data / "images" / "day" / "1.png").touch()
    images = [dict(img_path=str(data / "images" / at / "1.png")) for at in ("night", "day")]
    with pytest.raises(UserError, match=r"images: night/1.png is read from there"):
        run_test(data / "images", *images)
    run_test(data / "images" / "night", *images)  # night/night/1.png


def test_a_subclass_of_mmdetections_hook_draws_without_folders(data: Path) -> None:
    other = dict(img_path=str(data / "shown" / "1.png"))
    image = dict(img_path=str(data / "images" / "night" / "1.png"))
    with pytest.raises(UserError, match=r"night: 1.png is read from there"):
        run_test(data / "images" / "night", other, image, kind=MMDetectionHook)
    run_test(data / "images" / "night", other, image)
