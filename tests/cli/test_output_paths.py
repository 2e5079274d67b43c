"""Pictures that replace none of the images that are read."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from msrcnn_mm.cli.output_paths import KeepImagesHook
from msrcnn_mm.errors import UserError


class Images(list):
    """A data set, as far as the hook asks it."""

    def get_data_info(self, index: int) -> dict:
        return self[index]


def run_test(folder: Path, *images: dict) -> None:
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=Images(images)))
    KeepImagesHook(folder, "--show-dir").before_test(SimpleNamespace(test_loop=loop))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folders of images, of segmentation maps and of earlier pictures, and a link to the first."""
    for name in ("images/night", "maps", "shown"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "images" / "night")
    return tmp_path


@pytest.mark.parametrize("place", ["images/night", "shown/../images/night", "link", "maps"])
def test_where_images_lie_nothing_is_drawn(data: Path, place: str) -> None:
    image = dict(
        img_path=str(data / "images" / "night" / "1.png"), seg_map_path=str(data / "maps" / "1.png")
    )
    with pytest.raises(UserError, match=rf"--show-dir .*{place}: 1.png is read from there"):
        run_test(data / place, dict(img_path=str(data / "shown" / "0.png")), image)


@pytest.mark.parametrize("place", ["images", "shown", "maps"])
def test_elsewhere_they_are(data: Path, place: str) -> None:
    """Over earlier pictures, too, and where images lie in a folder inside."""
    run_test(data / place, dict(img_path=str(data / "images" / "night" / "1.png")))
