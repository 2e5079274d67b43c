"""mmcv's operators: unpacking, compiling, keeping; nothing here compiles."""

import io
import sys
import tarfile
from pathlib import Path

import pytest
from installer import checks, operators, progress, source, torch_facts
from installer.console import InstallError

LOG = Path("build/install.log")


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
