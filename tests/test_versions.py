"""The messages about libraries of a wrong version."""

import sys
import types
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from msrcnn_mm import versions

GOOD = {
    "torch": "2.13.0+cpu",
    "mmcv": "2.1.0",
    "mmdet": "3.3.0",
    "mmengine": "0.10.7",
    "numpy": "2.4.6",
    "pycocotools": "2.0.11",
}


@pytest.fixture
def installed(monkeypatch):
    """A changeable list of installed packages, whose mmcv has operators."""
    packages = dict(GOOD)

    def version(name):
        try:
            return packages[name]
        except KeyError:
            raise PackageNotFoundError(name) from None

    monkeypatch.setattr(versions, "version", version)
    monkeypatch.setattr(versions, "import_module", lambda name: None)
    return packages


def message() -> str:
    with pytest.raises(ImportError) as caught:
        versions.check_versions()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_installed_here_fits():
    versions.check_versions()


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("torch", "2.4.1"),
        ("torch", "3.0.0"),
        ("mmcv", "2.2.0"),
        ("mmcv", "1.7.2"),
        ("mmdet", "3.2.0"),
        ("mmengine", "1.0.0"),
        ("mmengine", "0.10.6"),
        ("numpy", "1.25.2"),
        ("pycocotools", "2.0.7"),
    ],
)
def test_out_of_range_names_package_version_range_and_remedy(installed, package, version):
    installed[package] = version
    text = message()
    wanted = next(entry for entry in versions.RANGES if entry.package == package)
    assert f"{package} {version} is installed" in text
    assert wanted.specifier in text
    assert "pip install" in text or "docs/install.md" in text


def test_pip_is_never_told_to_replace_torch_or_mmcv(installed):
    installed["torch"] = "2.4.1"
    assert "pip install" not in message()


@pytest.mark.parametrize("package", GOOD)
def test_missing_package_is_named(installed, package):
    del installed[package]
    assert f"needs {package}>=" in message()


def test_mmcv_lite_is_told_apart_from_no_mmcv(installed):
    del installed["mmcv"]
    installed["mmcv-lite"] = "2.1.0"
    assert "mmcv-lite 2.1.0 is installed, which has no operators" in message()


def test_operators_of_another_torch_are_named(installed, monkeypatch):
    def import_module(name: str) -> types.ModuleType:
        if name == "mmcv._ext":
            raise ImportError("_ext.so: undefined symbol: _ZN2at4_ops5zeros4callE\nmore")
        return sys

    monkeypatch.setattr(versions, "import_module", import_module)
    text = message()
    assert "mmcv 2.1.0 has no operators that fit torch 2.13.0+cpu" in text
    assert "undefined symbol" in text
    assert "docs/install.md" in text


def test_local_and_pre_release_parts_do_not_matter(installed):
    installed["torch"] = "2.5.0a0+git123"
    installed["mmcv"] = "2.1.0rc1"
    versions.check_versions()


@pytest.fixture
def fork(installed):
    """The maintained fork in place of OpenMMLab's packages."""
    for name, entry in versions.FORK.items():
        del installed[name]
        installed[entry.package] = entry.low
    return installed


def test_the_fork_passes(fork):
    versions.check_versions()


@pytest.mark.parametrize("package", [entry.package for entry in versions.FORK.values()])
def test_the_fork_out_of_range(fork, package):
    fork[package] = "9.0"
    assert f"{package} 9.0 is installed" in message()


def test_pip_installs_the_ranges_that_are_checked():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    for entry in versions.RANGES:
        assert (f'"{entry.specifier}"' in text) == entry.by_pip, entry
