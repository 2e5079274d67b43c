"""Files that are no exported detector, each in one line, and a missing package."""

import json
import sys
from pathlib import Path

import pytest

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.model_file import METADATA, ModelSettings, open_model
from tests.runtime.test_images import settings_of


def test_settings_are_read_as_written() -> None:
    settings = settings_of(factor=[1.5, 1.5])
    assert ModelSettings.from_text(settings.to_text()) == settings
    assert json.loads(settings.to_text())["format"] == "msrcnn_mm detector 1"
    assert settings.classes == ["cat"]


def test_files_that_are_no_exported_detector(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: requirements/onnx.txt")
    onnx = pytest.importorskip("onnx", reason="needs onnx: requirements/onnx.txt")
    info = onnx.helper.make_tensor_value_info
    x, y = (info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    opset = onnx.helper.make_opsetid("", 18)
    model = onnx.helper.make_model(graph, ir_version=9, opset_imports=[opset])
    path = tmp_path / "model.onnx"
    with pytest.raises(UserError, match=r"model\.onnx: no such model file"):
        open_model(path)
    path.write_text("no model")
    with pytest.raises(UserError, match="cannot be opened as an ONNX model") as caught:
        open_model(path)
    assert "\n" not in str(caught.value)
    onnx.save(model, path)
    with pytest.raises(UserError, match="is an ONNX model of another tool: make one by python -m"):
        open_model(path)
    for text in ("{", "[]", '{"format": "msrcnn_mm detector 0"}'):
        onnx.helper.set_model_props(model, {METADATA: text})
        onnx.save(model, path)
        with pytest.raises(UserError, match="its metadata are not those of this version"):
            open_model(path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r'needs onnxruntime: pip install "msrcnn_mm\[onnx\]"'):
        open_model(tmp_path / "model.onnx")
