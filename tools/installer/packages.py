"""Calls pip and turns its failures into one line each."""

import re
from collections.abc import Sequence
from pathlib import Path

from installer.console import InstallError, StatusLine, run

_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_UNREACHABLE = re.compile(
    r"connection broken by|Connection refused|Failed to establish a new connection"
    r"|Name or service not known|Temporary failure in name resolution|Network is unreachable"
    r"|timed out|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED|Could not fetch URL"
    r"|Max retries exceeded|Connection aborted|Connection reset",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(r"No matching distribution found for (\S+)")


def explain_failure(lines: Sequence[str], log: Path) -> str:
    """What pip's output means for the user.

    Args:
        lines: The last lines that pip printed.
        log: Where all of them are.

    Returns:
        One line: what is wrong and what to do.
    """
    text = "\n".join(lines)
    if _DISK_FULL.search(text):
        return (
            "the disk is full (here, in pip's cache or in the temporary folder): free some space "
            f"(torch with CUDA needs about 10 GB) and run again; details in {log}"
        )
    # pip reports an index out of reach as a package that does not exist, so this comes first.
    if _UNREACHABLE.search(text):
        return (
            "pip cannot reach its package index: check the network, the proxy and "
            f"`pip config list`, then run again; details in {log}"
        )
    not_found = _NOT_FOUND.search(text)
    if not_found:
        # Told not to retry, pip keeps to itself that it reached nothing.
        reason = " or is out of reach" if "(from versions: none)" in text else ""
        return (
            f"the package index has no {not_found[1]} for this Python and machine{reason}: check "
            f"the network and `pip config list`, then run again; details in {log}"
        )
    reasons = [line for line in lines if line.lstrip().startswith("ERROR")]
    return f"pip failed ({reasons[-1].strip() if reasons else 'no reason given'}): see {log}"


class Pip:
    """pip of one environment."""

    def __init__(self, python: Path, log: Path) -> None:
        self._command: list[str | Path] = [
            python,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
        ]
        self._log = log

    def __call__(self, *arguments: str | Path) -> None:
        """Runs pip, showing what it downloads.

        Raises:
            InstallError: It failed.
        """
        status, lines = self._run(arguments)
        if status:
            raise InstallError(explain_failure(lines, self._log))

    def finds(self, *arguments: str | Path) -> bool:
        """Runs pip; False if all that is wrong is that the index does not have the package.

        Raises:
            InstallError: It failed otherwise.
        """
        status, lines = self._run(arguments)
        text = "\n".join(lines)
        if status and (_UNREACHABLE.search(text) or not _NOT_FOUND.search(text)):
            raise InstallError(explain_failure(lines, self._log))
        return status == 0

    def _run(self, arguments: Sequence[str | Path]) -> tuple[int, list[str]]:
        line = StatusLine(pause_s=0)

        def show(text: str) -> None:
            text = text.strip()
            if text.startswith(("Downloading", "Installing", "WARNING: Retrying")):
                line.show(f"  {text[:96]}")

        try:
            return run([*self._command, *arguments], self._log, on_line=show)
        finally:
            line.close()
