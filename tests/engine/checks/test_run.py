"""Checks of a whole config before a run."""

from pathlib import Path

import pytest

from tests.support.checked_configs import check, make_config


def test_a_good_config_passes_without_a_word(root: Path, capsys: pytest.CaptureFixture) -> None:
    check(make_config(root))
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_the_other_processes_of_a_distributed_run_leave_it_to_the_first(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    check(make_config(root, ("nothing",)))
