"""The installer's checks and messages; nothing here touches the real `.venv`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from installer import (  # noqa: E402
    checks,
    fast_compile,
    operators,
    packages,
    progress,
    steps,
    torch_facts,
)
from installer.console import InstallError, run  # noqa: E402

LOG = Path("build/install.log")


@pytest.fixture
def no_tools(tmp_path, monkeypatch):
    """A PATH with nothing on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    return tmp_path


class TestChecks:
    def test_this_machine_passes(self, tmp_path):
        if shutil.which("c++") is None:
            pytest.skip("no compiler here: an index had a wheel")
        checks.check_venv_modules()
        checks.check_disk(tmp_path, 0.001)
        checks.check_compiler()

    def test_no_compiler(self, no_tools):
        with pytest.raises(InstallError, match=r"no C\+\+ compiler \(c\+\+\).*apt-get install g"):
            checks.check_compiler()

    def test_a_compiler_that_cannot_compile(self, no_tools, monkeypatch):
        broken = no_tools / "old++"
        broken.write_text("#!/bin/sh\nexit 1\n")
        broken.chmod(0o755)
        monkeypatch.setenv("CXX", str(broken))
        with pytest.raises(InstallError, match=r"old\+\+\) cannot compile C\+\+17"):
            checks.check_compiler()

    def test_no_headers(self, tmp_path, monkeypatch):
        monkeypatch.setattr(checks.sysconfig, "get_path", lambda name: str(tmp_path))
        with pytest.raises(InstallError, match=r"headers are missing.*python3\.11-dev"):
            checks.check_python_headers()

    def test_too_little_disk(self, tmp_path):
        with pytest.raises(InstallError, match=r"GB free in .*, 1000000\.0 GB needed"):
            checks.check_disk(tmp_path, 1e6)

    def test_no_venv_module(self, monkeypatch):
        real = checks.importlib.util.find_spec
        monkeypatch.setattr(
            checks.importlib.util, "find_spec", lambda n: None if n == "ensurepip" else real(n)
        )
        with pytest.raises(InstallError, match=r"no ensurepip module.*python3\.11-venv"):
            checks.check_venv_modules()


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


class TestPipFailures:
    def test_unreachable_wins_over_not_found(self):
        lines = [
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'",
            "ERROR: Could not find a version that satisfies the requirement torch==2.13.0",
            "ERROR: No matching distribution found for torch==2.13.0",
        ]
        assert "cannot reach" in packages.explain_failure(lines, LOG)
        assert "has no torch==2.13.0" in packages.explain_failure(lines[1:], LOG)

    def test_pip_told_not_to_retry_does_not_say_that_it_reached_nothing(self):
        lines = [
            "ERROR: Could not find a version that satisfies torch==2.13.0 (from versions: none)",
            "ERROR: No matching distribution found for torch==2.13.0",
        ]
        assert "out of reach" in packages.explain_failure(lines, LOG)

    def test_full_disk(self):
        lines = ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on"]
        assert "disk is full" in packages.explain_failure([lines[0] + " device"], LOG)

    def test_anything_else_gives_pips_own_reason(self):
        text = packages.explain_failure(["Collecting x", "ERROR: Hash mismatch", "bye"], LOG)
        assert "Hash mismatch" in text
        assert str(LOG) in text


class TestBuildFailures:
    @pytest.mark.parametrize(
        ("output", "words"),
        [
            ("fatal error: error writing to /tmp/a.s: No space left on device", "disk is full"),
            ("c++: fatal error: Killed signal terminated program cc1plus", "MAX_JOBS=1"),
            ("virtual memory exhausted: Cannot allocate memory", "MAX_JOBS=1"),
            ("pybind.h:1: fatal error: Python.h: No such file or directory", "python3.11-dev"),
            ("nms.cpp:3:1: error: expected ';'", "expected ';'"),
        ],
    )
    def test_one_line_each(self, output, words):
        text = operators.explain_build_failure(f"[3/77] c++ x\n{output}\n", LOG)
        assert words in text
        assert "\n" not in text


class TestProgress:
    @pytest.fixture
    def build_root(self, tmp_path):
        folder = tmp_path / "build" / "temp.linux-x86_64-cpython-311"
        folder.mkdir(parents=True)
        lines = [f"build /a b/{i}.o: compile /a b/{i}.cpp\n" for i in range(77)]
        lines += ["rule compile\n", "build x.o: cuda_compile x.cu\n", "build all: phony x.o\n"]
        (folder / "build.ninja").write_text("".join(lines))
        return tmp_path

    def test_counts_cpp_and_cuda_files(self, build_root):
        (ninja,) = build_root.glob("build/*/build.ninja")
        assert progress.count_files(ninja) == 78

    def test_first_run(self, build_root, capsys):
        shown = progress.CompileProgress(build_root)
        shown.on_line("c++ -c nothing.cpp")
        assert capsys.readouterr().out == ""
        shown.on_line("[1/78] c++ -MMD ...")
        assert "compiled 1 of 78 files" in capsys.readouterr().out

    def test_resumed_run_counts_what_was_done_before(self, build_root, capsys):
        shown = progress.CompileProgress(build_root)
        shown.on_line("[1/8] c++ -MMD ...")
        assert "compiled 71 of 78 files" in capsys.readouterr().out

    def test_time_left_follows_the_pace(self, build_root, monkeypatch):
        monkeypatch.setattr(progress.time, "monotonic", lambda: 0.0)
        shown = progress.CompileProgress(build_root)
        monkeypatch.setattr(progress.time, "monotonic", lambda: 65.0)
        assert "1:05 elapsed, about 3:15 left" in shown.text(10, 40)


class TestTorch:
    def environment(self, tmp_path: Path, text: str) -> Path:
        python = tmp_path / "bin" / "python"
        folder = torch_facts.site_packages(python) / "torch"
        folder.mkdir(parents=True)
        (folder / "version.py").write_text(text)
        return python

    def test_cpu(self, tmp_path):
        text = "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n"
        torch = torch_facts.read_torch(self.environment(tmp_path, text))
        assert torch == ("2.13.0+cpu", None)
        assert torch_facts.nvcc_for(torch) is None

    def test_operators_are_kept_apart_by_torch(self, tmp_path):
        text = "__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n"
        torch = torch_facts.read_torch(self.environment(tmp_path, text))
        assert torch == ("2.13.0+cu130", "13.0")
        assert torch.tag != torch._replace(version="2.13.0+cpu").tag

    def test_none(self, tmp_path):
        assert torch_facts.read_torch(tmp_path / "bin" / "python") is None

    @pytest.mark.parametrize(("release", "usable"), [("13.2", True), ("12.4", False)])
    def test_nvcc_must_be_of_torchs_major_version(self, no_tools, monkeypatch, release, usable):
        nvcc = no_tools / "bin" / "nvcc"
        nvcc.parent.mkdir()
        nvcc.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release {release}, V1'\n")
        nvcc.chmod(0o755)
        monkeypatch.setenv("CUDA_HOME", str(no_tools))
        found = torch_facts.nvcc_for(torch_facts.Torch("2.13.0", "13.0"))
        assert (found is not None) == usable

    def test_no_nvcc(self, no_tools, monkeypatch):
        monkeypatch.setenv("CUDA_HOME", str(no_tools))
        assert torch_facts.nvcc_for(torch_facts.Torch("2.13.0", "13.0")) is None


class TestStamp:
    @pytest.fixture
    def checkout(self, tmp_path):
        """A checkout that looks installed."""
        (tmp_path / "requirements").mkdir()
        (tmp_path / "requirements" / "runtime.txt").write_text("torch==2.13.0\n")
        (tmp_path / "msrcnn_mm").mkdir()
        for name in ("setup.py", "msrcnn_mm/versions.py"):
            (tmp_path / name).write_text("")
        venv = tmp_path / ".venv"
        python = venv / "bin" / "python"
        packages = torch_facts.site_packages(python)
        for name in ("pip-1.dist-info", "torch-2.13.0.dist-info", "torch", "mmcv"):
            (packages / name).mkdir(parents=True)
        (packages / "torch" / "version.py").write_text("__version__ = '2.13.0+cpu'\n")
        (packages / "mmcv" / "_ext.cpython-311.so").write_text("operators")
        python.parent.mkdir()
        python.write_text("")
        (venv / "pyvenv.cfg").write_text(f"version = {sys.version.split()[0]}\n")
        stamp = venv / "msrcnn_mm_install.json"
        stamp.write_text(json.dumps(steps.describe(tmp_path, venv, dev=False)))
        return tmp_path

    def test_unchanged(self, checkout):
        assert steps.is_current(checkout, checkout / ".venv", dev=False)

    def test_without_the_tests_requirements(self, checkout):
        assert not steps.is_current(checkout, checkout / ".venv", dev=True)

    def test_other_requirements(self, checkout):
        (checkout / "requirements" / "runtime.txt").write_text("torch==2.14.0\n")
        assert not steps.is_current(checkout, checkout / ".venv", dev=False)

    def test_other_torch(self, checkout):
        site = torch_facts.site_packages(checkout / ".venv" / "bin" / "python")
        (site / "torch" / "version.py").write_text("__version__ = '2.13.0+cu130'\n")
        assert not steps.is_current(checkout, checkout / ".venv", dev=False)

    def test_other_operators(self, checkout):
        site = torch_facts.site_packages(checkout / ".venv" / "bin" / "python")
        (site / "mmcv" / "_ext.cpython-311.so").write_text("of another build")
        assert not steps.is_current(checkout, checkout / ".venv", dev=False)

    def test_interpreter_gone(self, checkout):
        (checkout / ".venv" / "bin" / "python").unlink()
        assert not steps.is_current(checkout, checkout / ".venv", dev=False)


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
