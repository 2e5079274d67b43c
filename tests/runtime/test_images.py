"""Images as the network takes them, against MMDetection's test pipeline."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmdet.datasets.transforms import PackDetInputs
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import TRANSFORMS
from PIL import Image as Pillow

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.images import ImageReader, prepare, read_image
from msrcnn_mm.runtime.inputs import find_images
from msrcnn_mm.runtime.model_file import ModelSettings, Resizing

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def settings_of(**resizing: Any) -> ModelSettings:
    return ModelSettings(
        detector="MaskRCNN",
        checkpoint="",
        precision="fp32",
        categories=[dict(id=1, name="cat")],
        resizing=Resizing(**{**dict(scale=None, factor=None, keep_ratio=True), **resizing}),
        mean=MEAN,
        std=STD,
        to_rgb=True,
        divisor=32,
        padding=0.0,
        mask_threshold=0.5,
        score_threshold=0.05,
        most=100,
    )


@pytest.mark.parametrize(
    "resizing",
    [
        dict(scale=[133, 80]),
        dict(scale=[80, 133]),
        dict(factor=[1.5, 1.5]),
        dict(scale=[65, 63], keep_ratio=False),
        dict(factor=[0.5, 0.7], keep_ratio=False),
    ],
)
def test_images_are_prepared_as_by_the_pipeline(resizing: dict[str, Any]) -> None:
    keys = {"scale": "scale", "factor": "scale_factor", "keep_ratio": "keep_ratio"}
    step = {keys[k]: tuple(v) if k != "keep_ratio" else v for k, v in resizing.items()}
    resize = TRANSFORMS.build({"type": "mmdet.Resize", "keep_ratio": True, **step})
    preprocessor = DetDataPreprocessor(MEAN, STD, pad_size_divisor=32, bgr_to_rgb=True)
    for number, (height, width) in enumerate([(57, 91), (91, 57), (64, 64), (3, 200)]):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
        results = resize(dict(img=pixels, img_shape=(height, width)))
        packed = PackDetInputs(meta_keys=("img_shape", "scale_factor"))(results)
        batch = preprocessor(dict(inputs=[packed["inputs"]], data_samples=[packed["data_samples"]]))
        meta = packed["data_samples"].metainfo
        found = prepare(pixels, settings_of(**resizing))
        assert np.abs(found.image - batch["inputs"].numpy()).max() < 1e-6
        assert found.size.tolist() == [*meta["img_shape"]]
        assert found.scale == pytest.approx([*meta["scale_factor"]] * 2)


def test_images_as_they_come(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "sub" / "a.PNG"), pixels)
    cv2.imwrite(str(tmp_path / "grey.png"), pixels[..., 0])
    cv2.imwrite(str(tmp_path / "deep.png"), pixels.astype(np.uint16) * 4)
    frames = [Pillow.new("RGB", (6, 4), (shade, 0, 0)) for shade in (0, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no image")
    source = find_images(str(tmp_path), tmp_path / "out")
    found = {image.name: image for _, image in source.read(ImageReader())}
    assert [*found] == ["deep.png", "empty.jpg", "grey.png", "moving.gif", "sub/a.PNG", "text.jpg"]
    assert (found["sub/a.PNG"].pixels == pixels).all()
    assert found["grey.png"].pixels.shape == (4, 6, 3)
    assert {name: image.notes for name, image in found.items() if image.notes} == {
        "moving.gif": ("pages",),
        "deep.png": ("dark",),
    }
    for name in ("empty.jpg", "text.jpg", "none.jpg"):
        with pytest.raises(UserError, match=rf"the image .*{name} cannot be read") as caught:
            read_image(tmp_path / name)
        assert name == "none.jpg" or found[name].reason == str(caught.value)


def test_frames_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (32, 24))
    for shade in (0, 100, 200):
        writer.write(np.full((24, 32, 3), shade, np.uint8))
    writer.release()
    found = [*find_images(str(path), tmp_path / "out").read(ImageReader(), {1})]
    assert [image.name for _, image in found] == ["film.avi/000002.jpg", "film.avi/000003.jpg"]
    assert abs(int(found[1][1].pixels[0, 0, 0]) - 200) < 5


def test_what_cannot_be_prepared_is_one_line() -> None:
    settings = settings_of(scale=[133, 80])
    for pixels in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(UserError, match=r"must be \(height, width, 3\) of uint8, not"):
            prepare(pixels, settings)
    with pytest.raises(UserError, match="10000 x 1 pixels would be resized to 133 x 0"):
        prepare(np.zeros((1, 10000, 3), np.uint8), settings)
