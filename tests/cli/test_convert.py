"""The command convert, from a file to a file: its output and its errors."""

import pickle
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from msrcnn_mm.cli import convert
from msrcnn_mm.errors import UserError
from tests.support.checkpoints.maskrcnn_benchmark_files import light_weights
from tests.support.checkpoints.yolact_files import light_weights as yolact_weights
from tests.support.processes import ROOT


@pytest.fixture
def main() -> Any:
    """Returns the command's main, called in this process."""
    return lambda *args: convert.main([str(arg) for arg in args])


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Writes a file as the authors' trainer does, in torch's format of 2019."""
    path = tmp_path / "ms_rcnn_R_50.pth"
    model = {f"module.{name}": value for name, value in light_weights().items()}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], 0.02, momentum=0.9)
    scheduler = {"milestones": (60000, 80000), "warmup_method": "linear", "last_epoch": 90000}
    training = {"optimizer": optimizer.state_dict(), "scheduler": scheduler, "iteration": 90000}
    torch.save({"model": model, **training}, path, _use_new_zipfile_serialization=False)
    return path


def test_there_and_back(theirs: Path, tmp_path: Path, main: Any, capsys: Any) -> None:
    ours, again = tmp_path / "new" / "ours.pth", tmp_path / "again.pth"
    main(theirs, ours)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"{theirs}: the authors' Mask Scoring R-CNN, ResNet-50 FPN, 80 classes",
        "left out: optimizer, scheduler, iteration",
        f"wrote {ours}; use it with configs/ms_rcnn/ms-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py",
    ]
    main(ours, again)
    assert "wrote" in capsys.readouterr().out
    first, last = (torch.load(path, weights_only=True)["model"] for path in (theirs, again))
    assert first.keys() == last.keys()
    assert all(torch.equal(first[name], last[name]) for name in first)
    assert {path.name for path in tmp_path.iterdir()} == {"ms_rcnn_R_50.pth", "new", "again.pth"}


def test_files_that_it_does_not_read(tmp_path: Path, main: Any) -> None:
    with pytest.raises(UserError, match=r"nowhere.pth: no such checkpoint file"):
        main(tmp_path / "nowhere.pth", tmp_path / "b.pth")
    other = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.ones(1)}, other)
    with pytest.raises(UserError) as caught:
        main(other, tmp_path / "b.pth")
    assert str(caught.value) == (
        f"{other}: is neither a checkpoint of maskrcnn-benchmark or the YOLACT authors nor a Mask "
        "Scoring R-CNN or a YOLACT of MMDetection (it holds conv1.weight)"
    )
    detectron = tmp_path / "model_final.pkl"
    detectron.write_bytes(pickle.dumps({"model": {"a": 1}, "__author__": "Detectron2"}))
    with pytest.raises(UserError, match=r"model_final.pkl: is no checkpoint of torch"):
        main(detectron, tmp_path / "b.pth")
    code = tmp_path / "code.pth"
    torch.save({"model": light_weights(), "x": torch.nn.Linear(1, 1)}, code)
    with pytest.raises(UserError, match=r"code.pth: refused: it holds torch.nn.modules.linear"):
        main(code, tmp_path / "b.pth")
    assert not (tmp_path / "b.pth").exists()


def test_weights_that_are_no_numbers(theirs: Path, tmp_path: Path, main: Any) -> None:
    checkpoint = torch.load(theirs, weights_only=True)
    name = next(iter(checkpoint["model"]))
    checkpoint["model"][name] = torch.full_like(checkpoint["model"][name], torch.nan)
    torch.save(checkpoint, tmp_path / "spoilt.pth")
    with pytest.raises(UserError, match=r"1 weights are not finite numbers .backbone"):
        main(tmp_path / "spoilt.pth", tmp_path / "b.pth")


def test_a_backbone_that_has_no_place(tmp_path: Path, main: Any) -> None:
    names = ["backbone.layer1.0.conv2.weight", "mask_head.protonet.0.conv.weight"]
    weights = {name: torch.ones(1) for name in [*names, "bbox_head.conv_coeff.weight"]}
    torch.save({"state_dict": weights}, tmp_path / "r18.pth")
    with pytest.raises(UserError, match=r"its backbone is a ResNet-18 or -34"):
        main(tmp_path / "r18.pth", tmp_path / "b.pth")


def test_files_that_it_does_not_write(theirs: Path, tmp_path: Path, main: Any) -> None:
    before = theirs.read_bytes()
    with pytest.raises(UserError, match=r"ms_rcnn_R_50.pth: exists; name a new file or delete it"):
        main(theirs, theirs)
    with pytest.raises(UserError, match=r"a file is in the way; name a folder"):
        main(theirs, theirs / "b.pth")
    assert theirs.read_bytes() == before


def test_other_anchors_are_a_warning(theirs: Path, tmp_path: Path, main: Any, capsys: Any) -> None:
    checkpoint = torch.load(theirs, weights_only=True)
    checkpoint["model"]["module.rpn.anchor_generator.cell_anchors.0"] += 1
    torch.save(checkpoint, theirs)
    main(theirs, tmp_path / "b.pth")
    assert capsys.readouterr().err.startswith(f"warning: {theirs}: anchors other than those of ")


def test_the_commands_in_the_documentation(
    theirs: Path, tmp_path: Path, main: Any, capsys: Any
) -> None:
    """As written there, one after another."""
    yolact = tmp_path / "yolact_plus_resnet50_54_800000.pth"
    torch.save(yolact_weights(plus=True), yolact, _use_new_zipfile_serialization=False)
    text = (ROOT / "docs" / "checkpoints.md").read_text()
    commands = re.findall(r"^python -m msrcnn_mm convert (.+)$", text, re.MULTILINE)
    assert len(commands) == 3
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for command in commands:
            main(*shlex.split(command))
            said.append(capsys.readouterr().out)
    assert said[0] in text
    assert said[2] in text
    main(tmp_path / "yolact-plus.pth", tmp_path / "again.pth")
    first, last = (torch.load(p, weights_only=True) for p in (yolact, tmp_path / "again.pth"))
    assert first.keys() == last.keys()
    assert all(torch.equal(first[name], last[name]) for name in first)
