"""The options of predict and app with an exported detector: what is none of theirs, in one line."""

import pytest

from msrcnn_mm.cli import app_onnx, predict_onnx
from msrcnn_mm.errors import UserError


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["in", "m.onnx", "--draw"],
            "--draw: an exported model does not take it: leave it out",
        ),
        (["in", "m.onnx", "--views", "flip", "0.8"], "--views: .* give CONFIG CHECKPOINT in place"),
        (["in", "m.onnx", "--cfg-options", "a=1"], "--cfg-options: .* settings: give it to export"),
        (["in", "c.py", "m.onnx"], r"m\.onnx: .* takes the place of config and checkpoint: give"),
        (["m.onnx"], r"required: MODEL\.onnx \(see python -m msrcnn_mm predict model\.onnx --help"),
        (["in", "m.onnx", "--score-thr", "2"], "--score-thr must be a number from 0 to 1, not 2"),
        (["none", "m.onnx"], "none: no such image, video, list or folder"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], says: str, tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says) as caught:
        predict_onnx.main(words)
    assert "\n" not in str(caught.value)


def test_the_page_takes_a_model_alone() -> None:
    assert app_onnx.parse_args(["m.ONNX", "--port", "1"]).model == "m.ONNX"
    with pytest.raises(UserError, match=r"^ckpt\.pth: an exported model takes the place of config"):
        app_onnx.parse_args(["m.onnx", "ckpt.pth"])
