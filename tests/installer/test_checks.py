"""What the machine must have before anything is installed."""

import shutil

import pytest
from installer import checks
from installer.console import InstallError


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
