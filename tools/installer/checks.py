"""What must be on the machine before an install can work, each with its remedy."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

from installer.console import InstallError

# Measured: the environment with torch for the CPU 1.8 GB, the build of the operators 0.5 GB. torch
# with CUDA takes several GB more, but which one comes is only known once pip has chosen.
NEEDED_GB = 3.0


def check_venv_modules() -> None:
    """Debian and Ubuntu ship Python without `ensurepip`, and `venv` cannot do without it."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise InstallError(
            f"this Python has no {' and no '.join(missing)} module: install it (Debian, Ubuntu: "
            "`apt-get install python3.11-venv`) and run again"
        )


def check_disk(folder: Path, needed_gb: float = NEEDED_GB) -> None:
    """Refuses to start what would end half-way for want of room.

    Args:
        folder: Any existing folder of the file system in question.
        needed_gb: Gigabytes (10^9 bytes) that must be free there.
    """
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < needed_gb:
        raise InstallError(
            f"{free_gb:.1f} GB free in {folder}, {needed_gb:.1f} GB needed: free some space and "
            "run again"
        )


def cxx_compiler() -> list[str]:
    """The C++ compiler that torch will call: `CXX`, or `c++`."""
    return shlex.split(os.environ.get("CXX", "")) or ["c++"]


def check_compiler() -> None:
    """Compiles a line of C++17, since a compiler can be there and still lack its library."""
    command = [*cxx_compiler(), "-std=c++17", "-fsyntax-only", "-x", "c++", "-"]
    remedy = (
        "install one (Debian, Ubuntu: `apt-get install g++`; Fedora: `dnf install gcc-c++`), or "
        "name yours as CXX=/path/to/c++, and run again"
    )
    try:
        outcome = subprocess.run(
            command, input="#include <string_view>\n", capture_output=True, text=True
        )
    except OSError:
        raise InstallError(
            f"no C++ compiler ({command[0]}) to build mmcv's operators with: {remedy}"
        ) from None
    if outcome.returncode:
        raise InstallError(f"the C++ compiler ({command[0]}) cannot compile C++17: {remedy}")


def check_python_headers() -> None:
    """Looks for `Python.h`, which distributions put into a package of its own."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        raise InstallError(
            f"Python's headers are missing ({header}): install them (Debian, Ubuntu: "
            "`apt-get install python3.11-dev`; Fedora: `dnf install python3.11-devel`) and run "
            "again"
        )
