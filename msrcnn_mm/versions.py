"""Versions of the libraries that the package runs with.

`setup.py` reads this file before anything is installed: standard library only.
"""

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple


class Range(NamedTuple):
    """The versions of a library that the package runs with: ``low`` <= version < ``below``."""

    package: str
    low: str
    below: str
    by_pip: bool  # whether `pip install -e .` may install it; see setup.py

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

_REMEDY = "see docs/install.md, or run `make demo`, which installs a set that works"


def check_versions() -> None:
    """Checks that the installed libraries fit, before anything is imported from them.

    Raises:
        ImportError: One does not; the message names it, its version, the range and the remedy.
    """
    for wanted in RANGES:
        try:
            found = version(wanted.package)
        except PackageNotFoundError:
            raise ImportError(_missing(wanted)) from None
        if not _parse(wanted.low) <= _parse(found) < _parse(wanted.below):
            raise ImportError(
                f"msrcnn_mm needs {wanted.specifier}, but {wanted.package} {found} is installed: "
                f"{_command(wanted)}"
            )
    _check_operators()


def _check_operators() -> None:
    """Checks mmcv's operators; without them mmcv can be imported, and a model fails later."""
    try:
        # Needs torch's libraries, which `import torch` loads.
        import_module("torch")
        import_module("mmcv._ext")
    except ImportError as error:
        raise ImportError(
            f"mmcv {version('mmcv')} has no operators that fit torch {version('torch')} "
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
