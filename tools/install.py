"""Makes the environment: pinned packages, mmcv with its operators, and this package, editable.

    python3.11 tools/install.py [--with dev docs] [--set mmdet|fork]

Uses the standard library only. A second run returns at once; after an interruption, the next run
carries on or starts clean.
"""

import sys

# Before the other imports, which an older Python cannot read.
if sys.version_info[:2] != (3, 11):
    sys.exit(
        "error: this is Python %d.%d, and requirements/ is for 3.11: run "  # noqa: UP031
        "`make PYTHON=/path/to/python3.11`, or see docs/install.md" % sys.version_info[:2]
    )

import argparse
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

# The environment and the mmcv of each set of OpenMMLab packages. The package index has mmcv's
# source only. mmdet 3.3.0 refuses mmcv >= 2.2.0, and 2.1.0 is the last release below.
SETS = {"mmdet": (".venv", "mmcv==2.1.0"), "fork": (".venv-fork", "onedl-mmcv==2.3.6")}

# Shows that the operators were built for this torch: a detector calls these two.
TRIAL = """
import sys, torch
from mmcv.ops import nms, roi_align
for device in ["cpu"] + ["cuda"] * ("cuda" in sys.argv and torch.cuda.is_available()):
    boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30.0]], device=device)
    kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7], device=device), 0.5)[1]
    image = torch.arange(16.0, device=device).reshape(1, 1, 4, 4)
    pooled = roi_align(image, torch.tensor([[0, 0, 0, 4, 4.0]], device=device), 2)
    assert kept.tolist() == [0, 2] and pooled.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
"""

# Prints CUDA's version and place as torch sees them, and the flags of torch's BuildExtension,
# with which a precompiled header must agree.
FACTS = """
import json, torch
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.sysconfig import customize_compiler, get_python_inc
from torch.utils.cpp_extension import CUDA_HOME, include_paths
customize_compiler(compiler := new_compiler())
flags = [f"-I{path}" for path in [*include_paths(), get_python_inc()]]
flags += ["-std=c++17", "-DTORCH_API_INCLUDE_EXTENSION_H", "-DTORCH_EXTENSION_NAME=_ext"]
print(json.dumps([torch.version.cuda, CUDA_HOME, [*compiler.compiler_so[1:], *flags]]))
"""

# What the output of a failed program means. The order matters: pip reports an index that it
# cannot reach as a package that does not exist.
FAILURES = {
    r"No space left on device|Disk quota": "the disk is full (3 GB are needed): free some space",
    r"fatal error: Killed|(?i:cannot allocate memory)": "out of memory: set MAX_JOBS=1 in front",
    r"ensurepip is not|No module named venv": "Python's venv module is missing: install it (Debian,"
    " Ubuntu: `apt-get install python3.11-venv`)",
    r"Python\.h: No such file": "Python's headers are missing: install them (Debian, Ubuntu: "
    "`apt-get install python3.11-dev`)",
    r"string_view|c\+\+17": "the C++ compiler cannot compile C++17: install a newer one",
    r"(?i)connection (broken|refused|aborted|reset)|new connection|name resolution|timed out|"
    r"proxyerror|sslerror|max retries|could not fetch|from versions: none": "pip cannot reach its "
    "package index: check the network, the proxy and `pip config list`",
}
COMPILER = shlex.split(os.environ.get("CXX", "")) or ["c++"]  # the one that torch calls


class InstallError(Exception):
    """Something that the user can put right; the message is one line."""


def say(message: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(message, flush=True)


class Progress:
    """Shows downloads and how far a build is, in one place, or every 15 s where that is a file."""

    def __init__(self) -> None:
        self._start, self._shown = time.monotonic(), 0.0

    def __call__(self, line: str) -> None:
        """Takes a line that pip, or ninja below it, has printed."""
        now, last = time.monotonic(), False
        if ninja := re.match(r"\[(\d+)/(\d+)\] ", line):
            done, files = int(ninja[1]), int(ninja[2])
            took, last = now - self._start, done == files
            left = clock(took / done * (files - done))
            line = f"{done} of {files} files, {clock(took)} elapsed, about {left} left"
        elif not line.startswith(("Downloading", "Installing collected", "WARNING: Retrying")):
            return
        if sys.stdout.isatty():
            print(f"\r  {line[:90]}\033[K", end="\n" if last else "", flush=True)
        elif last or now - self._shown > 15:
            self._shown = now
            say(f"  {line[:90]}")


def clock(seconds: float) -> str:
    """Returns minutes and seconds: `3:07`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Installer:
    """Makes the environment of a set in a checkout, with further files of requirements/."""

    def __init__(self, root: Path, set_name: str, extras: list[str]) -> None:
        self.root, self.names = root, {set_name, *extras}
        self.venv, self.mmcv = root / SETS[set_name][0], SETS[set_name][1]
        self.python = self.venv / "bin" / "python"
        self.packages = self.venv / "lib" / "python3.11" / "site-packages"
        self.stamp = self.venv / "msrcnn_mm_install.json"  # without names: packages incomplete
        self.build = root / "build" / set_name
        self.log = self.build / "install.log"

    def install(self) -> None:
        """Does what is not done yet, or raises an InstallError."""
        try:
            saved = json.loads(self.stamp.read_text(encoding="utf-8") or "{}")
        except FileNotFoundError:
            saved = {}
            if self.venv.exists() and any(self.venv.iterdir()):
                raise InstallError(
                    f"{self.venv} was not made by make, which leaves it as it is: move it away "
                    f"(`mv {self.venv.name} {self.venv.name}.mine`) and run again"
                ) from None
        self.names.update(saved.get("names", []))
        if saved == self.state():
            return
        start = time.monotonic()
        self.log.unlink(missing_ok=True)
        movable = saved.get("names") and saved["root"] == str(self.root) and self.python.exists()
        if not movable or self.run([self.python, "-m", "pip", "--version"])[0]:
            self.check_compiler()
            self.make_venv()
        say(f"installing requirements/ ({', '.join(sorted(self.names))})")
        self.stamp.write_text("", encoding="utf-8")
        self.pip("install", *(f"-rrequirements/{name}.txt" for name in sorted(self.names)))
        self.stamp.write_text(json.dumps({**self.state(), "operators": []}), encoding="utf-8")
        self.install_mmcv()
        say("installing msrcnn_mm, editable")
        self.pip("install", "--no-deps", "--no-build-isolation", "--editable", ".")
        self.stamp.write_text(json.dumps(self.state(), indent=1), encoding="utf-8")
        say(f"installed in {clock(time.monotonic() - start)}; {self.log} has the details")

    def state(self) -> dict[str, object]:
        """Returns what an install depends on and what it made: no difference, nothing to do."""
        inputs = [*sorted(self.root.glob("requirements/*")), self.root / "pyproject.toml"]
        operators = [path.stat() for path in sorted(self.packages.glob("mmcv/_ext*.so"))]
        torch = self.packages / "torch" / "version.py"
        return {
            "names": sorted(self.names),
            "root": str(self.root),  # an environment does not survive being moved
            "python": self.python.exists(),
            "inputs": hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest(),
            "torch": torch.read_text(encoding="utf-8") if torch.exists() else None,
            "installed": sorted(path.name for path in self.packages.glob("*.dist-info")),
            "operators": [[stat.st_size, stat.st_mtime_ns] for stat in operators],
        }

    def check_compiler(self) -> None:
        """Compiles two lines, before gigabytes are downloaded: a compiler can lack its library."""
        source = self.build / "check.cpp"
        source.write_text("#include <string_view>\n#include <Python.h>\n", encoding="utf-8")
        flags = ["-std=c++17", "-fsyntax-only", f"-I{sysconfig.get_path('include')}", source]
        self.run([*COMPILER, *flags], check=True)

    def make_venv(self) -> None:
        """Makes the environment in place of an unfinished or unusable one of ours."""
        say(f"making {self.venv.name}")
        if self.venv.exists():  # moved first: the stamp, which says that it is ours, could go first
            self.venv.replace(self.build / "old")
        shutil.rmtree(self.build / "old", ignore_errors=True)
        self.venv.mkdir()
        self.stamp.touch()
        self.run([sys.executable, "-m", "venv", self.venv], check=True)

    def install_mmcv(self) -> None:
        """Builds mmcv, unless the one that is installed runs with the torch that is installed."""
        *cuda, flags = json.loads(self.run([self.python, "-c", FACTS], check=True)[1][-1])
        device = "cuda" if self.has_nvcc(*cuda) else "cpu"
        trial = [self.python, "-c", TRIAL, device]
        info = self.mmcv.replace("-", "_").replace("==", "-") + ".dist-info"
        if (self.packages / info).exists() and self.run(trial)[0] == 0:
            return
        self.check_compiler()
        say(f"building {self.mmcv} for {device}")
        temporary = self.build / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        # All files but one include this header first, and reading it takes nine tenths of their
        # time. A compiler that cannot precompile it reads the plain header, and takes longer.
        header = temporary / "torch_types.h"
        header.write_text("#include <torch/types.h>\n", encoding="utf-8")
        say("  precompiling torch's headers (half a minute)")
        mine = os.environ.get("CPPFLAGS", "")
        flags += [*shlex.split(mine), "-g0", "-w", "-x", "c++-header", header]
        self.run([*COMPILER, *flags, "-o", f"{header}.gch"])
        # A CUDA toolkit may lack cuSPARSE's headers and the like; torch's own packages have them.
        folders = [os.environ.get("CPATH"), *map(str, self.packages.glob("nvidia/*/include"))]
        env = {
            "CPPFLAGS": f"{mine} -g0 -w -include {shlex.quote(str(header))}",
            "MAX_JOBS": os.environ.get("MAX_JOBS") or str(jobs()),
            "TMPDIR": str(temporary),
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",  # for ninja
            # Else mmcv's setup.py would go for CUDA wherever it sees a GPU, nvcc or not.
            "FORCE_CUDA": "1" if device == "cuda" else "0",
            **({"CPATH": ":".join(filter(None, folders))} if device == "cuda" else {}),
            **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}),
        }
        # Never from pip's cache, which keeps the operators of another torch.
        options = ["--no-build-isolation", "--no-cache-dir", "--no-deps", "--force-reinstall"]
        options += ["--verbose", "--no-binary", self.mmcv.split("==")[0]]
        self.pip("install", *options, self.mmcv, env=env)
        shutil.rmtree(temporary, ignore_errors=True)
        if self.run(trial)[0]:
            raise InstallError(f"{self.mmcv} was built but does not run: see {self.log}")

    def has_nvcc(self, version: str | None, home: str | None) -> bool:
        """Says whether there is a CUDA compiler of torch's major version."""
        if not version or not home or not (Path(home) / "bin" / "nvcc").exists():
            return False
        text = "\n".join(self.run([Path(home) / "bin" / "nvcc", "--version"])[1])
        if f"release {version.split('.')[0]}." in text:
            return True
        say(f"  {home} is not of torch's CUDA {version}: building for the CPU only")
        return False

    def pip(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Runs pip, showing its progress."""
        command = [self.python, "-m", "pip", "--disable-pip-version-check", *arguments]
        self.run(command, env=env, check=True, progress=Progress())

    def run(self, command, env=None, check=False, progress=None) -> tuple[int, list[str]]:  # type: ignore[no-untyped-def]
        """Runs a program, logs what it prints, and returns its status and lines."""
        command, lines = [str(part) for part in command], []
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
        options |= {"stderr": subprocess.STDOUT, "errors": "replace", "cwd": self.root}
        # In a session of its own, so that an interruption reaches every compiler.
        options |= {"env": {**os.environ, **(env or {})}, "start_new_session": True}
        try:
            process = subprocess.Popen(command, **options)
        except FileNotFoundError:
            raise InstallError(
                f"{command[0]} is missing: install it (a C++ compiler, on Debian or Ubuntu: "
                "`apt-get install g++`; or name yours as CXX=/path/to/c++) and run again"
            ) from None
        with process, self.log.open("a", encoding="utf-8") as log:
            try:
                for line in process.stdout:
                    log.write(line)
                    lines.append(line.strip())
                    if progress:
                        progress(lines[-1])
            except BaseException:
                os.killpg(process.pid, signal.SIGINT)  # pip then deletes what it has half written
                raise
        if check and process.returncode:
            raise InstallError(f"{explain(lines)}, then run again; {self.log} has the details")
        return process.returncode, lines


def explain(lines: list[str]) -> str:
    """Returns what the output of a failed program means, in one line."""
    for pattern, meaning in FAILURES.items():
        if re.search(pattern, "\n".join(lines)):
            return meaning
    errors = [line for line in lines if re.search(r"\berror:|ERROR", line)] or lines[-1:]
    return f"a step failed ({errors[0][:200] if errors else 'without a word'}): put that right"


def jobs() -> int:
    """Returns how many compilers to run: one a core; each takes 0.65 GB, the largest file 2.2."""
    memory = re.search(r"MemAvailable: +(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    return max(1, min(len(os.sched_getaffinity(0)), int((int(memory[1]) / 1e6 - 1.6) / 0.65)))


def main() -> int:
    """Installs and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=SETS, default="mmdet", help="which OpenMMLab packages")
    parser.add_argument("--with", nargs="+", default=[], choices=["dev", "docs"], dest="extras")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # these clean up as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    installer = Installer(Path(__file__).resolve().parents[1], options.set, options.extras)
    try:
        installer.build.mkdir(parents=True, exist_ok=True)
        with (installer.build / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another install is at work here: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            installer.install()
    except (InstallError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
