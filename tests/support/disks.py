"""Mounts disks that are small or read-only, where the system allows it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mounts a disk in memory of a size such as ``64k``; skips the test where that is refused."""
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk can be mounted on Linux by root alone: {error}")
    try:
        yield folder
    finally:
        _run("umount", "--lazy", folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Has what is opened in a folder of a mounted disk be read-only; open files stay writable."""
    _run("mount", "--bind", folder, folder)
    try:
        change(folder, "bind,ro")
        yield
    finally:
        _run("umount", "--lazy", folder)


def change(folder: Path, options: str) -> None:
    """Mounts a disk anew, ``ro`` or with another ``size=``."""
    _run("mount", "-o", f"remount,{options}", folder)


def fill(folder: Path) -> None:
    """Fills a disk to its last byte."""
    with pytest.raises(OSError, match="No space"), (folder / "filling").open("wb", 0) as file:
        while True:
            file.write(bytes(4096))


def _run(*words: object) -> None:
    subprocess.run([*map(str, words)], check=True, capture_output=True)
