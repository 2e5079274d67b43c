"""The steps of an install, and how the next run knows that there is nothing to do."""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer import checks
from installer.console import InstallError, run, say
from installer.operators import Operators
from installer.packages import Pip
from installer.progress import clock
from installer.torch_facts import read_torch, site_packages

_STAMP = "msrcnn_mm_install.json"  # empty until an install is complete
_UNFINISHED = "unfinished_install"


def install(root: Path, *, dev: bool) -> None:
    """Makes ``root``/.venv ready, doing only what is not done yet.

    Args:
        root: The checkout.
        dev: Also install what the tests and linters need.

    Raises:
        InstallError: Something is missing that the user can put right.
    """
    venv = root / ".venv"
    if is_current(root, venv, dev):
        return
    start = time.monotonic()
    checks.check_venv_modules()
    log = root / "build" / "install.log"
    log.parent.mkdir(exist_ok=True)
    with _only_one(root / "build" / "install.lock"):
        if is_current(root, venv, dev):  # another run did it meanwhile
            return
        log.unlink(missing_ok=True)
        _install(root, venv, dev, log)
    say(f"installed in {clock(time.monotonic() - start)}; what was printed is in {log}")


def _install(root: Path, venv: Path, dev: bool, log: Path) -> None:
    python = venv / "bin" / "python"
    unfinished = venv / _UNFINISHED
    _check_ours(venv)
    if _is_broken(venv) or unfinished.exists():
        # pip takes a package that it had copied half of for a whole one: start clean.
        _make_venv(venv, log)
    pip = Pip(python, log)
    operators = Operators(root, python, pip, log)
    if read_torch(python) is None:
        operators.check_machine()
    names = ["build", "runtime", *(["dev"] if dev else [])]
    files = [root / "requirements" / f"{name}.txt" for name in names]
    say(f"installing the pinned packages ({', '.join(f'{name}.txt' for name in names)})")
    unfinished.touch()
    pip("install", *(part for file in files for part in ("-r", file)))
    unfinished.unlink()
    operators.install()
    say("installing msrcnn_mm, editable")
    pip("install", "--no-deps", "--no-build-isolation", "--editable", root)
    state = json.dumps(describe(root, venv, dev), indent=1)
    (venv / _STAMP).write_text(state + "\n", encoding="utf-8")


def _check_ours(venv: Path) -> None:
    """Leaves alone an environment that the user made: pip would change it, we might delete it."""
    ours = any((venv / mark).exists() for mark in (_STAMP, _UNFINISHED))
    if not ours and venv.exists() and any(venv.iterdir()):
        raise InstallError(
            f"{venv} is not ours (make install did not make it, so it neither changes nor deletes "
            "it): move it away, for instance `mv .venv .venv.mine`, and run again"
        )


def _make_venv(venv: Path, log: Path) -> None:
    """Makes an environment in place of one of ours; marked as ours before anything is in it."""
    checks.check_disk(venv.parent)
    again = ": the one here is unfinished, or of another Python" if venv.exists() else ""
    say(f"making .venv{again}")
    old = log.parent / "deleted_venv"
    shutil.rmtree(old, ignore_errors=True)
    if venv.exists():
        venv.replace(old)  # not bit by bit: the mark could be the first to go
        shutil.rmtree(old, ignore_errors=True)
    venv.mkdir()
    (venv / _UNFINISHED).touch()
    status, lines = run([sys.executable, "-m", "venv", venv], log)
    if status:
        raise InstallError(f"no environment could be made ({lines[-1]}): see {log}")
    (venv / _STAMP).write_text("{}\n", encoding="utf-8")


def describe(root: Path, venv: Path, dev: bool) -> dict[str, object]:
    """All that an install depends on, and what it made: where this is unchanged, so is that.

    Args:
        root: The checkout.
        venv: Its environment.
        dev: Whether the tests' and linters' requirements count.
    """
    packages = site_packages(venv / "bin" / "python")
    inputs = [root / "setup.py", root / "msrcnn_mm" / "versions.py"]
    inputs += sorted((root / "requirements").glob("*.txt"))
    installed = sorted(path.name for path in packages.glob("*.dist-info"))
    return {
        "root": str(root),  # an environment does not survive being moved
        "python": sys.version_info[:2],
        "torch": read_torch(venv / "bin" / "python"),
        "inputs": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs},
        "installed": installed,  # what the user changed by hand shows here
        "operators": [
            [path.name, path.stat().st_size, path.stat().st_mtime_ns]
            for path in sorted((packages / "mmcv").glob("_ext*.so"))
        ],
        "dev": dev,
    }


def is_current(root: Path, venv: Path, dev: bool) -> bool:
    """Whether an earlier run did all that this one would.

    Args:
        root: The checkout.
        venv: Its environment.
        dev: As for :func:`install`; an environment with the extras serves without them.
    """
    try:
        saved = json.loads((venv / _STAMP).read_text(encoding="utf-8"))
        now = json.loads(json.dumps(describe(root, venv, dev or saved["dev"])))
    except (OSError, ValueError, KeyError):
        return False
    return bool(saved == now) and not _is_broken(venv)


def _is_broken(venv: Path) -> bool:
    """True if there is no environment, or one whose interpreter is gone or another's.

    One made by another Python 3.11 than this serves as well, and is not deleted for it.
    """
    config = venv / "pyvenv.cfg"
    if not (venv / "bin" / "python").exists() or not config.is_file():
        return True
    version = ".".join(map(str, sys.version_info[:2]))
    return f"version = {version}." not in config.read_text(encoding="utf-8") or not list(
        site_packages(venv / "bin" / "python").glob("pip-*.dist-info")
    )


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Lets a second install in the same checkout wait for the first, and says so.

    The system drops the lock with its process, however that ends.
    """
    with lock.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"another install (process {file.read().strip()}) is at work here: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))  # at the end, wherever we have read: the mode is `a`
        file.flush()
        yield
