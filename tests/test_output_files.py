"""Pictures that replace none of the images that are read."""

from pathlib import Path

import pytest

from msrcnn_mm.errors import UserError
from msrcnn_mm.output_files import refuse_pictures


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "images"
    (folder / "night").mkdir(parents=True)
    (folder / "night" / "1.png").touch()
    return folder


@pytest.mark.parametrize("place", ["", "night", "../images/night/../night", "link"])
def test_where_images_lie_nothing_is_drawn(images: Path, place: str) -> None:
    (images.parent / "link").symlink_to(images / "night")
    folder = images.parent / "link" if place == "link" else images / place
    with pytest.raises(UserError, match=r"--show-dir .*: images are read from .*images, and"):
        refuse_pictures(folder, "--show-dir", [images.parent / "other", images])


@pytest.mark.parametrize("place", ["shown", "shown/empty", "images/new", "images2", ""])
def test_elsewhere_they_are(images: Path, place: str) -> None:
    (images.parent / "shown" / "empty").mkdir(parents=True)
    (images.parent / "shown" / "1.png").touch()
    refuse_pictures(images.parent / place, "--show-dir", [images])
