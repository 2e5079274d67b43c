"""How far ninja is, from what it prints."""

import re
import time
from pathlib import Path

from installer.console import StatusLine

_NINJA_STATUS = re.compile(r"^\[(\d+)/(\d+)\] ")
_COMPILATION = re.compile(r"^build [^:]+: \w*compile ", re.MULTILINE)


def count_files(build_ninja: Path) -> int:
    """Number of files that a `build.ninja` written by torch compiles."""
    return len(_COMPILATION.findall(build_ninja.read_text(encoding="utf-8")))


def clock(seconds: float) -> str:
    """Minutes and seconds: `3:07`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class CompileProgress:
    """Shows files done, time elapsed and time left while ninja compiles.

    Args:
        build_root: Folder below which torch writes `build.ninja`, once the build has started.
    """

    def __init__(self, build_root: Path) -> None:
        self._build_root = build_root
        self._line = StatusLine()
        self._start = time.monotonic()
        self._total = 0

    def on_line(self, text: str) -> None:
        """Takes a line that the build printed."""
        status = _NINJA_STATUS.match(text)
        if not status:
            return
        done_now, to_do = int(status[1]), int(status[2])
        if not self._total:
            found = sorted(self._build_root.glob("build/temp.*/build.ninja"))
            self._total = count_files(found[-1]) if found else to_do
        self._line.show(self.text(done_now, to_do), force=done_now in (1, to_do))

    def text(self, done_now: int, to_do: int) -> str:
        """The line to show.

        Args:
            done_now: Files that this run has compiled.
            to_do: Files that this run has to compile, fewer than all if it resumes another.
        """
        elapsed = time.monotonic() - self._start
        total = max(self._total, to_do)
        left = elapsed / done_now * (to_do - done_now)
        return (
            f"  compiled {total - to_do + done_now} of {total} files, "
            f"{clock(elapsed)} elapsed, about {clock(left)} left"
        )

    def close(self) -> None:
        """Ends the line."""
        self._line.close()
