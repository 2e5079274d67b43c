"""The options of the command app, and its errors, each in one line."""

from pathlib import Path

import pytest
import torch

from msrcnn_mm.cli import app
from msrcnn_mm.errors import UserError
from tests.support.processes import ROOT

DEMO = str(ROOT / "configs" / "demo" / "ms-rcnn_demo.py")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([DEMO, "none.pth"], r"none\.pth: no such checkpoint file"),
        ([DEMO, "w.pth"], r"w\.pth: its weights do not fit the model"),
        (["none.py", "w.pth"], r"none\.py: no such config file"),
        ([DEMO, "w.pth", "--port", "70000"], r"--port: must be an integer from 0 to 65535, not 7"),
        ([DEMO, "w.pth", "--device", "gpu"], r"--device gpu: cannot be used: "),
        ([DEMO, "w.pth", "--rescorer", "none.json"], r"none\.json"),
        ([DEMO, "w.pth", "--score-by", "luck"], r"--score-by: invalid choice: 'luck'"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=dict(weight=torch.zeros(1))), "w.pth")
    with pytest.raises(UserError, match=says) as caught:
        app.main(words)
    assert "\n" not in str(caught.value)


def test_what_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options reach the model and the server."""
    made, served = [], []
    monkeypatch.chdir(tmp_path)
    torch.save({}, "w.pth")
    monkeypatch.setattr(app, "PageModel", lambda *args: made.append(args) or "model")
    monkeypatch.setattr(app, "PageServer", lambda *args: args)
    monkeypatch.setattr(app, "serve", served.append)
    app.main([DEMO, "w.pth", "--port", "0", "--score-by", "maskness", "--views", "flip"])
    ((config, name, options, *rest),) = made
    assert config.model.type == "MultiViewDetector"
    assert (name, options, rest) == (DEMO, (), ["w.pth", None, "maskness"])
    app.main([DEMO, "w.pth"])
    assert served == [("model", 0, "maskness"), ("model", 8765, None)]
