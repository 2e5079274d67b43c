"""Images of folders, patterns, lists and videos, as they come."""

from collections.abc import Container
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from mmengine.registry import init_default_scope
from PIL import Image as Pillow

from msrcnn_mm.engine.checks.loaded_images import Loader
from msrcnn_mm.engine.predict.reader import PipelineReader
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.inputs import IMAGES, Image, Source, find_images, images_of_folder

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def loader() -> Loader:
    init_default_scope("mmdet")
    return Loader(dict(type="LoadImageFromFile"), range(3, 4))


def put(path: Path, shade: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.full((4, 6, 3), shade, np.uint8)).save(path)
    return path


def read(source: Source, loader: Loader, done: Container[int] = ()) -> list[Image]:
    return [image for _, image in source.read(PipelineReader(loader), done)]


def names(text: object, pictures: Path = Path("nowhere")) -> list[str]:
    return list(find_images(str(text), pictures).names)


def test_a_folder_with_its_subfolders(
    tmp_path: Path, loader: Loader, capsys: pytest.CaptureFixture
) -> None:
    for name in ("b.png", "cam1/a.JPG", "cam2/a.jpg", "out/pictures/b.png", ".thumb.png"):
        put(tmp_path / name)
    (tmp_path / "readme.md").write_text("")
    source = find_images(str(tmp_path), tmp_path / "out" / "pictures")
    assert capsys.readouterr().err == (
        f"warning: {tmp_path}: 1 files are no images by their names (.md) and are left out\n"
    )
    found = read(source, loader, {1})
    assert [image.name for image in found] == ["cam1/a.JPG", "cam2/a.jpg"] and len(source) == 3
    before = source.fingerprint()
    (tmp_path / "b.png").write_bytes(b"")
    assert source.fingerprint() != before


def test_suffixes_are_those_of_mmdetection_and_gif(tmp_path: Path) -> None:
    assert (*IMG_EXTENSIONS, ".gif") == IMAGES
    put(tmp_path / "a.GIF")
    assert images_of_folder(tmp_path) == [str(tmp_path / "a.GIF")]
    with pytest.raises(UserError, match=r"a\.GIF: no such folder of images"):
        images_of_folder(tmp_path / "a.GIF")


def test_patterns_and_one_image(tmp_path: Path) -> None:
    for name in ("x/1.png", "x/y/2.png", "z/3.png", "z/[4].png"):
        put(tmp_path / name)
    assert names(tmp_path / "*/?.png") == ["x/1.png", "z/3.png"]
    assert names(tmp_path / "x/**/*.png") == ["1.png", "y/2.png"]
    assert names(tmp_path / "**/*.png", tmp_path / "x") == ["3.png", "[4].png"]
    assert names(tmp_path / "z/[4].png") == ["[4].png"]  # a file is no pattern


def test_a_list(tmp_path: Path, loader: Loader, capsys: pytest.CaptureFixture) -> None:
    put(tmp_path / "in" / "a.png")
    put(tmp_path / "b.png")
    (tmp_path / "in" / "l.txt").write_text(f"\ufeffa.png\n\n../b.png\r\n{tmp_path}/no.png\na.png\n")
    source = find_images(str(tmp_path / "in" / "l.txt"), tmp_path / "out")
    assert "l.txt: 1 lines name an image again: it is predicted once" in capsys.readouterr().err
    found = read(source, loader)
    assert [image.name for image in found] == ["in/a.png", "b.png", "no.png"]
    assert found[2].pixels is None and found[2].reason == f"there is no file {tmp_path}/no.png"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("none.png", "none.png: no such image, video, list or folder"),
        ("*.png", "no file has a name like that"),
        ("empty", r"empty: has no images \(\.jpg"),
        ("empty.txt", "empty.txt: lists no images: write"),
        ("latin.txt", "latin.txt: cannot be read as a list of images in UTF-8"),
        ("text.mp4", "text.mp4: is not a video that OpenCV can read"),
        ("drawn/a.jpg", "a.jpg: is in .*drawn, where pictures are drawn: name another"),
    ],
)
def test_inputs_without_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    put(tmp_path / "drawn" / "a.jpg")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "latin.txt").write_bytes(b"\xe9.png")
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(UserError, match=says) as caught:
        find_images(text, Path("drawn"))
    assert "\n" not in str(caught.value)


def test_images_as_they_come(tmp_path: Path, loader: Loader) -> None:
    plain = Pillow.fromarray(PIXELS)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    plain.save(tmp_path / "turned.png", exif=exif)
    plain.convert("CMYK").save(tmp_path / "cmyk.jpg")
    plain.save(tmp_path / "pages.tif", save_all=True, append_images=[plain.rotate(180)])
    plain.resize((1, 1)).save(tmp_path / "one.png")
    cv2.imwrite(str(tmp_path / "deep.png"), PIXELS.astype(np.uint16) * 4)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("hello")
    found = {i.name: i for i in read(find_images(str(tmp_path), tmp_path / "out"), loader)}
    sizes = {name: i.pixels.shape for name, i in found.items() if i.pixels is not None}
    assert sizes == {
        **dict.fromkeys(("cmyk.jpg", "deep.png", "pages.tif"), (20, 30, 3)),
        **{"turned.png": (30, 20, 3), "one.png": (1, 1, 3)},
    }
    assert {name: i.notes for name, i in found.items() if i.notes} == {
        "pages.tif": ("pages",),
        "deep.png": ("dark",),
    }
    assert np.array_equal(found["pages.tif"].pixels, PIXELS[..., ::-1])
    for name in ("empty.png", "text.jpg"):
        assert f"{tmp_path / name} cannot be read by LoadImageFromFile" in found[name].reason
        assert "\n" not in found[name].reason


def test_channels_that_the_model_does_not_take(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    init_default_scope("mmdet")
    loader = Loader(dict(type="LoadImageFromFile", color_type="grayscale"), range(3, 4))
    (image,) = read(find_images(str(tmp_path), tmp_path / "out"), loader)
    assert image.pixels is None and "a.png has 1 channels, but the model takes 3" in image.reason


def test_frames_of_a_video(tmp_path: Path, loader: Loader, capsys: pytest.CaptureFixture) -> None:
    path = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 5, (96, 96))
    noise = np.random.default_rng(0).integers(0, 100, (10, 96, 96, 3), np.uint8)
    for number, pixels in enumerate(noise):
        writer.write(pixels + np.uint8(15 * number))
    writer.release()
    source = find_images(path, tmp_path / "out")
    assert len(source) == 10
    found = read(source, loader, range(1, 8))
    assert [image.name for image in found] == [f"v.avi/{n:06}.jpg" for n in (8, 9, 10)]
    assert [int(i.pixels.mean().round()) for i in found] == pytest.approx([155, 170, 185], abs=3)
    assert capsys.readouterr().err == ""
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    assert 0 < len(read(source, loader)) < 10
    assert "v.avi: ends after frame " in capsys.readouterr().err
