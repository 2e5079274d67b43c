"""A training that resumes starts from its checkpoint, or says that there is none."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from msrcnn_mm.engine.runs import training
from msrcnn_mm.errors import CheckpointError


def test_resuming_where_nothing_is_warns(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = Config(dict(work_dir=str(tmp_path)))
    assert training.set_start(config, "auto") is False
    assert f"warning: no checkpoint in {tmp_path}: the training" in capsys.readouterr().err


def test_resuming_where_the_checkpoint_is_lost_is_refused(tmp_path: Path) -> None:
    (tmp_path / "last_checkpoint").write_text("/elsewhere/epoch_1.pth")
    config = Config(dict(work_dir=str(tmp_path)))
    with pytest.raises(CheckpointError, match=r"names /elsewhere/epoch_1.pth, and .* has none to"):
        training.set_start(config, "auto")
    (tmp_path / "epoch_1.pth").touch()
    with pytest.raises(CheckpointError, match=r"is damaged, .* start from the beginning"):
        training.set_start(config, "auto")
    torch.save({}, tmp_path / "epoch_1.pth")
    assert training.set_start(config, "auto") is True
    assert config.load_from is None
