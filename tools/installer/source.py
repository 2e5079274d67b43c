"""mmcv's source: fetched by pip and unpacked, each in one step as far as a next run can tell."""

import gzip
import io
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from installer.console import InstallError
from installer.packages import Pip

_UNREADABLE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def unpacked_source(pin: Path, folder: Path, pip: Pip) -> Path:
    """The folder of mmcv's source in ``folder``, as an earlier run left it, or new.

    Args:
        pin: Requirements file with a line `mmcv==VERSION`.
        folder: Where the operators are built.
        pip: pip of the environment that the build will use.

    Raises:
        InstallError: The source cannot be had.
    """
    name = next(
        line.split("#")[0].strip().replace("==", "-")
        for line in pin.read_text(encoding="utf-8").splitlines()
        if line.startswith("mmcv==")
    )
    source = folder / name
    if source.is_dir():
        return source
    archive = folder.parent / f"{name}.tar.gz"
    archive.unlink(missing_ok=True)  # pip would take half a file for a whole one
    pip(
        *("download", "--no-deps", "--no-binary", "mmcv", "-r", pin),
        # mmcv's setup.py imports pkg_resources, which an isolated build would not have.
        *("--no-build-isolation", "-d", archive.parent),
    )
    unpacking = folder / "unpacking"
    shutil.rmtree(unpacking, ignore_errors=True)
    try:
        unpack(archive, unpacking)
    except _UNREADABLE as error:
        raise InstallError(
            f"{archive} is damaged or not mmcv's source ({error}): run again to fetch it anew"
        ) from None
    (unpacking / name).replace(source)
    unpacking.rmdir()
    return source


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a `.tar.gz` into ``folder``, and nothing outside it.

    Raises:
        tarfile.TarError: A member's path leads elsewhere; other errors, if the archive is damaged.
    """
    content = gzip.decompress(archive.read_bytes())  # compares its checksum, as tarfile does not
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as file:
        if hasattr(tarfile, "data_filter"):
            file.extractall(folder, filter="data")
            return
        # Before 3.11.4 Python has no filters, and Debian 12's own is 3.11.2.
        for member in file.getmembers():
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                raise tarfile.ExtractError(f"it holds {member.name!r}")
        file.extractall(folder)
