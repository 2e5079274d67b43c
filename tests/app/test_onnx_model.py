"""The page of an exported detector notes further pages and lost bits of an image."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from msrcnn_mm.app import onnx_model
from msrcnn_mm.app.model import NOTES
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.runtime import inputs


class StubDetector:
    """A detector that finds nothing."""

    def __init__(self, *args: Any) -> None:
        self.settings = type("Settings", (), {"categories": []})

    def check_score(self, score: str | None) -> None:
        """Takes any score."""

    def predict(self, pixels: np.ndarray) -> Detections:
        assert pixels.dtype == np.uint8 and pixels.ndim == 3
        return Detections.from_rows([])


def test_pages_and_lost_bits_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NOTES.keys() == inputs.NOTES.keys()
    monkeypatch.setattr(onnx_model, "OnnxDetector", StubDetector)
    model = onnx_model.OnnxModel("model.onnx")
    pages = [Image.new("RGB", (9, 9), (shade, 0, 0)) for shade in (99, 200)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    cv2.imwrite(str(tmp_path / "dark.png"), np.arange(81, dtype=np.uint16).reshape(9, 9))
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((9, 9, 3), 99, np.uint8))
    for name, notes in {"pages.tif": ["pages"], "dark.png": ["dark"], "plain.png": []}.items():
        found = model.find(tmp_path / name, "mine")
        assert found.notes == [NOTES[note] for note in notes], name
