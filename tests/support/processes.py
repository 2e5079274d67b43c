"""Runs Python as a user does, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_python(*words: object, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Runs ``python WORDS`` on this checkout's package, wherever another one is installed.

    Args:
        *words: The words.
        timeout: Seconds after which it is killed and the test fails.
    """
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
