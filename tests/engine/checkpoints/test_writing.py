"""Files are written as a whole or not at all; faults are made by the operating system."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.fileio import put
from mmengine.runner import save_checkpoint

from msrcnn_mm.engine.checkpoints.writing import register_atomic_backend
from msrcnn_mm.errors import CheckpointWriteError


@pytest.fixture
def small_files() -> Iterator[None]:
    """Lets the operating system refuse files above 1000 bytes, as it does on a full disk."""
    register_atomic_backend()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, small_files: None) -> None:
    path = tmp_path / "last.pth"
    path.write_bytes(b"good")
    with pytest.raises(CheckpointWriteError, match=rf"^{path}: cannot be written \(File too large"):
        save_checkpoint(dict(state_dict=torch.zeros(9999)), str(path))
    assert path.read_bytes() == b"good"
    assert [*tmp_path.iterdir()] == [path]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    register_atomic_backend()
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointWriteError, match=r"cannot be written \((Not a dir|File exists)"):
        put(b"new", str(tmp_path / "file" / "last.pth"))


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    register_atomic_backend()
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store" / "a.pth")
    put(b"new", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "store" / "a.pth").read_bytes() == b"new"
    put(b"new", "/dev/null")
    assert Path("/dev/null").is_char_device()
