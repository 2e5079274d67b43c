"""Checks the versions of the libraries that training and testing run with."""

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple


class Range(NamedTuple):
    """The versions of a library that the package runs with: ``low`` <= version < ``below``."""

    package: str
    low: str
    below: str
    by_pip: bool  # whether `pip install "msrcnn_mm[mmdet]"` installs it; see pyproject.toml

    @property
    def specifier(self) -> str:
        """The range in pip's form: `torch>=2.5,<3`."""
        return f"{self.package}>={self.low},<{self.below}"


RANGES = (
    # 2.5 brought torch.serialization.safe_globals, by which checkpoints load without running
    # code. 2.11 and 2.13 were tried; a third major version may change anything.
    Range("torch", "2.5", "3", by_pip=False),
    # mmdet 3.3.0 refuses to be imported with any other.
    Range("mmcv", "2.0.0", "2.2.0", by_pip=False),
    # The package replaces modules of mmdet and subclasses others; 3.3.0, its last release, was
    # tested.
    Range("mmdet", "3.3.0", "3.4", by_pip=True),
    # The last release; mmdet 3.3.0 refuses 1.0.
    Range("mmengine", "0.10.7", "1.0", by_pip=True),
    # 1.26 is the first with wheels for Python 3.12. 2.4 was tested.
    Range("numpy", "1.26", "3", by_pip=True),
    # 2.0.8 is the first built for numpy 2.
    Range("pycocotools", "2.0.8", "3", by_pip=True),
)

# The maintained fork of OpenMMLab's packages, by what they replace; the low ones were tested.
FORK = {
    "mmcv": Range("onedl-mmcv", "2.3.6", "2.4", by_pip=False),
    "mmdet": Range("onedl-mmdetection", "3.5.1", "3.6", by_pip=True),
    "mmengine": Range("onedl-mmengine", "0.10.12", "1.0", by_pip=True),
}

_REMEDY = "see docs/install.md, or run `make demo`, which installs a set that works"


def check_versions() -> None:
    """Checks that the installed libraries fit, before anything is imported from them.

    Raises:
        ImportError: Names the package, the version found, the range and the remedy.
    """
    wanted_ranges = _installed_set()
    for wanted in wanted_ranges:
        try:
            found = version(wanted.package)
        except PackageNotFoundError:
            raise ImportError(_missing(wanted)) from None
        if not _parse(wanted.low) <= _parse(found) < _parse(wanted.below):
            raise ImportError(
                f"msrcnn_mm needs {wanted.specifier}, but {wanted.package} {found} is installed: "
                f"{_command(wanted)}"
            )
    _check_operators(next(entry.package for entry in wanted_ranges if "mmcv" in entry.package))


def _installed_set() -> list[Range]:
    """Returns the ranges of the fork where its mmdet is installed, and of OpenMMLab's elsewhere."""
    try:
        version(FORK["mmdet"].package)
    except PackageNotFoundError:
        return list(RANGES)
    return [FORK.get(entry.package, entry) for entry in RANGES]


def _check_operators(mmcv: str) -> None:
    """Imports the operators: an mmcv without them fails only when a model calls one."""
    try:
        # Needs torch's libraries, which `import torch` loads.
        import_module("torch")
        import_module("mmcv._ext")
    except ImportError as error:
        raise ImportError(
            f"{mmcv} {version(mmcv)} has no operators that fit torch {version('torch')} "
            f"({str(error).splitlines()[0]}): build mmcv for this torch; {_REMEDY}"
        ) from error


def _missing(wanted: Range) -> str:
    if wanted.package == "mmcv":
        try:
            return (
                f"msrcnn_mm needs {wanted.specifier}, but mmcv-lite {version('mmcv-lite')} is "
                f"installed, which has no operators: `pip uninstall mmcv-lite`, then {_REMEDY}"
            )
        except PackageNotFoundError:
            pass
    return f"msrcnn_mm needs {wanted.specifier}, which is not installed: {_command(wanted)}"


def _command(wanted: Range) -> str:
    return f'`pip install "{wanted.specifier}"`' if wanted.by_pip else _REMEDY


def _parse(text: str) -> tuple[int, ...]:
    """Returns the release number: (2, 13, 0) for `2.13.0+cpu`."""
    release = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in release[0].split(".")) if release else ()
