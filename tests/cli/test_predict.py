"""The options of the command predict, and its errors, each in one line."""

from pathlib import Path

import pytest
import torch

from msrcnn_mm.cli import predict
from msrcnn_mm.errors import UserError
from tests.support.processes import ROOT

DEMO = str(ROOT / "configs" / "demo" / "ms-rcnn_demo.py")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a.png", DEMO, "none.pth"], r"none\.pth: no such checkpoint file"),
        (["none.png", DEMO, "w.pth"], r"none\.png: no such image, video, list or folder"),
        (["a.png", DEMO, "w.pth"], r"w\.pth: its weights do not fit the model"),
        (["a.png", "none.py", "w.pth"], r"none\.py: no such config file"),
        (["a.png", DEMO, "w.pth", "--score-thr", "1.5"], r"--score-thr must be a number from 0"),
        (["a.png", DEMO, "w.pth", "--batch-size", "0"], r"--batch-size must be an integer >= 1"),
        (["a.png", DEMO, "w.pth", "--tiles", "8"], r"--tiles must be an integer >= 32, not 8"),
        (["a.png", DEMO, "w.pth", "--device", "gpu"], r"--device gpu: cannot be used: "),
        (["a.png", DEMO, "w.pth", "--swap", "a=b"], r"--swap: there is no mirrored view"),
        (["a.png", DEMO, "w.pth", "--rescorer", "none.json"], r"none\.json"),
        (["a.png", DEMO, "w.pth", "--out", "a.png"], r"--out a\.png: a file is in the way"),
        (["a.png", DEMO, "w.pth", "--score-by", "luck"], r"--score-by: invalid choice: 'luck'"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_text("")
    torch.save(dict(state_dict=dict(weight=torch.zeros(1))), "w.pth")
    with pytest.raises(UserError, match=says) as caught:
        predict.main(words)
    assert "\n" not in str(caught.value)
    assert not Path("predictions", "results.json").exists()


def test_defaults() -> None:
    args = predict.parse_args(["a", "b", "c"])
    assert (args.input, args.config, args.checkpoint) == ("a", "b", "c")
    assert (args.out, args.score_thr, args.score_by) == ("predictions", 0.3, None)
    assert not (args.draw or args.polygons or args.csv or args.overwrite)
