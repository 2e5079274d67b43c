"""What the environment's torch is, read without importing it (an import takes seconds)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from installer.console import say


class Torch(NamedTuple):
    """A torch installation: operators built for one fit no other."""

    version: str  # with its local part: 2.13.0+cpu
    cuda: str | None

    @property
    def tag(self) -> str:
        """Names a folder of things built for this torch and this Python."""
        return f"torch-{self.version}-{sys.implementation.cache_tag}"


def site_packages(python: Path) -> Path:
    """The folder that an environment's packages are in."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python.parent.parent / "lib" / version / "site-packages"


def read_torch(python: Path) -> Torch | None:
    """The torch of an environment, None if it has none.

    Args:
        python: The environment's interpreter.
    """
    try:
        text = (site_packages(python) / "torch" / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    version = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    cuda = re.search(r"^cuda\b[^=]*= '([^']+)'", text, re.MULTILINE)
    return Torch(version[1], cuda[1] if cuda else None) if version else None


def nvcc_for(torch: Torch) -> Path | None:
    """The CUDA compiler, where torch can use one and it is of torch's major version."""
    if torch.cuda is None:
        return None
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    found = shutil.which(str(Path(home) / "bin" / "nvcc")) or shutil.which("nvcc")
    if found is None:
        return None
    try:
        output = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return None
    release = re.search(r"release (\d+)\.", output)
    if not release or release[1] != torch.cuda.split(".")[0]:
        has = f"CUDA {release[1]}" if release else "an unknown CUDA"
        say(f"  {found} is of {has}, torch of CUDA {torch.cuda}: operators for the CPU only")
        return None
    return Path(found).resolve()
