"""The options of the command export, and its errors, each in one line."""

from pathlib import Path

import pytest

from msrcnn_mm.cli import export
from msrcnn_mm.errors import UserError
from tests.support.processes import ROOT

DEMO = str(ROOT / "configs" / "demo" / "ms-rcnn_demo.py")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.pt"], r"model\.pt: name a file that ends in \.onnx"),
        (["m.onnx", "--precision", "int8"], "--precision int8 and --images FOLDER go together"),
        (["m.onnx", "--images", "."], "--precision int8 and --images FOLDER go together"),
        (["m.onnx"], r"none\.pth: no such checkpoint file"),
    ],
)
def test_mistakes_are_one_line(words: list[str], says: str) -> None:
    pytest.importorskip("onnxscript", reason="needs onnxscript: requirements/onnx.txt")
    with pytest.raises(UserError, match=says) as caught:
        export.main([DEMO, "none.pth", *words])
    assert "\n" not in str(caught.value)


def test_a_file_is_replaced_only_where_asked(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs onnxscript: requirements/onnx.txt")
    path = tmp_path / "m.onnx"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"m\.onnx: exists: name another file, or add --overwrite"):
        export.main([DEMO, "none.pth", str(path)])
    with pytest.raises(UserError, match=r"none\.pth: no such checkpoint file"):
        export.main([DEMO, "none.pth", str(path), "--overwrite"])
    assert path.read_text() == "mine"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r'needs onnx, onnxruntime, onnxscript: pip install "msrcnn_mm\[export\]"'
    ):
        export.main([DEMO, "none.pth", "m.onnx"])
