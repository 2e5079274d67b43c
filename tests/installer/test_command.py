"""The command itself: how it ends, waits for another, and is called by CI."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from installer import fast_compile, steps
from installer.console import run

ROOT = Path(__file__).resolve().parents[2]


class TestCommand:
    """`tools/install.py` itself, in a copy of the checkout that has nothing but it."""

    def copy(self, tmp_path: Path) -> Path:
        for name in ("tools/installer", "requirements"):
            shutil.copytree(ROOT / name, tmp_path / name)
        shutil.copy(ROOT / "tools/install.py", tmp_path / "tools")
        shutil.copy(ROOT / "setup.py", tmp_path)
        (tmp_path / "msrcnn_mm").mkdir()
        shutil.copy(ROOT / "msrcnn_mm/versions.py", tmp_path / "msrcnn_mm")
        return tmp_path

    def run(self, folder: Path, prelude: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs it after a line of Python that spoils the machine."""
        script = f"{prelude}\nimport runpy, sys\nsys.argv = ['install.py']\n"
        script += "sys.path.insert(0, 'tools')\n"
        script += "runpy.run_path('tools/install.py', run_name='__main__')"
        return subprocess.run(
            [sys.executable, "-c", script],
            cwd=folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def check(self, result: subprocess.CompletedProcess[str], *words: str) -> None:
        assert result.returncode not in (0, None)
        assert "Traceback" not in result.stderr
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ")
        for word in words:
            assert word in line

    def test_other_python(self, tmp_path):
        result = self.run(self.copy(tmp_path), "import sys; sys.version_info = (3, 9, 1)")
        self.check(result, "this is Python 3.9", "make PYTHON=")

    def test_full_disk(self, tmp_path):
        prelude = (
            "import collections, shutil; U = collections.namedtuple('U', 'total used free')\n"
            "shutil.disk_usage = lambda path: U(1, 1, 10**9)"
        )
        self.check(self.run(self.copy(tmp_path), prelude), "1.0 GB free", "3.0 GB needed")

    def test_an_environment_of_the_users_is_left_alone(self, tmp_path):
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv" / "pyvenv.cfg").write_text("version = 3.8.1\n")
        self.check(self.run(self.copy(tmp_path), ""), ".venv is not ours", "mv .venv")
        assert (tmp_path / ".venv" / "pyvenv.cfg").read_text() == "version = 3.8.1\n"

    def test_unreachable_index(self, tmp_path):
        # A closed port of this machine, in place of whatever index is configured.
        settings = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": "",
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_RETRIES": "1",
        }
        self.check(self.run(self.copy(tmp_path), "", **settings), "cannot reach its package index")


class TestLock:
    def test_a_second_install_waits_and_says_for_whom(self, tmp_path, capsys):
        entered = threading.Event()

        def second() -> None:
            with steps._only_one(tmp_path / "lock"):
                entered.set()

        with steps._only_one(tmp_path / "lock"):
            thread = threading.Thread(target=second, daemon=True)
            thread.start()
            assert not entered.wait(0.3)
            (line,) = capsys.readouterr().out.splitlines()
            assert line.startswith(f"another install (process {os.getpid()}) is at work here")
        assert entered.wait(10)
        thread.join()

    def test_a_killed_install_leaves_no_lock(self, tmp_path, capsys):
        script = (
            "import os, signal, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
            "from installer.steps import _only_one\n"
            "with _only_one(Path(sys.argv[2])): os.kill(os.getpid(), signal.SIGKILL)"
        )
        lock = tmp_path / "lock"
        subprocess.run([sys.executable, "-c", script, str(ROOT / "tools"), str(lock)], timeout=60)
        assert lock.read_text() not in ("", str(os.getpid()))  # it was held
        with steps._only_one(lock):
            assert lock.read_text() == str(os.getpid())
        assert capsys.readouterr().out == ""


class TestCi:
    """`.ci/run` with a make of our own."""

    @pytest.mark.parametrize(
        ("lint", "tests", "status"), [(0, 0, 0), (2, 0, 2), (0, 1, 1), (2, 1, 1), (0, 5, 5)]
    )
    def test_status_and_last_line(self, tmp_path, lint, tests, status):
        programs = {
            ".ci/run": (ROOT / ".ci" / "run").read_text(),
            "bin/make": f'#!/bin/sh\n[ $1 != lint ] || exit {lint}\necho "ran $1"; exit {tests}\n',
        }
        for name, text in programs.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        result = subprocess.run(
            [tmp_path / ".ci" / "run"],
            env={**os.environ, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == status
        lines = result.stdout.splitlines()
        assert lines[-2:] == ["+ make test", "ran test"]
        assert lines[0] == "+ make lint"


class TestRunning:
    def test_output_goes_to_the_log_and_to_the_caller(self, tmp_path):
        seen: list[str] = []
        command = [sys.executable, "-c", "print('a'); print('b'); raise SystemExit(3)"]
        status, lines = run(command, tmp_path / "log", on_line=seen.append)
        assert (status, lines, seen) == (3, ["a", "b"], ["a", "b"])
        assert "\na\nb\n" in (tmp_path / "log").read_text()

    def test_an_interruption_stops_what_was_started(self, tmp_path):
        def interrupt(line: str) -> None:
            raise KeyboardInterrupt

        child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        with pytest.raises(KeyboardInterrupt):
            run([sys.executable, "-c", child], tmp_path / "log", on_line=interrupt)
        pid = int((tmp_path / "log").read_text().splitlines()[-1])
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_the_header_being_made_is_not_included_in_itself(self):
        flags = ["-O3", "-include", "a/torch_types.h", "-g0"]
        assert fast_compile.without_include(flags) == ["-O3", "-g0"]

    def test_at_least_one_compiler_runs(self, monkeypatch):
        monkeypatch.setattr(fast_compile, "_free_memory_gb", lambda: 0.5)
        assert fast_compile.jobs() == 1
