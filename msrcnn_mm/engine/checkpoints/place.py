"""The place of a run's checkpoints and the last of them, also of a folder that was moved or copied.

mmengine keeps the absolute path of the last checkpoint in the file ``last_checkpoint`` and resumes
from that path: of a moved folder it does not exist, of a copied one it is another training's.
"""

import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from msrcnn_mm.errors import CheckpointError


class LastCheckpoint(NamedTuple):
    """A checkpoint to resume from.

    Attributes:
        path: Its file or address.
        note: Why it is not the one that ``last_checkpoint`` names; None where it is.
    """

    path: str
    note: str | None = None


class CheckpointPlace(NamedTuple):
    """The place where a run keeps its checkpoints.

    Attributes:
        work_dir: The run's folder, with the file ``last_checkpoint``.
        folder: The folder of the checkpoints, the same unless ``CheckpointHook`` has an
            ``out_dir``; an address with ``://`` where they are kept elsewhere.
        template: Their name, with ``{}`` for the epoch or iteration.
    """

    work_dir: str
    folder: str
    template: str

    @classmethod
    def of_config(cls, config: Config) -> "CheckpointPlace":
        """Returns the place that a config sets."""
        hook = (config.get("default_hooks") or {}).get("checkpoint") or {}
        return cls._of(config.work_dir, hook)

    @classmethod
    def of_runner(cls, runner: Runner) -> "CheckpointPlace":
        """Returns the place of a runner whose training has not begun."""
        hooks = (vars(hook) for hook in runner.hooks if isinstance(hook, CheckpointHook))
        return cls._of(runner.work_dir, next(hooks, {}))

    @classmethod
    def _of(cls, work_dir: str, hook: Mapping[str, Any]) -> "CheckpointPlace":
        """Follows ``CheckpointHook`` with these settings."""
        by_default = "epoch_{}.pth" if hook.get("by_epoch", True) else "iter_{}.pth"
        folder = work_dir = os.path.abspath(work_dir)  # noqa: PTH100, as mmengine makes it
        if hook.get("out_dir") not in (None, work_dir):
            folder = f"{str(hook['out_dir']).rstrip('/')}/{Path(work_dir).name}"
        return cls(work_dir, folder, hook.get("filename_tmpl") or by_default)

    def file(self, recorded: str) -> str:
        """Returns the path in this place of a checkpoint that was recorded in any."""
        return f"{self.folder}/{PureWindowsPath(recorded).name}"  # splits at both slashes

    def last(self) -> LastCheckpoint | None:
        """Returns the last checkpoint; None where there is none and none is recorded.

        It is the one of the recorded name. Where that is not there or is damaged, it is the last
        whole one up to the recorded epoch or iteration.

        Raises:
            CheckpointError: A checkpoint is recorded, and there is none, or none that is whole.
        """
        record = Path(self.work_dir, "last_checkpoint")
        recorded = ""
        if record.is_file():
            recorded = record.read_text(errors="replace").strip()
        if "://" in self.folder and recorded.startswith(f"{self.folder}/"):
            return LastCheckpoint(recorded)
        own = self.file(recorded)
        if os.path.isfile(own) and _is_whole(Path(own)):  # noqa: PTH113, recorded may be no name
            return LastCheckpoint(own)
        older = self._older(own)
        if older is not None:
            lacks = "is missing"
            if recorded:
                lacks = f"names {own}, which is missing or damaged"
            elif record.is_file():
                lacks = "is empty"
            return LastCheckpoint(
                older, f"{record} {lacks}: the training resumes from {older}, the last one there is"
            )
        anew = (
            "or name one to resume from (--resume FILE); to start from the beginning, remove the "
            "file last_checkpoint"
        )
        if os.path.isfile(own):  # noqa: PTH113
            if _is_of_old_torch(Path(own)):
                return LastCheckpoint(own)
            raise CheckpointError(
                f"{own}: is damaged, and {self.folder} has no whole checkpoint before it: copy it "
                f"again, {anew}"
            )
        if not record.is_file():
            return None
        raise CheckpointError(
            f"{record} names {recorded or 'no checkpoint'}, and {self.folder} has none to resume "
            f"from: copy the checkpoint there, {anew}"
        )

    def newest(self) -> tuple[str, int] | None:
        """Returns the last checkpoint and its time in ns, 0 for an address; None without one."""
        try:
            last = self.last()
        except CheckpointError:
            return None
        if last is None:
            return None
        return last.path, 0 if "://" in last.path else Path(last.path).stat().st_mtime_ns

    def record(self, path: str) -> None:
        """Writes a checkpoint's path into ``last_checkpoint``, in one step."""
        written = Path(self.work_dir, f"last_checkpoint.{os.getpid()}")
        written.write_text(path)
        written.replace(Path(self.work_dir, "last_checkpoint"))

    def _older(self, own: str) -> str | None:
        """Returns the last whole checkpoint before another, or of all if that has no number."""
        before, _, after = map(re.escape, self.template.partition("{}"))
        numbered = re.compile(f"{before}([0-9]+){after}")
        last = numbered.fullmatch(Path(own).name)
        found: dict[int, Path] = {}
        for path in Path(self.folder).glob("*"):
            match = numbered.fullmatch(path.name)
            if match and (last is None or int(match[1]) < int(last[1])):
                found[int(match[1])] = path
        whole = (
            found[number] for number in sorted(found, reverse=True) if _is_whole(found[number])
        )
        return next(map(str, whole), None)


def _is_whole(path: Path) -> bool:
    """Returns whether a file is a ZIP archive whose parts all have their checksums, as torch's."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (
        *(OSError, EOFError, ValueError, RuntimeError),
        *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    ):
        return False


def _is_of_old_torch(path: Path) -> bool:
    """Returns whether a file begins as torch wrote checkpoints before 1.6: without checksums."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"\x80\x02"  # a pickle
    except OSError:
        return False
