"""The model of the local page: rows as of ``predict``, odd images, and mistakes before the page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image as Pillow

from msrcnn_mm.app.content import content
from msrcnn_mm.app.uploads import check_image
from msrcnn_mm.engine.predict.page_model import PageModel
from msrcnn_mm.engine.predict.run import Run, predict
from msrcnn_mm.engine.runs.testing import add_views
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.inputs import find_images
from msrcnn_mm.runtime.outputs import Outputs
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES, small_config


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a config ``tiny.py`` and ``weights.pth``."""
    root = small_config(write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES)).parent
    model = tiny.build(Config.fromfile(root / "tiny.py"))
    torch.save(dict(state_dict=model.state_dict()), root / "weights.pth")
    return root


@pytest.fixture(scope="module")
def model(root: Path) -> PageModel:
    return make(root)


def make(root: Path, **settings: Any) -> PageModel:
    config = Config.fromfile(root / "tiny.py")
    if settings.pop("views", False):
        add_views(config, ["flip"], ())
    return PageModel(config, "tiny.py", (), str(root / "weights.pth"), "cpu", **settings)


def test_rows_are_those_of_predict(root: Path, model: PageModel, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    file = tmp_path / "image.png"
    Pillow.fromarray(pixels).save(file)
    found = model.find(file, "own name.png")
    np.testing.assert_array_equal(found.picture, pixels)
    assert found.notes == []
    config, weights = Config.fromfile(root / "tiny.py"), str(root / "weights.pth")
    run = Run(config, "tiny.py", (), weights, Choice(None, 0.3), 1, "cpu")
    outputs = Outputs(tmp_path / "out")
    predict(run, find_images(str(file), outputs.pictures), outputs)
    assert found.rows
    assert outputs.results.read_text().count("image_id") == len(found.rows)
    assert json.loads(outputs.results.read_text()) == found.rows
    shown = content(found, "own name.png")
    assert shown["score"] == "mask_score"
    assert (model.name, [c["name"] for c in model.categories]) == ("tiny, weights.pth", [*CLASSES])


def test_odd_images(model: PageModel, tmp_path: Path) -> None:
    frames = [Pillow.new("RGB", (30, 20), (shade, 0, 0)) for shade in (0, 200)]
    deep = np.full((20, 30), 300, np.uint16)
    odd = {
        "dot.png": (Pillow.new("RGB", (1, 1)), {}, ""),
        "print.jpg": (Pillow.new("CMYK", (30, 20)), {}, ""),
        "palette.png": (Pillow.new("P", (30, 20)), {}, ""),
        "moving.gif": (frames[0], dict(save_all=True, append_images=frames[1:]), "several pages"),
        "deep.png": (Pillow.fromarray(deep), {}, "nearly black"),
    }
    for name, (image, options, says) in odd.items():
        image.save(tmp_path / name, **options)
        check_image(tmp_path / name, name)
        found = model.find(tmp_path / name, name)
        assert found.picture.shape == (image.height, image.width, 3), name
        assert found.picture.dtype == np.uint8
        assert says in " ".join(found.notes) and bool(found.notes) == bool(says), name
        content(found, name)
    cut = tmp_path / "image"
    cut.write_bytes((tmp_path / "deep.png").read_bytes()[:60])
    with pytest.raises(UserError, match=r"^the image cut\.png cannot be read by LoadImageFromFile"):
        model.find(cut, "cut.png")


def test_mistakes_are_said_before_the_page(root: Path) -> None:
    with pytest.raises(UserError, match="--score-by consensus: the model compares no views"):
        make(root, score="consensus")
    assert make(root, score="consensus", views=True).categories
    config = Config.fromfile(root / "tiny.py")
    with pytest.raises(UserError, match=r"none\.pth"):
        PageModel(config, "tiny.py", (), str(root / "none.pth"), "cpu")
