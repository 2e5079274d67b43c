"""Tests of `.ci/run` with a `make` of our own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("bash", "dirname")


@pytest.mark.parametrize(
    ("lint", "docs", "tests", "status"),
    [(0, 0, 0, 0), (2, 0, 0, 2), (0, 3, 0, 3), (0, 0, 1, 1), (2, 3, 5, 5)],
)
def test_status_and_last_line(tmp_path, lint, docs, tests, status):
    case = f"case $1 in lint) exit {lint};; docs) exit {docs};; *) exit {tests};; esac"
    programs = {
        ".ci/run": (ROOT / ".ci" / "run").read_text(),
        "bin/make": f'#!/bin/sh\necho "ran $1"; {case}\n',
        "bin/apt-get": "#!/bin/sh\necho no network; exit 100\n",
        "bin/id": "#!/bin/sh\necho 0\n",
        **{f"bin/{name}": f'#!/bin/sh\nexec {shutil.which(name)} "$@"\n' for name in NEEDED},
    }
    for name, text in programs.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    result = subprocess.run(
        [tmp_path / ".ci" / "run"],
        env={**os.environ, "PATH": str(tmp_path / "bin")},  # without a browser
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == status
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("ran")] == [
        "ran lint",
        "ran docs",
        "ran test",
    ]
    assert lines[:2] == [
        "+ apt-get install chromium",
        "no browser, so its test will be skipped: no network",
    ]
    assert lines[-2:] == ["+ make test", "ran test"]
