"""Tests of `tools/install.py`, in a copy of the checkout that holds nothing but it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import install  # noqa: E402


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(checkout: Path, before: str = "", **env: str) -> str:
    """Runs the script after a line of Python, and returns its one line of error."""
    code = f"import runpy, sys; {before or 'pass'}; sys.argv = ['install.py']"
    code += "; runpy.run_path('tools/install.py', run_name='__main__')"
    command, env = [sys.executable, "-c", code], {**os.environ, **env}
    result = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True)
    (line,) = result.stderr.splitlines()
    assert result.returncode and line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("sys.version_info = (3, 9, 1)", "this is Python 3.9"),
        ("import os; os.environ['PATH'] = '/nowhere'", "Ubuntu: g++"),
        ("import sysconfig; sysconfig.get_path = str", "Ubuntu: python3.11-dev"),
    ],
)
def test_what_is_missing_is_named_in_one_line(checkout, before, words):
    assert words in run(checkout, before, CXX="")


def test_an_environment_of_the_user_is_left_alone(checkout):
    (checkout / ".venv" / "lib").mkdir(parents=True)
    assert "mv .venv .venv.mine" in run(checkout)
    assert [path.name for path in (checkout / ".venv").iterdir()] == ["lib"]


def test_an_unreachable_index_and_a_clean_start(checkout):
    (checkout / ".venv").mkdir()
    for name in ("msrcnn_mm_install.json", "half_installed"):
        (checkout / ".venv" / name).write_text("{\n 1\n}")  # or of an older make
    closed = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    closed |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    assert "cannot reach its package index" in run(checkout, **closed)
    assert not (checkout / ".venv" / "half_installed").exists()


@pytest.mark.parametrize(
    ("output", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "MAX_JOBS=1"),
        ("WARNING: connection broken\nERROR: No matching distribution", "cannot reach"),
        ("Error: ...\nThe virtual environment ... ensurepip is not available", "python3.11-venv"),
        ("[3/77] c++ nms.cpp\nnms.cpp:3:1: error: expected ';'\n", "expected ';'"),
    ],
)
def test_failures_end_in_one_line(output, meaning):
    assert meaning in install.explain(output.splitlines())


def test_a_second_run_returns_at_once_until_torch_changes(checkout, monkeypatch):
    installer, commands = install.Installer(checkout, []), []
    torch = installer.packages / "torch" / "version.py"
    mmcv = installer.packages / "mmcv-2.1.0.dist-info"
    for folder in (torch.parent, mmcv, installer.build, installer.python):
        folder.mkdir(parents=True)
    torch.write_text("2.13.0+cpu")
    installer.stamp.write_text(installer.state())

    def run(*command, **options):  # the operators run once they were built
        commands.append(" ".join(map(str, command)))
        return int("mmcv.ops" in commands[-1] and "mmcv==2.1.0" not in " ".join(commands)), []

    monkeypatch.setattr(installer, "run", run)
    installer.install()
    assert commands == []
    torch.write_text("2.13.0+cu130")
    installer.install()
    assert any(command.endswith("--no-binary mmcv mmcv==2.1.0") for command in commands)
    commands.clear()
    installer.install()
    assert commands == []


def test_progress_of_a_build(capsys, monkeypatch):
    monkeypatch.setattr(install.time, "monotonic", iter([0.0, 65.0]).__next__)
    install.progress()("[10/40] c++ -MMD ...")
    assert capsys.readouterr().out == "  10 of 40 files, 1.1 min, about 3.2 min left\n"
