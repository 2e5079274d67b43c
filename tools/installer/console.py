"""What the installer shows and how it runs other programs."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class InstallError(Exception):
    """Something that the user can put right: the message names it and the remedy, in one line."""


def say(message: str) -> None:
    """Prints one line at once, also into a pipe."""
    print(message, flush=True)


class StatusLine:
    """A line that is written over on a terminal, and repeated now and then elsewhere."""

    def __init__(self, pause_s: float = 15.0) -> None:
        self._terminal = sys.stdout.isatty()
        self._pause_s = pause_s
        self._last = float("-inf")
        self._open = False

    def show(self, text: str, *, force: bool = False) -> None:
        """Shows ``text``; off a terminal only if `pause_s` has passed or ``force`` is set."""
        if self._terminal:
            print(f"\r{text}\033[K", end="", flush=True)
            self._open = True
        elif force or time.monotonic() - self._last >= self._pause_s:
            self._last = time.monotonic()
            say(text)

    def close(self) -> None:
        """Ends the line, so that what follows starts on its own."""
        if self._open:
            print(flush=True)
            self._open = False


def run(
    command: Sequence[str | Path],
    log: Path,
    *,
    on_line: Callable[[str], None] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, list[str]]:
    """Runs a program, its output added to ``log``.

    Args:
        command: Program and arguments.
        log: File that takes what it prints.
        on_line: Called with each line as it comes.
        cwd: Folder to run in.
        env: Its environment; ours if None.

    Returns:
        The exit status and the last 400 lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=400)
    with log.open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"\n$ {' '.join(map(str, command))}\n")
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=cwd,
            env=env,
            start_new_session=True,  # one group, so that an interruption reaches every compiler
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                tail.append(line.rstrip("\n"))
                if on_line:
                    on_line(tail[-1])
            return process.wait(), list(tail)
        except BaseException:
            _stop(process)
            raise


def _stop(process: subprocess.Popen[str]) -> None:
    """Interrupts a program with all it started: ninja then removes its half-written objects."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=10)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
