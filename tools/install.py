"""Makes the environment: pinned packages, mmcv with its operators, and this package, editable.

    python3.11 tools/install.py [fork] [dev] [docs]

A second run returns at once; after an interruption, the next run carries on or starts clean.
"""

import sys

# Before the other imports, which an older Python cannot read.
if sys.version_info[:2] != (3, 11):
    sys.exit(
        "error: this is Python %d.%d, and requirements/ is for 3.11: run "  # noqa: UP031
        "`make PYTHON=/path/to/python3.11`, or see docs/install.md" % sys.version_info[:2]
    )

import fcntl
import functools
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

# The environment and the mmcv of each set of OpenMMLab packages. The package index has mmcv's
# source only. mmdet 3.3.0 refuses mmcv >= 2.2.0, and 2.1.0 is the last release below.
SETS = {"mmdet": (".venv", "mmcv==2.1.0"), "fork": (".venv-fork", "onedl-mmcv==2.3.6")}

# Shows that the operators fit this torch.
OPERATOR_TEST = """
import sys, torch
from mmcv.ops import nms, roi_align
for device in ["cpu"] + ["cuda"] * ("cuda" in sys.argv and torch.cuda.is_available()):
    image, box = torch.arange(16.0, device=device), torch.tensor([[0, 0, 4, 4.0]], device=device)
    pooled = roi_align(image.reshape(1, 1, 4, 4), torch.nn.functional.pad(box, (1, 0)), 2)
    assert pooled.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert nms(torch.cat([box, box]), torch.ones(2, device=device), 0.5)[1].tolist() == [0]
"""

# Pattern in the output of a failed program -> its cause and remedy; the first match counts.
FAILURES = {
    "No space left on device|Disk quota": "the disk is full (3 GB are needed): free some space",
    "Killed signal|[Cc]annot allocate memory": "out of memory: set MAX_JOBS=1",
    "ensurepip is|No module named venv": "Python's venv (python3.11-venv) is missing: install it",
    r"Python\.h: No": "Python's headers are missing (Debian, Ubuntu: python3.11-dev): install them",
    r"string_view: No|(unrecognized|invalid).*c\+\+17|env: .*No such": "no C++17 compiler (Debian, "
    "Ubuntu: g++): install one, or name yours as CXX=/path/to/c++",
    r"(?i)connection (broken|refused|aborted|reset)|new connection|name resolution|timed out|"
    r"proxyerror|sslerror|max retries|could not fetch|from versions: none": "pip cannot reach its "
    "package index: check the network, the proxy and `pip config list`",
}
PIPES = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
say = functools.partial(print, flush=True)
COMPILER = shlex.split(os.environ.get("CXX", "")) or ["c++"]  # the one that torch calls


class Installer:
    """Makes an environment of a checkout with files of requirements/, by their names."""

    def __init__(self, root: Path, names: list[str]) -> None:
        chosen = "fork" if "fork" in names else "mmdet"
        self.root, self.names = root, {chosen, *names}
        self.venv, self.mmcv = root / SETS[chosen][0], SETS[chosen][1]
        self.python = self.venv / "bin" / "python"
        self.packages = self.venv / "lib" / "python3.11" / "site-packages"
        self.stamp = self.venv / "msrcnn_mm_install.json"  # empty: the packages are not complete
        self.build, self.log = root / "build" / chosen, root / "build" / chosen / "install.log"

    def install(self) -> None:
        """Does what is not done yet, or exits with one line of error."""
        if not self.stamp.exists() and self.venv.exists() and any(self.venv.iterdir()):
            sys.exit(
                f"error: {self.venv} was not made by make, which leaves it as it is: move it away "
                f"(`mv {self.venv.name} {self.venv.name}.mine`) and run again"
            )
        saved = self.stamp.read_text() if self.stamp.exists() else ""
        names, root, *_ = [*saved.splitlines(), "", ""]
        self.names.update(names.split() if root == str(self.root) else [])
        if saved == self.state():
            return
        start = time.monotonic()
        self.log.unlink(missing_ok=True)
        # Two lines, before gigabytes are downloaded: a compiler can be there without its library.
        source = self.build / "check.cpp"
        source.write_text("#include <string_view>\n#include <Python.h>\n")
        flags = ["-std=c++17", "-fsyntax-only", f"-I{sysconfig.get_path('include')}"]
        self.run(*COMPILER, *flags, source, check=True)
        # An environment that was moved, or whose Python was removed, does not work.
        if root != str(self.root) or not self.python.exists():
            self.make_venv()
        say(f"installing requirements/ ({', '.join(sorted(self.names))})")
        self.stamp.write_text("")
        self.pip("install", *(f"-rrequirements/{name}.txt" for name in sorted(self.names)))
        self.stamp.write_text(self.state() + " without mmcv")
        self.install_mmcv()
        self.pip("install", "--no-deps", "--no-build-isolation", "--editable", ".")
        self.stamp.write_text(self.state())
        say(f"installed in {(time.monotonic() - start) / 60:.1f} min; {self.log} has the details")

    def state(self) -> str:
        """Returns what an install depends on and what it made, to be compared with the last."""
        inputs = [*self.root.glob("requirements/*"), self.root / "pyproject.toml"]
        inputs += self.packages.glob("torch/version.py")
        operators = [path.stat()[6:9:2] for path in self.packages.glob("mmcv/_ext*.so")]
        installed = sorted(path.name for path in self.packages.glob("*.dist-info"))
        parts = [sorted(path.read_text() for path in inputs), operators, installed]
        digest = hashlib.sha256(repr([*parts, self.python.exists()]).encode()).hexdigest()
        return f"{' '.join(sorted(self.names))}\n{self.root}\n{digest}"

    def make_venv(self) -> None:
        """Makes the environment in place of an unfinished or unusable one of ours."""
        say(f"making {self.venv.name}")
        shutil.rmtree(self.build / "old", ignore_errors=True)
        self.venv.mkdir(exist_ok=True)
        self.venv.replace(self.build / "old")  # rmtree could delete its stamp first
        shutil.rmtree(self.build / "old")
        self.venv.mkdir()
        self.stamp.touch()
        self.run(sys.executable, "-m", "venv", self.venv, check=True)

    def install_mmcv(self) -> None:
        """Builds mmcv, unless the one that is installed runs with the torch that is installed."""
        cuda = re.search(r"\ncuda\b.* = '(\d+)", (self.packages / "torch/version.py").read_text())
        path = f"{os.environ.get('CUDA_HOME', '/usr/local/cuda')}/bin:{os.environ['PATH']}"
        nvcc = "\n".join(self.run("nvcc", "-V", env={"PATH": path})[1])
        device = "cuda" if cuda and f"release {cuda[1]}." in nvcc else "cpu"
        test = [self.python, "-c", OPERATOR_TEST, device]
        info = self.mmcv.replace("-", "_").replace("==", "-") + ".dist-info"
        if (self.packages / info).exists() and self.run(*test)[0] == 0:
            return
        say(f"building {self.mmcv} for {device}; first torch's headers (half a minute)")
        temporary = self.build / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        # All files but one include this header first, and reading it takes nine tenths of their
        # time. It is precompiled with the flags of torch's BuildExtension; a compiler that cannot
        # use the result reads the plain header, and takes longer.
        header = temporary.relative_to(self.root) / "torch_types.h"
        (self.root / header).write_text("#include <torch/types.h>\n")
        mine = f"{os.environ.get('CPPFLAGS', '')} -g0 -w"
        given = [*sysconfig.get_config_vars("CFLAGS", "CCSHARED"), os.environ.get("CFLAGS", "")]
        flags = f"{' '.join(given)} {mine} -std=c++17 -DTORCH_API_INCLUDE_EXTENSION_H "
        flags += f"-DTORCH_EXTENSION_NAME=_ext -x c++-header {header} -o {header}.gch"
        include = self.packages / "torch" / "include"
        folders = [include, include / "torch/csrc/api/include", sysconfig.get_path("include")]
        self.run(*COMPILER, *shlex.split(flags), env={"CPATH": ":".join(map(str, folders))})
        # A file takes 0.65 GB, the largest 2.2 GB.
        memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        jobs = min(len(os.sched_getaffinity(0)), int(memory_gb / 1.5)) or 1
        env = {
            "CPPFLAGS": f"{mine} -include {shlex.quote(str(self.root / header))}",
            "MAX_JOBS": os.environ.get("MAX_JOBS") or str(jobs),
            "TMPDIR": str(temporary),
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",  # for ninja
        }
        if device == "cuda":  # a toolkit may lack headers that torch's packages have: cuSPARSE's
            folders = [os.environ.get("CPATH", "."), *self.packages.glob("nvidia/*/include")]
            env |= {"FORCE_CUDA": "1", "CPATH": ":".join(map(str, folders))}
        else:  # mmcv's setup.py goes for CUDA wherever it sees a GPU, nvcc or not
            env |= {"FORCE_CUDA": "0", "CUDA_VISIBLE_DEVICES": ""}
        # Never from pip's cache, which keeps the operators of another torch.
        options = ["--no-build-isolation", "--no-cache-dir", "--no-deps", "--force-reinstall"]
        options += ["--verbose", "--no-binary", self.mmcv.split("==")[0]]
        self.pip("install", *options, self.mmcv, env=env)
        shutil.rmtree(temporary, ignore_errors=True)
        self.run(*test, check=True)

    def pip(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Runs pip and shows its progress."""
        command = [self.python, "-m", "pip", "--disable-pip-version-check", *arguments]
        self.run(*command, env=env, check=True, on_line=progress())

    def run(self, *command, env=None, check=False, on_line=str):  # type: ignore[no-untyped-def]
        """Runs a program, logs what it prints, and returns its status and lines."""
        lines, command = [], ["/usr/bin/env", *map(str, command)]  # prints that one is missing
        # In a session of its own, so that an interruption reaches every compiler.
        options = dict(cwd=self.root, env={**os.environ, **(env or {})}, start_new_session=True)
        process = subprocess.Popen(command, text=True, errors="replace", **PIPES, **options)
        with process, self.log.open("a") as log:
            try:
                for line in process.stdout:
                    log.write(line)
                    lines.append(line.strip())
                    on_line(lines[-1])
            except BaseException:
                os.killpg(process.pid, signal.SIGINT)  # pip then deletes what it has half written
                process.wait()
                raise
        if check and process.returncode:
            sys.exit(f"error: {explain(lines)}, then run again; {self.log} has the details")
        return process.returncode, lines


def progress() -> Callable[[str], None]:
    """Returns what shows downloads and how far a build is: in a file, a line every 15 s."""
    start, shown = time.monotonic(), 0.0

    def show(line: str) -> None:
        nonlocal shown
        took, last = time.monotonic() - start, line.startswith("Installing collected")
        if ninja := re.match(r"\[(\d+)/(\d+)\] ", line):
            done, files = int(ninja[1]), int(ninja[2])
            left, last = took / done * (files - done), done == files
            line = f"{done} of {files} files, {took / 60:.1f} min, about {left / 60:.1f} min left"
        elif not last and not line.startswith(("Downloading", "WARNING: Retrying")):
            return
        if sys.stdout.isatty():
            say(f"  {line[:90]}\033[K", end="\n" if last else "\r")
        elif last or took - shown > 15:
            shown = took
            say(f"  {line[:90]}")

    return show


def explain(lines: list[str]) -> str:
    """Returns what the output of a failed program means, in one line."""
    for pattern, meaning in FAILURES.items():
        if re.search(pattern, "\n".join(lines)):
            return meaning
    errors = [line for line in lines if re.search(r"\berror:|ERROR", line)] or lines[-1:]
    return f"a step failed ({errors[0][:200] if errors else 'no output'}): fix it"


def main() -> None:
    """Installs what the arguments name."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    installer = Installer(Path(__file__).resolve().parents[1], sys.argv[1:])
    try:
        installer.build.mkdir(parents=True, exist_ok=True)
        with (installer.build / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second install waits for the first
            installer.install()
    except (OSError, KeyboardInterrupt) as error:
        sys.exit(f"error: {str(error) or 'interrupted: run again'}")


if __name__ == "__main__":
    main()
