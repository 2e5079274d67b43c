"""The installer's checks and messages; nothing here touches the real `.venv`."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
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
    source,
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


def make_sdist(path: Path, *names: str) -> bytes:
    """Writes an archive with a file at each name and returns its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"ok"))
    return path.read_bytes()


class TestUnpack:
    @pytest.fixture(params=["filters", "no filters"])
    def python(self, request, monkeypatch):
        """This Python, and one before 3.11.4, as Debian 12's."""
        if request.param == "filters":
            if not hasattr(tarfile, "data_filter"):
                pytest.skip("this Python has none")
            return
        real = tarfile.TarFile.extractall
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        monkeypatch.setattr(tarfile.TarFile, "extractall", lambda self, path: real(self, path))

    def test_files(self, python, tmp_path):
        make_sdist(tmp_path / "a.tar.gz", "mmcv-2.1.0/setup.py", "mmcv-2.1.0/ops/nms.cpp")
        source.unpack(tmp_path / "a.tar.gz", tmp_path / "to")
        assert (tmp_path / "to/mmcv-2.1.0/ops/nms.cpp").read_text() == "ok"

    def test_nothing_is_written_outside(self, python, tmp_path):
        make_sdist(tmp_path / "a.tar.gz", "mmcv-2.1.0/../../outside")
        with pytest.raises(tarfile.TarError, match="outside"):
            source.unpack(tmp_path / "a.tar.gz", tmp_path / "to")
        assert not (tmp_path / "outside").exists()


class Machine:
    """Stands for pip, the compiler and the interpreter; a wheel's text is the torch it fits."""

    def __init__(self, root: Path) -> None:
        self.build = root / "build" / "operators"
        self.installed: str | None = None
        self.torch = "2.13.0+cpu"
        self.compiles_for: str | None = None  # another torch than there is, if set
        self.builds = 0
        self.downloads = 0
        self.interrupt_build = False

    def keep_wheel(self, torch: str, fits: str) -> None:
        folder = self.build / f"torch-{torch}-{sys.implementation.cache_tag}-cpu"
        folder.mkdir(parents=True)
        (folder / "mmcv-2.1.0.whl").write_text(fits)

    def pip(self, command: str, *arguments: str | Path) -> None:
        if command == "install":
            self.installed = Path(arguments[-1]).read_text()
            return
        self.downloads += 1
        sdist = Path(arguments[-1]) / "mmcv-2.1.0.tar.gz"
        if not sdist.exists():  # as pip does where the index gives no hash
            make_sdist(sdist, "mmcv-2.1.0/setup.py")

    def run(self, command, log, *, on_line=None, cwd=None, env=None) -> tuple[int, list[str]]:
        if command[1] == "-c":
            return int(self.installed != self.torch), []
        self.builds += 1
        compiled = cwd / "compiled"
        if not compiled.exists():
            compiled.write_text(f"by build {self.builds}")
            if self.interrupt_build:
                raise KeyboardInterrupt
        self.resumed_from = compiled.read_text()
        dist = Path(command[-1])
        dist.mkdir()
        (dist / "mmcv-2.1.0.whl").write_text(self.compiles_for or self.torch)
        return 0, []


class TestOperators:
    @pytest.fixture
    def machine(self, tmp_path, monkeypatch):
        machine = Machine(tmp_path)
        machine.build.mkdir(parents=True)
        for name in ("check_compiler", "check_python_headers", "check_disk"):
            monkeypatch.setattr(checks, name, lambda *_: None)
        monkeypatch.setattr(operators, "precompile_torch", lambda *_: None)
        monkeypatch.setattr(operators, "run", machine.run)
        monkeypatch.setattr(
            operators, "read_torch", lambda _: torch_facts.Torch(machine.torch, None)
        )
        (tmp_path / "requirements").mkdir()
        (tmp_path / "requirements" / "mmcv.txt").write_text("# why\nmmcv==2.1.0\n")
        return machine

    @pytest.fixture
    def install(self, machine, tmp_path):
        python = tmp_path / ".venv" / "bin" / "python"
        return operators.Operators(tmp_path, python, machine.pip, tmp_path / "log").install

    def test_operators_that_run_are_left(self, machine, install):
        machine.installed = machine.torch
        install()
        assert (machine.builds, machine.downloads) == (0, 0)

    def test_a_wheel_kept_for_this_torch_is_used_again(self, machine, install):
        machine.keep_wheel(machine.torch, fits=machine.torch)
        install()
        assert machine.installed == machine.torch
        assert (machine.builds, machine.downloads) == (0, 0)

    def test_an_indexs_wheel_that_fits_is_used(self, machine, install):
        (machine.build / "index").mkdir()
        (machine.build / "index" / "mmcv-2.1.0.whl").write_text(machine.torch)
        install()
        assert (machine.installed, machine.builds) == (machine.torch, 0)

    def test_a_wheel_for_another_torch_is_not_even_tried(self, machine, install, capsys):
        machine.keep_wheel("2.12.0+cpu", fits="2.12.0+cpu")
        install()
        assert (machine.installed, machine.builds) == (machine.torch, 1)
        assert "does not fit" not in capsys.readouterr().out
        assert len(list(machine.build.glob("torch-2.1*/*.whl"))) == 2  # each has its own

    def test_another_torch_later_means_another_build(self, machine, install):
        install()
        machine.torch = "2.14.0+cpu"
        install()
        assert (machine.installed, machine.builds) == ("2.14.0+cpu", 2)

    def test_a_kept_wheel_that_does_not_load_is_built_anew(self, machine, install, capsys):
        machine.keep_wheel(machine.torch, fits="something else")
        install()
        assert (machine.installed, machine.builds) == (machine.torch, 1)
        assert "mmcv-2.1.0.whl does not fit torch 2.13.0+cpu" in capsys.readouterr().out
        machine.installed = None
        install()  # and the new one took its place
        assert machine.builds == 1

    def test_a_build_that_does_not_load_is_an_error(self, machine, install):
        machine.compiles_for = "something else"
        with pytest.raises(InstallError, match=r"built but do not run: delete .*2\.13\.0"):
            install()

    def test_an_interrupted_build_goes_on_where_it_stopped(self, machine, install):
        machine.interrupt_build = True
        with pytest.raises(KeyboardInterrupt):
            install()
        assert not list(machine.build.glob("*/*.whl"))
        machine.interrupt_build = False
        install()
        assert (machine.resumed_from, machine.builds) == ("by build 1", 2)
        assert machine.downloads == 1
        (left,) = machine.build.glob("torch-*/*")  # half a gigabyte goes, the wheel stays
        assert left.name == "mmcv-2.1.0.whl"

    def test_an_interrupted_unpacking_starts_over(self, machine, tmp_path):
        pin = tmp_path / "requirements" / "mmcv.txt"
        (machine.build / "torch" / "unpacking" / "mmcv-2.1.0" / "half").mkdir(parents=True)
        unpacked = source.unpacked_source(pin, machine.build / "torch", machine.pip)
        assert [path.name for path in unpacked.iterdir()] == ["setup.py"]
        assert list((machine.build / "torch").iterdir()) == [unpacked]

    @pytest.mark.parametrize("size", [0, 20, -4])
    def test_half_a_download_is_fetched_again(self, machine, install, size):
        sdist = machine.build / "mmcv-2.1.0.tar.gz"
        whole = make_sdist(sdist, "mmcv-2.1.0/setup.py")
        sdist.write_bytes(whole[:size])
        install()
        assert (machine.installed, machine.downloads) == (machine.torch, 1)

    @pytest.mark.parametrize("size", [0, 20, -4])
    def test_a_damaged_download_is_one_line(self, machine, install, tmp_path, size):
        def half(command: str, *arguments: str | Path) -> None:
            whole = make_sdist(machine.build / "mmcv-2.1.0.tar.gz", "mmcv-2.1.0/setup.py")
            (machine.build / "mmcv-2.1.0.tar.gz").write_bytes(whole[:size])

        pin = tmp_path / "requirements" / "mmcv.txt"
        with pytest.raises(InstallError, match=r"is damaged .*: run again") as error:
            source.unpacked_source(pin, machine.build / "torch", half)
        assert "\n" not in str(error.value)
        install()
        assert machine.installed == machine.torch


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


class TestEnvironment:
    """Which `.venv` is thrown away: one that we made, and no other."""

    @pytest.fixture
    def install(self, tmp_path, monkeypatch):
        """Installs up to the packages, where it stops."""

        def make_venv(command, log):
            assert (tmp_path / ".venv" / "unfinished_install").exists()  # ours from the start
            (tmp_path / ".venv" / "made").touch()
            return 0, []

        def stop(*arguments):
            raise InstallError("no index")

        monkeypatch.setattr(steps, "run", make_venv)
        monkeypatch.setattr(steps.checks, "check_disk", lambda *_: None)
        monkeypatch.setattr(steps.Operators, "check_machine", lambda _: None)
        monkeypatch.setattr(steps, "Pip", lambda *_: stop)

        def install():
            with pytest.raises(InstallError, match="no index"):
                steps.install(tmp_path, dev=False)
            assert (tmp_path / ".venv" / "made").exists()
            assert not (tmp_path / ".venv" / "old").exists()
            assert not (tmp_path / "build" / "deleted_venv").exists()

        (tmp_path / "build").mkdir()
        return install

    def put(self, root: Path, *names: str) -> None:
        (root / ".venv").mkdir(exist_ok=True)
        for name in names:
            (root / ".venv" / name).touch()

    def test_none_or_an_empty_folder(self, install, tmp_path):
        install()
        shutil.rmtree(tmp_path / ".venv")
        self.put(tmp_path)
        install()

    @pytest.mark.parametrize("mark", ["unfinished_install", "msrcnn_mm_install.json"])
    def test_ours_of_another_python_is_made_anew(self, install, tmp_path, mark):
        self.put(tmp_path, "old", mark)
        install()

    def test_an_interrupted_one_is_ours(self, install, tmp_path):
        install()
        self.put(tmp_path, "old")
        install()

    @pytest.mark.parametrize("version", ["3.8.1", sys.version.split()[0]])
    def test_the_users_own(self, install, tmp_path, version):
        self.put(tmp_path, "mine")
        (tmp_path / ".venv" / "pyvenv.cfg").write_text(f"version = {version}\n")
        with pytest.raises(InstallError, match=r"\.venv is not ours .* move it away") as error:
            steps.install(tmp_path, dev=False)
        assert "\n" not in str(error.value)
        left = sorted(path.name for path in (tmp_path / ".venv").iterdir())
        assert left == ["mine", "pyvenv.cfg"]


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
