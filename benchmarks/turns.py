"""Times functions in turns, so that whatever else runs on the machine slows all of them alike."""

import ctypes
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch


def in_turns(
    functions: Sequence[Callable[[], object]],
    device: torch.device | str,
    turns: int,
    warm_up: int = 3,
) -> np.ndarray:
    """Returns the milliseconds of each function and turn, (functions, turns).

    Args:
        functions: Called one after the other in each turn.
        device: The device that they run on; a GPU is waited for after each call.
        turns: The turns that count.
        warm_up: The turns before them.
    """
    taken = np.zeros((warm_up + turns, len(functions)))
    for row in taken:
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize(device)
            row[i] = time.perf_counter() - start
    return 1000 * taken[warm_up:].T


def peak_memory(function: Callable[[], object], device: torch.device | str) -> float:
    """Returns the MB by which a call's peak exceeds the memory in use before it.

    Args:
        function: Called once.
        device: Its memory is meant; on a CPU that of the process, which Linux tells.
    """
    if torch.device(device).type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    ctypes.CDLL(None).malloc_trim(0)  # what earlier calls left must not serve this one
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_kilobytes()
    function()
    return (_peak_kilobytes() - before) * 1024 / 1e6


def _peak_kilobytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def ratio(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Summarises two rows of :func:`in_turns`.

    Returns:
        Median milliseconds of both, the median of the turns' ratios, and their quartiles.
    """
    low, middle, high = np.quantile(ours / theirs, (0.25, 0.5, 0.75))
    return {
        "ours_ms": float(np.median(ours)),
        "theirs_ms": float(np.median(theirs)),
        "ratio": float(middle),
        "ratio_low": float(low),
        "ratio_high": float(high),
    }


def ratio_line(name: str, measured: dict[str, float], theirs: str = "built-in") -> str:
    """Returns a line of a table from what :func:`ratio` returns."""
    return (
        f"  {name:44} ours {measured['ours_ms']:9.2f} ms  {theirs} {measured['theirs_ms']:9.2f} ms"
        f"  ratio {measured['ratio']:.2f} ({measured['ratio_low']:.2f} to "
        f"{measured['ratio_high']:.2f})"
    )


def machine(device: torch.device | str) -> str:
    """Returns the names of the device and of the versions that the figures depend on."""
    if torch.device(device).type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
    return f"{name}, torch {torch.__version__}, Python {platform.python_version()}"


def add_to_json(path: Path | None, name: str, device: str, figures: object) -> None:
    """Writes figures under a name into a JSON file, beside those that it has.

    Args:
        path: The file; None writes nothing.
        name: The benchmark.
        device: What the figures were measured on.
        figures: Numbers in lists and dictionaries.
    """
    if path is None:
        return
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = {"machine": machine(device), "figures": figures}
    path.write_text(json.dumps(known, indent=1) + "\n")
