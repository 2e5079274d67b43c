"""What makes mmcv's operators compile in a fraction of the time, its code untouched.

Each of its files includes torch's headers, and reading those takes nine tenths of the compiler's
time. So they are read once, into a precompiled header that every file is given, and no debug
information is written. Optimisation stays as it was: it takes little of the time.
"""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from installer.checks import cxx_compiler
from installer.console import run, say

# What all but one of the files include first; the larger torch/extension.h would slow them down.
_HEADER = "#include <torch/types.h>\n"
_HEADER_NAME = "torch_types.h"

# The flags that torch's BuildExtension and mmcv's setup.py will use: a precompiled header is only
# taken where they agree.
_FLAGS = """
import json
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.sysconfig import customize_compiler, get_python_inc
from torch.utils.cpp_extension import include_paths
compiler = new_compiler()
customize_compiler(compiler)
includes = [f"-I{path}" for path in [*include_paths(), get_python_inc()]]
macros = ["-DTORCH_API_INCLUDE_EXTENSION_H", "-DTORCH_EXTENSION_NAME=_ext"]
print(json.dumps([*compiler.compiler_so[1:], *includes, "-std=c++17", *macros]))
"""


def compile_flags(folder: Path) -> str:
    """What to add to `CPPFLAGS`: the header, no debug information, no warnings.

    Args:
        folder: Where the precompiled header is or will be.
    """
    return f"-include {shlex.quote(str(folder / 'pch' / _HEADER_NAME))} -g0 -w"


def precompile_torch(python: Path, folder: Path, env: Mapping[str, str], log: Path) -> None:
    """Writes the header and its precompiled form, unless they are there.

    A compiler that cannot precompile is no error: it reads the plain header, and takes longer.

    Args:
        python: The interpreter of the environment that has torch.
        folder: Where to.
        env: The environment of the build, its `CPPFLAGS` set.
        log: File for what other programs print.
    """
    header = folder / "pch" / _HEADER_NAME
    done = header.with_suffix(".h.gch")
    if done.is_file():
        return
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text(_HEADER, encoding="utf-8")
    say("  precompiling torch's headers (half a minute)")
    status, lines = run([python, "-c", _FLAGS], log, env=env)
    if status:
        return
    # Without the header itself, which CPPFLAGS name: it is what is being made.
    flags = without_include(json.loads(lines[-1]))
    unfinished = header.with_suffix(".unfinished")
    command: list[str | Path] = [
        *cxx_compiler(),
        *flags,
        "-x",
        "c++-header",
        header,
        "-o",
        unfinished,
    ]
    if run(command, log, env=env)[0] == 0:
        unfinished.replace(done)


def without_include(flags: list[str]) -> list[str]:
    """Drops every `-include FILE`."""
    kept, skip = [], False
    for flag in flags:
        if skip or flag == "-include":
            skip = not skip
        else:
            kept.append(flag)
    return kept


def jobs() -> int:
    """Compilers to run at once: one a core, as far as memory goes.

    A file takes 0.65 GB, the largest 2.2 GB.
    """
    cores = len(os.sched_getaffinity(0))
    memory_gb = _free_memory_gb()
    return cores if memory_gb is None else max(1, min(cores, int((memory_gb - 1.6) / 0.65)))


def _free_memory_gb() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) / 1e6 for x in lines if x.startswith("MemAvailable")), None)
