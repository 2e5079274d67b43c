"""Files that the tests of several commands share."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.coco_scenes import SIDE, coco_dict
from tests.support.scene_runs import ANNOTATIONS, IMAGES


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scene")
    (root / "val").mkdir()
    for i in range(IMAGES):
        pixels = np.random.default_rng(i).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(root / "val" / f"{i}.png")
    (root / "val.json").write_text(json.dumps(coco_dict(ANNOTATIONS, IMAGES)))
    return root
