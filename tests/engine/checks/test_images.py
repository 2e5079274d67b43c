"""Checks of a data set's images."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.checked_configs import check, edit, make_config, refusal
from tests.support.coco_files import SIDE


def test_missing_files_are_named(root: Path) -> None:
    (root / "val" / "2.png").unlink()
    assert f"1 of 2 images of {root}/val.json are missing, the first is" in refusal(
        make_config(root)
    )
    (root / "train").rename(root / "elsewhere")
    assert f"no such folder of images: {root}/train/" in refusal(make_config(root))
    (root / "val.json").unlink()
    assert f"no such annotation file: {root}/val.json" in refusal(make_config(root))


@pytest.mark.parametrize("broken", [b"", b"no image"])
def test_a_file_that_is_no_image(root: Path, broken: bytes) -> None:
    (root / "train" / "1.png").write_bytes(broken)
    assert f"the image {root}/train/1.png" in refusal(make_config(root))


def test_an_image_of_another_size_than_annotated(root: Path) -> None:
    Image.new("RGB", (20, 30)).save(root / "train" / "1.png")
    assert f"is 20 x 30 pixels, but {root}/train.json says {SIDE} x {SIDE}" in refusal(
        make_config(root)
    )


def test_a_photograph_that_lies_on_its_side_has_the_size_it_is_shown_in(root: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (20, 30)).save(root / "train" / "1.jpg", exif=turned)
    upright = dict(file_name="1.jpg", width=30, height=20)
    edit(root / "train.json", lambda c: c["images"][0].update(upright))
    check(make_config(root))
