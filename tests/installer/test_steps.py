"""Environment, torch and stamp: what is installed anew and what is left alone."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from installer import packages, steps, torch_facts
from installer.console import InstallError

LOG = Path("build/install.log")


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

    def test_one_of_the_same_minor_version_is_kept(self, tmp_path):
        venv = tmp_path / ".venv"
        self.put(tmp_path, "pyvenv.cfg")
        for folder in ("bin", f"lib/python3.{sys.version_info[1]}/site-packages/pip-1.dist-info"):
            (venv / folder).mkdir(parents=True)
        (venv / "bin" / "python").touch()
        major, minor = sys.version_info[:2]
        for version, broken in ((f"{major}.{minor}.99", False), (f"{major}.{minor}1.2", True)):
            (venv / "pyvenv.cfg").write_text(f"version = {version}\n")
            assert steps._is_broken(venv) == broken

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
