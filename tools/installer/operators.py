"""mmcv with its operators: built for the torch at hand, proven to work, kept for the next time.

pip would build mmcv from source in silence, in one go, and would keep the result for any other
torch; so we unpack the source and build it ourselves, in a folder named after the torch.
"""

import os
import shutil
import sys
from pathlib import Path

from installer import checks
from installer.console import InstallError, run, say
from installer.fast_compile import compile_flags, jobs, precompile_torch
from installer.packages import Pip
from installer.progress import CompileProgress
from installer.source import unpacked_source
from installer.torch_facts import Torch, nvcc_for, read_torch, site_packages

# A detector calls these two; that they load at all shows that they fit this torch.
_TRIAL = """
import torch
from mmcv.ops import nms, roi_align
devices = ["cpu"] + (["cuda"] if {cuda} and torch.cuda.is_available() else [])
for device in devices:
    boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30.0]], device=device)
    kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7], device=device), 0.5)[1]
    assert kept.tolist() == [0, 2], kept
    image = torch.arange(16.0, device=device).reshape(1, 1, 4, 4)
    rois = torch.tensor([[0, 0, 0, 4, 4.0]], device=device)
    pooled = roi_align(image, rois, 2, 1.0, 1, "avg", True)
    assert pooled.flatten().tolist() == [2.5, 4.5, 10.5, 12.5], pooled
"""


class Operators:
    """mmcv's operators for one environment.

    Args:
        root: The checkout.
        python: The environment's interpreter.
        pip: Its pip.
        log: File for what other programs print.
    """

    def __init__(self, root: Path, python: Path, pip: Pip, log: Path) -> None:
        self._pin = root / "requirements" / "mmcv.txt"
        self._build = root / "build" / "operators"
        self._python = python
        self._pip = pip
        self._log = log

    def check_machine(self) -> None:
        """Before gigabytes are downloaded: can the operators be had here at all?"""
        built_before = any(self._build.glob("*/mmcv-*.whl"))
        if not built_before and not self._download_wheel():
            checks.check_compiler()
            checks.check_python_headers()

    def install(self) -> None:
        """Leaves mmcv installed with operators that run: as found, from a wheel, or built."""
        torch = read_torch(self._python)
        if torch is None:
            raise InstallError("torch was installed but is not there: run `make clean`, then again")
        nvcc = nvcc_for(torch)
        if self._works(nvcc):
            return
        folder = self._build / f"{torch.tag}-{'cuda' if nvcc else 'cpu'}"
        for wheel in [*folder.glob("mmcv-*.whl"), *(self._build / "index").glob("mmcv-*.whl")]:
            self._install_wheel(wheel)
            if self._works(nvcc):
                return
            say(f"  {wheel.parent.name}/{wheel.name} does not fit torch {torch.version}")
        checks.check_compiler()
        checks.check_python_headers()
        self._install_wheel(self._compile(folder, torch, nvcc))
        if not self._works(nvcc):
            raise InstallError(
                f"mmcv's operators were built but do not run: delete {folder} and run again; "
                f"details in {self._log}"
            )

    def _works(self, nvcc: Path | None) -> bool:
        trial = _TRIAL.format(cuda=nvcc is not None)
        return run([self._python, "-c", trial], self._log, cwd=self._log.parent)[0] == 0

    def _download_wheel(self) -> bool:
        """Gets the wheel of an index that has one, as OpenMMLab's; if it fits shows later."""
        return self._pip.finds(
            *("download", "--no-deps", "--only-binary", "mmcv", "-r", self._pin),
            *("--no-cache-dir", "-d", self._build / "index"),
        )

    def _install_wheel(self, wheel: Path) -> None:
        self._pip("install", "--no-deps", "--no-index", "--force-reinstall", wheel)

    def _compile(self, folder: Path, torch: Torch, nvcc: Path | None) -> Path:
        """Builds the wheel in ``folder``, going on from where an earlier run stopped."""
        checks.check_disk(self._build.parent, 1.0)
        source = unpacked_source(self._pin, folder, self._pip)
        kind = f"CUDA {torch.cuda}" if nvcc else "the CPU"
        say(f"building mmcv's operators for torch {torch.version}, {kind}")
        env = self._environment(folder, nvcc)
        precompile_torch(self._python, folder, env, self._log)
        progress = CompileProgress(source)
        try:
            status, lines = run(
                [self._python, "setup.py", "bdist_wheel", "--dist-dir", folder / "dist"],
                self._log,
                on_line=progress.on_line,
                cwd=source,
                env=env,
            )
        finally:
            progress.close()
        if status:
            raise InstallError(explain_build_failure("\n".join(lines), self._log))
        built = next((folder / "dist").glob("mmcv-*.whl"))
        wheel = folder / built.name
        built.replace(wheel)  # in one step, so that a wheel that is there is whole
        for leftover in folder.iterdir():  # half a gigabyte
            if leftover.is_dir():
                shutil.rmtree(leftover)
        return wheel

    def _environment(self, folder: Path, nvcc: Path | None) -> dict[str, str]:
        env = dict(os.environ)
        env["MMCV_WITH_OPS"] = "1"
        env["MAX_JOBS"] = os.environ.get("MAX_JOBS") or str(jobs())
        env["CPPFLAGS"] = f"{os.environ.get('CPPFLAGS', '')} {compile_flags(folder)}".strip()
        # The environment's ninja, also where it is not activated.
        env["PATH"] = f"{self._python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        if nvcc:
            env["FORCE_CUDA"] = "1"
            env.setdefault("CUDA_HOME", str(nvcc.parent.parent))
            # A toolkit may lack cuSPARSE's headers and the like; torch's own packages have them.
            headers = site_packages(self._python).glob("nvidia/*/include")
            env["CPATH"] = os.pathsep.join([*filter(None, [env.get("CPATH")]), *map(str, headers)])
        else:
            # mmcv's setup.py would go for CUDA wherever it sees a GPU, nvcc or not.
            env["FORCE_CUDA"] = "0"
            env["CUDA_VISIBLE_DEVICES"] = ""
        return env


def explain_build_failure(output: str, log: Path) -> str:
    """What a failed compilation means for the user, in one line.

    Args:
        output: The end of what the build printed.
        log: Where all of it is.
    """
    if "No space left on device" in output:
        return "the disk is full: free 1 GB and run again; the build goes on where it stopped"
    if "Killed" in output or "cannot allocate memory" in output.lower():
        return (
            "the compiler ran out of memory: run again with MAX_JOBS=1 in front; "
            "the build goes on where it stopped"
        )
    if "Python.h: No such file" in output:
        return "Python's headers are missing: install them (Debian, Ubuntu: python3.11-dev)"
    errors = [line for line in output.splitlines() if "error:" in line]
    first = f" ({errors[0].strip()[:200]})" if errors else ""
    return f"mmcv's operators do not compile{first}: see {log}, mend it and run again" + (
        "" if sys.platform == "linux" else "; only Linux was tried"
    )
